"""The arrows between the packages, read from the import statements; what importing does not do; the shape of files."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "pipelines", "tuning", "cluster")
LONGEST = 400
"""Lines of a file."""

# A part may import itself and what stands before it in its list.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "app.core": (),
    "app.settings": ("app.core",),
    "app.adapters": ("app.core", "app.settings"),
    "app.views": ("app.core", "app.settings", "app.adapters"),
    "app.classification": ("app.core", "app.settings", "app.adapters"),
    "app.services": ("app.core", "app.settings", "app.adapters", "app.views", "app.classification"),
    "app.service": ("app.core", "app.settings", "app.adapters", "app.views", "app.classification", "app.services"),
    "app.serving": (
        "app.core",
        "app.settings",
        "app.adapters",
        "app.views",
        "app.classification",
        "app.services",
        "app.service",
    ),
    "app.dashboard": (
        "app.core",
        "app.settings",
        "app.adapters",
        "app.views",
        "app.classification",
        "app.services",
        "app.service",
    ),
    "app.main": (
        "app.core",
        "app.settings",
        "app.adapters",
        "app.views",
        "app.classification",
        "app.services",
        "app.service",
        "app.serving",
        "app.dashboard",
    ),
    "pipelines": ("app.core", "app.settings", "app.adapters"),
    "tuning": ("app.core", "app.settings", "app.adapters", "pipelines"),
    "cluster": ("app.core", "app.settings", "app.adapters"),
}
# Arrows that point up today, each one known. One that is gone must be taken out here.
KNOWN: frozenset[tuple[str, str]] = frozenset(
    {
        # The live pipeline is a Serve application: it reaches the classifier like the others do.
        ("pipelines.stream", "app.serving.handles"),
        # An alert says what the screen says: the same sentences, figures and evidence.
        ("pipelines.alert", "app.services.alert_contents"),
        # A promotion reads what the router saw, over the same handle.
        ("pipelines.promote", "app.serving.handles"),
    }
)


def _modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


@functools.cache
def _imported(module: str) -> set[str]:
    """The modules that a module imports, whosever they are, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                names.add(full if full in MODULES else base)
    return names


def _imports(module: str) -> set[str]:
    """Our own modules that a module imports."""
    return {name for name in _imported(module) if name in MODULES and name != module}


def _roots(module: str) -> set[str]:
    """The packages that a module imports from, whosever they are."""
    return {name.partition(".")[0] for name in _imported(module)}


def _part(module: str) -> str | None:
    return next((part for part in MAY_IMPORT if module == part or module.startswith(f"{part}.")), None)


def _forbidden() -> set[tuple[str, str]]:
    found = set()
    for module in MODULES:
        part = _part(module)
        for imported in _imports(module):
            other = _part(imported)
            if part is not None and other is not None and other != part and other not in MAY_IMPORT[part]:
                found.add((module, imported))
    return found


def test_every_module_belongs_to_a_part() -> None:
    assert [module for module in MODULES if module != "app" and _part(module) is None] == []


def test_arrows_point_down() -> None:
    assert sorted(_forbidden() - KNOWN) == []


def test_no_known_exception_is_stale() -> None:
    assert sorted(KNOWN - _forbidden()) == []


def test_no_cycles() -> None:
    TopologicalSorter({module: _imports(module) for module in MODULES}).prepare()


def test_what_does_not_ship_is_imported_by_nothing_that_does() -> None:
    assert [module for module in MODULES if {"tests", "benchmarks"} & _roots(module)] == []
    assert [module for module in MODULES if "samples" in _roots(module) and _part(module) != "cluster"] == []


def test_the_core_is_pure() -> None:
    """It imports what computes, and asks nobody what time it is."""
    outside = set("asyncio io logging multiprocessing os pathlib random socket subprocess threading time".split())
    computes = (sys.stdlib_module_names - outside) | {"app", "numpy", "pyarrow", "datasketch", "emoji", "py3langid"}
    core = [module for module in MODULES if _part(module) == "app.core"]
    assert {module: found for module in core if (found := _roots(module) - computes)} == {}
    asked = {"now", "utcnow", "today"}
    for module in core:
        calls = (node.func for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, ast.Call))
        assert not [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in asked], module


def _python_files() -> list[Path]:
    return [path for folder in (*PACKAGES, "benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_file_is_long() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _python_files()}
    assert {path: length for path, length in lines.items() if length > LONGEST} == {}


# Of these folders a test tests no single package.
WITHOUT_PACKAGE = frozenset({"", "samples"})


def test_tests_mirror_the_packages() -> None:
    """A test below tests/core tests app.core, by itself or with a rig beside it; one of the whole product is e2e."""
    strays = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = ".".join(path.relative_to(ROOT / "tests").parent.parts)
        if folder in WITHOUT_PACKAGE or path.stem.endswith("_e2e"):
            continue
        tested = rf"^(from|import) (app\.|tests\.)?{re.escape(folder)}\b"
        if re.search(tested, path.read_text(), re.MULTILINE) is None:
            strays.append(f"{folder}/{path.name}")
    assert strays == []


def _run(code: str, folder: Path) -> str:
    (folder / "home").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "EVENTPULSE_STATE_DIR": str(folder / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("app.core.query", ("ray", "torch", "transformers", "sqlalchemy", "onnxruntime", "fastapi", "gradio")),
        ("app.service", ("ray", "torch", "transformers", "onnxruntime", "fastapi", "gradio")),
        ("app.adapters.onnx", ("ray", "torch", "transformers")),
        ("pipelines.follow", ("ray", "torch", "transformers")),
        ("pipelines.alert", ("ray", "torch", "transformers", "onnxruntime", "fastapi")),
        ("pipelines.fit", ("ray",)),
    ],
)
def test_import_stays_light(module: str, heavy: tuple[str, ...], tmp_path: Path) -> None:
    code = f"import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"
    assert _run(code, tmp_path).split() == []


def test_importing_the_app_acts_on_nothing(tmp_path: Path) -> None:
    names = [name for name in MODULES if name.startswith("app") and ".migrations." not in name]
    made = _run(f"import importlib\nfor name in {names!r}: importlib.import_module(name)", tmp_path)
    assert made == ""
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []
