"""The CPU classifier: ONNX Runtime and tokenizers, without torch or transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort

from app.adapters.artifact import ONNX, verify
from app.adapters.tokens import Ids, Logits, TokenClassifier, softmax, token_batches

__all__ = ["OnnxClassifier", "session", "softmax", "token_batches"]

# Padded tokens in one call of the runtime: long enough to fill the cores, short enough to stay in the cache. 512 takes
# a tenth less CPU time than 1,024, in fp32 and in int8 (MiniLM, tweets), and int8 scales fit fewer texts more closely.
TOKENS_PER_CALL = 512
# Its step that adds and normalises at once is so slow on the CPU that a call takes an eighth longer than with two steps
# (ONNX Runtime 1.32; MiniLM, int8, one thread).
_SLOW_FUSIONS: Final = ["SkipLayerNormFusion"]


def session(path: Path, *, threads: int) -> ort.InferenceSession:
    """An ONNX graph on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would starve the pipeline that feeds this replica from the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW_FUSIONS
    )


class OnnxClassifier(TokenClassifier):
    """A verified artifact, loaded. Raises ModelNotFound when the folder does not hold one. Thread-safe."""

    def __init__(self, folder: Path, *, threads: int = 2) -> None:
        manifest = verify(folder)
        super().__init__(
            folder, manifest, backend=f"onnx-{manifest.precision}", tokens_per_call=TOKENS_PER_CALL, calls=threads
        )
        # A core a call: two calls of 512 tokens side by side do 1.4 times as much as one after the other on two cores.
        self._session = session(folder / ONNX, threads=1)

    def _run(self, ids: Ids, mask: Ids) -> Logits:
        (logits,) = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        return np.asarray(logits, dtype=np.float32)
