"""What the documentation says is so: settings, commands, modules, links, versions, routes."""

import importlib.util
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.adapters.store import Store
from app.core.types import Prediction
from app.service import Service
from app.serving.api import build_api
from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
API_PAGE = ROOT / "docs" / "api.md"
FIELDS = sorted(Settings.model_fields)


def variable(field: str) -> str:
    return f"EVENTPULSE_{field.upper()}"


def default(field: str) -> str:
    value: Any = Settings.model_fields[field].default
    return "" if value is None else str(value)


def configuration_row(field: str) -> str:
    shown = f"`{default(field)}`" if default(field) else "none"
    return f"| `{variable(field)}` | {shown} | {Settings.model_fields[field].description} |"


def configuration_table() -> str:
    """The table of the README, in the order of the fields."""
    head = ["| variable | default | meaning |", "| --- | --- | --- |"]
    return "\n".join([*head, *map(configuration_row, Settings.model_fields)])


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def code(page: Path) -> str:
    """The code blocks and the inline code of a page, one to a line."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", prose(page))])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("field", FIELDS)
def test_the_readme_has_every_setting_as_it_is(field: str) -> None:
    assert configuration_row(field) in README.read_text().splitlines()


def test_the_readme_has_no_setting_that_is_gone() -> None:
    rows = re.findall(r"^\| `(EVENTPULSE_\w+)` \| .+ \| .+ \|$", README.read_text(), flags=re.MULTILINE)
    assert rows == [variable(field) for field in Settings.model_fields]


def test_the_example_environment_has_every_setting_with_its_default_and_sets_none() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    given = [line.removeprefix("# ") for line in lines if line.startswith("# EVENTPULSE_")]
    assert sorted(given) == sorted(f"{variable(field)}={default(field)}" for field in FIELDS)


def test_no_secret_has_a_default() -> None:
    secrets = [field for field in FIELDS if "SecretStr" in str(Settings.model_fields[field].annotation)]
    assert secrets
    assert [field for field in secrets if Settings.model_fields[field].default not in (None, SecretStr(""))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_on_a_page_are_settings(page: Path) -> None:
    named = set(re.findall(r"EVENTPULSE_[A-Z_]*[A-Z]", page.read_text())) - {"EVENTPULSE_TEST_POSTGRES_URL"}
    assert named <= {variable(field) for field in FIELDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_on_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    commands = re.findall(r"^(?:\S+=\S+ )*make ([a-z]+)", code(page), flags=re.MULTILINE)
    assert set(commands) <= targets


def test_the_readme_names_the_two_commands() -> None:
    assert {"make run", "make test"} <= set(code(README).splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_variables_on_a_page_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"^make run (.+)$", code(page), flags=re.MULTILINE)
    given = {name for command in commands for name in re.findall(r"\b([A-Z_]+)=", command)}
    assert [name for name in sorted(given) if f"$({name})" not in makefile] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_on_a_page_exist(page: Path) -> None:
    modules = set(re.findall(r"python[\d.]* -m ([\w.]+)", page.read_text()))
    ours = {module for module in modules if "." in module}
    assert [module for module in sorted(ours) if not (ROOT / f"{module.replace('.', '/')}.py").is_file()] == []
    assert [module for module in sorted(modules - ours) if importlib.util.find_spec(module) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_on_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(place), f"{page.name} links to {target}"


def test_the_changelog_is_at_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    found = re.search(r"^(?:## \[|Version in the making: )(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert found is not None
    assert found[1] == version


def test_figures_of_the_model_are_those_of_its_card() -> None:
    card = (ROOT / "models/default/README.md").read_text()
    rows = re.findall(r"^\| [\w-]+ \| [\d,]+ \| 0\.\d{3} \(.+ / .+$", card, re.M)
    page = (ROOT / "docs" / "model.md").read_text().splitlines()
    assert rows
    assert [row for row in rows if row not in page] == []


async def no_model(
    texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
) -> list[Prediction]:
    raise AssertionError("the documentation classifies nothing")


def test_routes_on_the_api_page_exist(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path / 'docs.db'}")
    with Store(settings.database) as store:
        store.migrate()
        app = build_api(Service(store, no_model, settings), no_model, settings)
    paths = {getattr(route, "path", "") for route in app.routes} | set(app.openapi()["paths"])
    patterns = [re.sub(r"\{[^}]+\}", "[^/]+", path.removeprefix("/v1")) for path in paths]
    found = re.findall(r"(?:/v1|\$API)(/[\w{}./:-]+)", API_PAGE.read_text())
    named = {path.rstrip("./") for path in found}
    assert named
    assert [path for path in sorted(named) if not any(re.fullmatch(pattern, path) for pattern in patterns)] == []
