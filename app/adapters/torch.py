"""The GPU classifier: the weights of an artifact through PyTorch (extra `train`). The CPU path never imports it.

The weights are safetensors and the architecture is transformers' own, named by config.json: no code and no pickle
comes from the folder. Attention is fused (`scaled_dot_product_attention`) where the architecture knows how.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification

from app.adapters.artifact import CONFIG, WEIGHTS, verify
from app.adapters.tokens import Ids, Logits, TokenClassifier
from app.core.errors import ConfigError, ModelNotFound

# Padded tokens in one call: a GPU wants many more than the CPU's cache does.
TOKENS_PER_CALL = 16_384

_PRECISIONS = {torch.bfloat16: "bf16", torch.float32: "fp32"}


def find_device(name: str) -> torch.device:
    """The device of that name. Raises ConfigError when torch knows none, or this machine has no such GPU."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"{name!r} is no device of torch: say cpu, cuda or cuda:1") from error
    if device.type == "cuda":
        number = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if number == 0:
            raise ConfigError("torch finds no GPU on this machine: use the backend onnx, openvino or torch-cpu")
        if (device.index or 0) >= number:
            raise ConfigError(f"torch finds no {name}: this machine has {number} of them, counted from 0")
    return device


def make_model(folder: Path, dtype: torch.dtype) -> Any:
    """The architecture that config.json names, without its weights; attention is fused where it can be."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    architectures: Any = AutoModelForSequenceClassification  # transformers leaves `from_config` untyped
    try:
        return architectures.from_config(config, dtype=dtype, attn_implementation="sdpa")
    except ValueError:  # what transformers says of an architecture that has no fused attention
        return architectures.from_config(config, dtype=dtype, attn_implementation="eager")


class TorchClassifier(TokenClassifier):
    """A verified artifact, loaded from its safetensors. It computes in the precision that the weights are stored in.

    `device` is anything that torch knows and has, like cuda, cuda:1 or cpu. `threads` is for the CPU, and counts for
    all that torch does in this process; None leaves it as it is.

    Raises ConfigError when this machine has no such device, and ModelNotFound when the folder does not verify, holds no
    safetensors, or holds some that do not fit its config.json.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "cuda",
        threads: int | None = None,
        tokens_per_call: int = TOKENS_PER_CALL,
    ) -> None:
        self._device = find_device(device)
        manifest = verify(folder)
        if missing := {CONFIG, WEIGHTS} - manifest.files.keys():
            raise ModelNotFound(
                f"{folder} holds no {' and no '.join(sorted(missing))}:"
                " export it with --weights bf16, or use the backend onnx"
            )
        weights = load_file(folder / WEIGHTS)
        stored = {tensor.dtype for tensor in weights.values()}
        if len(stored) != 1 or not stored <= _PRECISIONS.keys():
            found = ", ".join(sorted(map(str, stored))) or "nothing"
            raise ModelNotFound(f"{folder / WEIGHTS} holds {found}: expected bf16 or fp32")
        dtype = stored.pop()
        super().__init__(folder, manifest, backend=f"torch-{_PRECISIONS[dtype]}", tokens_per_call=tokens_per_call)
        model = make_model(folder, dtype)
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ModelNotFound(f"{folder / WEIGHTS} does not fit {CONFIG} beside it: {error}") from error
        if threads is not None and self._device.type == "cpu":
            torch.set_num_threads(threads)
        self._model = model.to(self._device).eval()

    @torch.inference_mode()
    def _run(self, ids: Ids, mask: Ids) -> Logits:
        model_ids, model_mask = (torch.from_numpy(array).to(self._device) for array in (ids, mask))
        logits = self._model(input_ids=model_ids, attention_mask=model_mask).logits
        return np.asarray(logits.float().cpu().numpy(), dtype=np.float32)
