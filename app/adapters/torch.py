"""The GPU classifier: the weights of an artifact through PyTorch (extra `train`). The CPU path never imports it.

The weights are safetensors and the architecture is transformers' own, named by config.json: no code and no pickle
comes from the folder.
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
from app.core.errors import ModelNotFound

# Padded tokens in one call: a GPU wants many more than the CPU's cache does.
TOKENS_PER_CALL = 16_384

_PRECISIONS = {torch.bfloat16: "bf16", torch.float32: "fp32"}


class TorchClassifier(TokenClassifier):
    """A verified artifact, loaded from its safetensors. It computes in the precision that the weights are stored in.

    `device` is anything that torch knows and has, like cuda, cuda:1 or cpu. Raises ModelNotFound when the folder does
    not verify, holds no safetensors, or holds some that do not fit its config.json.
    """

    def __init__(self, folder: Path, *, device: str = "cuda", tokens_per_call: int = TOKENS_PER_CALL) -> None:
        manifest = verify(folder)
        if missing := {CONFIG, WEIGHTS} - manifest.files.keys():
            raise ModelNotFound(
                f"{folder} holds no {' and no '.join(sorted(missing))}: export it with --weights bf16, or use the CPU"
            )
        weights = load_file(folder / WEIGHTS)
        stored = {tensor.dtype for tensor in weights.values()}
        if len(stored) != 1 or not stored <= _PRECISIONS.keys():
            found = ", ".join(sorted(map(str, stored))) or "nothing"
            raise ModelNotFound(f"{folder / WEIGHTS} holds {found}: expected bf16 or fp32")
        dtype = stored.pop()
        super().__init__(folder, manifest, backend=f"torch-{_PRECISIONS[dtype]}", tokens_per_call=tokens_per_call)
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        architectures: Any = AutoModelForSequenceClassification  # transformers leaves `from_config` untyped
        model = architectures.from_config(config, dtype=dtype)
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ModelNotFound(f"{folder / WEIGHTS} does not fit {CONFIG} beside it: {error}") from error
        self._device = torch.device(device)
        self._model = model.to(self._device).eval()

    @torch.inference_mode()
    def _run(self, ids: Ids, mask: Ids) -> Logits:
        model_ids, model_mask = (torch.from_numpy(array).to(self._device) for array in (ids, mask))
        logits = self._model(input_ids=model_ids, attention_mask=model_mask).logits
        return np.asarray(logits.float().cpu().numpy(), dtype=np.float32)
