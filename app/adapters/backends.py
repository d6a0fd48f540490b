"""What can compute a model, by name, so that the same artifact can be served and compared in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from app.adapters.classifiers import Classifier
from app.core.errors import ConfigError

Backend = Literal["onnx", "openvino", "torch-cpu", "torch-cuda"]
"""ONNX Runtime or OpenVINO with the ONNX weights, or PyTorch with the safetensors (extra `train`)."""

BACKENDS: tuple[Backend, ...] = get_args(Backend)

_OF_TRAIN = ("torch", "transformers", "safetensors")


def load(folder: Path, backend: Backend = "onnx", *, threads: int = 2) -> Classifier:
    """A verified artifact on a backend, with so many CPU threads. What the backend needs is imported here and now.

    Raises ModelNotFound when the folder does not hold the weights, ConfigError when the backend is not installed, has
    no GPU, or is none.
    """
    match backend:
        case "onnx":
            from app.adapters.onnx import OnnxClassifier

            return OnnxClassifier(folder, threads=threads)
        case "openvino":
            from app.adapters.openvino import OpenVinoClassifier

            return OpenVinoClassifier(folder, threads=threads)
        case "torch-cpu" | "torch-cuda":
            try:
                from app.adapters.torch import TorchClassifier
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] not in _OF_TRAIN:
                    raise
                raise ConfigError(
                    f"the backend {backend} needs {error.name}: pip install eventpulse[train], or use the backend onnx"
                ) from error

            return TorchClassifier(folder, device=backend.removeprefix("torch-"), threads=threads)
    raise ConfigError(f"{backend!r} is no backend: choose one of {', '.join(BACKENDS)}")
