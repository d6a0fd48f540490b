"""Token rows and batches of training texts: tokenized once, of similar length together, within a budget of tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import torch

Rows: TypeAlias = tuple[tuple[int, ...], ...]

# Rows that are sorted together before they are cut into batches, as a multiple of one batch: enough to leave little
# padding, few enough to leave the order random.
_WINDOW = 50


def tokenize(texts: Sequence[str], tokenizer: Any, max_tokens: int) -> Rows:
    """Token ids of each text, without padding, cut after `max_tokens`."""
    if not texts:
        return ()
    ids = tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
    return tuple(tuple(row) for row in ids)


def pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both int64 of shape [rows, longest row]."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id, dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
        mask[i, : len(row)] = 1
    return ids, mask


def training_batches(lengths: Sequence[int], budget: int, rng: random.Random) -> list[list[int]]:
    """Every index once, in batches in random order whose padded size stays within `budget` tokens.

    Rows are shuffled, and sorted by length only within windows of about fifty batches.
    """
    order = list(range(len(lengths)))
    rng.shuffle(order)
    mean = max(1, sum(lengths) // max(1, len(lengths)))
    window = max(1, _WINDOW * budget // mean)
    batches: list[list[int]] = []
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        batches += _full_batches(sorted(rows, key=lengths.__getitem__), lengths, budget)
    rng.shuffle(batches)
    return batches


def _full_batches(rows: Sequence[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """As much as fits into each: a step of training wants a full batch, whatever is padded."""
    batch: list[int] = []
    for row in rows:
        if batch and lengths[row] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def share(batches: Sequence[list[int]], rank: int, world: int) -> list[list[int]]:
    """The batches of one of `world` workers. All get equally many: the first ones are given out again at the end."""
    if not batches:
        return []
    steps = -(-len(batches) // world)
    return [batches[(step * world + rank) % len(batches)] for step in range(steps)]
