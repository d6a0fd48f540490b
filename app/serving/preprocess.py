"""The first stage: texts as people wrote them become what the models read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.adapters.artifact import verify
from app.adapters.tokens import Encoder
from app.core.text import model_text

# Tokenizing so many characters takes less time than handing them to a thread and back.
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text in the form of `app.core.text.model_text`, and its token ids."""

    text: str
    ids: list[int]


class Preprocessor:
    """Cleans and tokenizes with the tokenizer of one artifact, beside the event loop unless the texts are short."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self._encoder = Encoder(folder, verify(folder))
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="preprocess")

    async def prepare(self, texts: Sequence[str]) -> list[Prepared]:
        """Each text prepared, in order."""
        if sum(map(len, texts)) <= _AT_ONCE:
            return self._prepare(texts)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._prepare, texts)

    @property
    def tokenizer(self) -> str:
        """The SHA-256 of the tokenizer: a model that names another one is asked by text."""
        return self._encoder.sha256

    def _prepare(self, texts: Sequence[str]) -> list[Prepared]:
        read = [model_text(text) for text in texts]
        return [Prepared(text, ids) for text, ids in zip(read, self._encoder.encode(read), strict=True)]
