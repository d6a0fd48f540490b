from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adapters.artifact import MANIFEST, ONNX, sha256, verify, write_manifest
from app.adapters.mlflow_client import QUIET
from app.adapters.registry import MODEL, Registry, folder_sha256
from app.core.errors import ConfigError, InvalidInput, ModelNotFound, NotFound, StoreError
from app.settings import Settings
from tests.fakes.mlflow_files import model_folder, state

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning")  # MLflow's


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return state(tmp_path)


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings.mlflow, settings.mlflow_artifacts)


def with_three(folder: Path) -> Registry:
    """A registry of the three folders one, two and three; the third is the challenger."""
    settings = state(folder)
    registry = Registry(settings.mlflow, settings.mlflow_artifacts)
    for name in ("one", "two", "three"):
        registry.register(model_folder(folder / name, name))
    return registry


@pytest.fixture
def three(tmp_path: Path) -> Registry:
    """Three versions to move aliases about."""
    return with_three(tmp_path)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture(scope="module")
def shared(shelf: Path) -> Registry:
    """Three versions that lie on the shelf and that no test changes."""
    return with_three(shelf)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def aliases(registry: Registry) -> dict[str, int]:
    return {alias: each.version for each in registry.versions() for alias in each.aliases}


def test_a_fetched_model_is_the_registered_folder_byte_for_byte(registry: Registry, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    registered = registry.register(folder)
    manifest = registry.fetch("challenger", tmp_path / "served" / "model")
    assert contents(tmp_path / "served" / "model") == contents(folder)
    assert manifest == verify(folder)
    assert registered.model == manifest.model
    assert [path.name for path in (tmp_path / "served").iterdir()] == ["model"]


def test_a_version_says_what_it_is(registry: Registry, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    registered = registry.register(folder, tags={"gate": "passed", "model": "another name"})
    assert (registered.version, registered.aliases, registered.tags) == (1, ("challenger",), {"gate": "passed"})
    assert registered.manifest_sha256 == sha256(folder / MANIFEST)
    assert registered.folder_sha256 == folder_sha256(folder)
    assert registry.versions() == [registered] == [registry.resolve("challenger")] == [registry.resolve(1)]


def test_the_same_folder_again_is_the_same_version_and_mends_it(
    registry: Registry, settings: Settings, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "made")
    first = registry.register(folder, tags={"gate": "refused"})
    stored = next(settings.mlflow_artifacts.rglob(ONNX))
    stored.write_bytes(b"lost")
    again = registry.register(folder, tags={"gate": "passed"})
    assert (again.version, again.run_id, again.tags) == (first.version, first.run_id, {"gate": "passed"})
    assert registry.fetch(1, tmp_path / "served").model == first.model


def test_two_folders_of_one_run_stay_apart(registry: Registry, tmp_path: Path) -> None:
    first = registry.register(model_folder(tmp_path / "one", "one"))
    second = registry.register(model_folder(tmp_path / "two", "two"), run_id=first.run_id)
    assert second.run_id == first.run_id
    assert registry.fetch(1, tmp_path / "served").model == first.model != second.model


def test_no_pickle_and_no_flavour_is_in_the_store(shared: Registry, shelf: Path) -> None:
    files = [path for path in (shelf / "a state" / "mlflow").rglob("*") if path.is_file()]
    assert len(files) == 3 * 5
    assert {path.name for path in files} == {
        "README.md",
        "confusion.png",
        "manifest.json",
        "model.onnx",
        "tokenizer.json",
    }


@pytest.mark.parametrize("name", ["weights.pkl", "model.pt", "deep/pytorch_model.bin", "no_suffix"])
def test_another_kind_of_file_is_refused(registry: Registry, tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path / "made")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(InvalidInput, match=name):
        registry.register(folder)
    assert registry.versions() == []


def test_a_link_out_of_the_folder_is_refused(registry: Registry, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    (folder / "notes.txt").symlink_to(tmp_path)
    with pytest.raises(InvalidInput, match=r"notes\.txt"):
        registry.register(folder)


def test_a_folder_that_does_not_verify_is_not_registered(registry: Registry, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "made")
    (folder / ONNX).write_bytes(b"other")
    with pytest.raises(ModelNotFound, match="SHA-256 differs"):
        registry.register(folder)
    assert registry.versions() == []


def test_a_run_that_is_not_there(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="0" * 32):
        registry.register(model_folder(tmp_path / "made"), run_id="0" * 32)
    assert registry.versions() == []


def new_weights(stored: Path) -> None:
    """What somebody would do who knows the layout: other weights with a manifest that fits them."""
    (stored / ONNX).write_bytes(b"others")
    write_manifest(stored, name="tiny", max_tokens=64, scores={}, provenance={})


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: (stored / ONNX).write_bytes(b"others"),
        lambda stored: (stored / ONNX).unlink(),
        lambda stored: (stored / MANIFEST).unlink(),
        lambda stored: (stored / "README.md").write_text("The best model."),
        lambda stored: (stored / "added.json").write_text("{}"),
        new_weights,
        lambda stored: stored.rename(stored.parent / "elsewhere"),
    ],
)
def test_a_model_altered_in_the_store_is_refused(
    registry: Registry, settings: Settings, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    registry.register(model_folder(tmp_path / "made"))
    damage(next(settings.mlflow_artifacts.rglob(MANIFEST)).parent)
    with pytest.raises(ModelNotFound, match=r"version 1 (was altered in|are gone from) .*: register the model again"):
        registry.fetch(1, tmp_path / "served" / "model")
    assert list((tmp_path / "served").iterdir()) == []


def test_a_refused_version_leaves_the_model_that_is_there(
    registry: Registry, settings: Settings, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    for name in ("one", "two"):
        registry.register(model_folder(tmp_path / name, name))
    kept = registry.fetch(1, served)
    for stored in settings.mlflow_artifacts.rglob(ONNX):
        stored.write_bytes(b"others")
    with pytest.raises(ModelNotFound):
        registry.fetch(2, served)
    assert verify(served) == kept
    assert registry.fetch(1, served) == kept, "the same model is not loaded again"


def test_a_model_folder_is_replaced_whole(shared: Registry, shelf: Path, tmp_path: Path) -> None:
    served = tmp_path / "served"
    shared.fetch(1, served)
    (served / "left.txt").write_text("of before")
    shared.fetch("3", served)
    assert contents(served) == contents(shelf / "three")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_is_no_model_folder_is_not_replaced(
    shared: Registry, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "work")
    with pytest.raises(InvalidInput, match="no model folder"):
        shared.fetch(1, tmp_path / "work")
    assert (tmp_path / "work").exists()


def test_an_alias_that_is_not_there_is_named_with_what_is(shared: Registry, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no model 'champion': it has version 3 challenger, version 2, version 1"):
        shared.fetch("champion", tmp_path / "served")
    assert not (tmp_path / "served").exists()


def test_an_empty_registry_says_so(registry: Registry) -> None:
    assert registry.versions() == []
    with pytest.raises(ModelNotFound, match="it is empty"):
        registry.promote("challenger")


def test_the_newest_registered_is_the_challenger_and_promotion_takes_that_away(three: Registry) -> None:
    assert [each.version for each in three.versions()] == [3, 2, 1]
    assert aliases(three) == {"challenger": 3}
    assert three.promote("challenger").aliases == ("champion",)
    assert aliases(three) == {"champion": 3}
    three.promote(2)
    assert aliases(three) == {"champion": 2, "previous-champion": 3}
    three.promote(2)
    assert aliases(three) == {"champion": 2, "previous-champion": 3}, "promoted twice is promoted once"


def test_a_champion_registered_again_does_not_challenge_itself(three: Registry, tmp_path: Path) -> None:
    three.promote(1)
    assert three.register(tmp_path / "one").aliases == ("champion",)
    assert aliases(three) == {"champion": 1, "challenger": 3}


def test_a_rollback_goes_one_step_back(three: Registry) -> None:
    three.promote(1)
    three.promote(2)
    assert three.rollback().version == 1
    assert aliases(three) == {"champion": 1, "challenger": 3}
    with pytest.raises(ModelNotFound, match="previous-champion"):
        three.rollback()
    assert three.resolve("champion").version == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://user:secret@127.0.0.1:9", "does not answer"),
        ("sqlite:////proc/none/mlflow.db", "can't be opened"),
        ("postgresql+psycopg://user:secret@127.0.0.1:9/none", "can't be opened"),
        ("ftp://user:secret@host/registry", "can't be opened"),
        ("runs", "not a URL"),
    ],
)
def test_a_url_where_nothing_is(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        Registry(url, tmp_path)
    assert "EVENTPULSE_MLFLOW_URL" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_mlflow_refuses_is_one_line(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="refused") as refused:
        registry.register(model_folder(tmp_path / "made"), tags={"": "a tag without a name"})
    assert "\n" not in str(refused.value)


def test_the_registered_model_has_one_name_for_every_base(three: Registry, tmp_path: Path) -> None:
    write_manifest(tmp_path / "one", name="mpnet", max_tokens=64, scores={}, provenance={})
    other = three.register(tmp_path / "one")
    assert other.model.startswith("mpnet-")
    assert (other.version, MODEL) == (4, "eventpulse-sentiment")


def test_mlflow_waits_for_its_use_is_quiet_and_calls_nobody(tmp_path: Path) -> None:
    state(tmp_path)
    code = (
        "import logging, sys; logging.basicConfig(level=logging.INFO)\n"
        "from pathlib import Path; from app.adapters.registry import Registry\n"
        "assert 'mlflow' not in sys.modules\n"
        "Registry('sqlite:///a state/mlflow.db', Path('files')).versions()\n"
        "from mlflow.telemetry.client import get_telemetry_client; assert get_telemetry_client() is None"
    )
    # Without what this process has set, and without what tells MLflow that it is being tested.
    hidden = {"PYTEST_CURRENT_TEST", "CI", *QUIET}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a state"]
