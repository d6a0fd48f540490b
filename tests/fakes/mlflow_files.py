"""An MLflow database file of one's own for each test, and model folders to register.

MLflow takes seconds to make an empty database and milliseconds to open one, so it is made once and copied.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from app.adapters.artifact import ONNX, TOKENIZER, write_manifest
from app.adapters.mlflow_client import Mlflow
from app.settings import Settings


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        settings = Settings(state_dir=Path(folder), mlflow_url=None)
        Mlflow(settings.mlflow, settings.mlflow_artifacts)
        return (settings.state_dir / "mlflow.db").read_bytes()


def state(folder: Path) -> Settings:
    """Settings whose state folder holds an empty MLflow database."""
    settings = Settings(state_dir=folder / "a state", mlflow_url=None)
    settings.state_dir.mkdir()
    (settings.state_dir / "mlflow.db").write_bytes(_empty_database())
    return settings


def model_folder(folder: Path, weights: str = "weights") -> Path:
    """A folder that verifies, with a card and a picture; its weights are no model."""
    (folder / "pictures").mkdir(parents=True)
    (folder / ONNX).write_bytes(b"\x00" + weights.encode())
    (folder / TOKENIZER).write_text("{}\r\n")
    (folder / "README.md").write_text("# A card\n")
    (folder / "pictures" / "confusion.png").write_bytes(b"\x89PNG")
    write_manifest(folder, name="tiny", max_tokens=64, scores={}, provenance={})
    return folder
