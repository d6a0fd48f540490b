"""The other CPU classifier: the ONNX weights of an artifact through OpenVINO (extra `openvino`).

The package is imported when a classifier is made, so that everything else works without it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from threading import Lock

import numpy as np

from app.adapters.artifact import ONNX, verify
from app.adapters.tokens import Ids, Logits, TokenClassifier
from app.core.errors import ConfigError, ModelNotFound

# Padded tokens in one call, as for ONNX Runtime, whose reason holds here: int8 scales fit fewer texts more closely.
TOKENS_PER_CALL = 512


class OpenVinoClassifier(TokenClassifier):
    """A verified artifact, loaded, with int8 or fp32 ONNX weights as its manifest says. Thread-safe: calls queue.

    Raises ModelNotFound when the folder does not verify or OpenVINO can't read its graph, ConfigError when OpenVINO is
    not installed.
    """

    def __init__(self, folder: Path, *, threads: int = 2) -> None:
        manifest = verify(folder)
        super().__init__(folder, manifest, backend=f"openvino-{manifest.precision}", tokens_per_call=TOKENS_PER_CALL)
        try:
            openvino = import_module("openvino")
        except ModuleNotFoundError as error:
            raise ConfigError(
                "the backend openvino needs OpenVINO: pip install eventpulse[openvino], or use the backend onnx"
            ) from error
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Left to itself it rounds to bf16 where the CPU can, and then labels differ from those of ONNX Runtime.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            compiled = openvino.Core().compile_model(str(folder / ONNX), "CPU", options)
        except RuntimeError as error:
            raise ModelNotFound(
                f"OpenVINO {openvino.__version__} can't read the {manifest.precision} graph {folder / ONNX}:"
                " export it with --quantisation fp32, or use the backend onnx"
            ) from error
        self._request = compiled.create_infer_request()
        self._lock = Lock()

    def _run(self, ids: Ids, mask: Ids) -> Logits:
        with self._lock:  # a request holds the tensors of one call
            found = self._request.infer({"input_ids": ids, "attention_mask": mask})
            return np.array(found["logits"], dtype=np.float32)
