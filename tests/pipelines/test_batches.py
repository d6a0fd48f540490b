from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from pipelines.batches import pad, share, tokenize, training_batches
from tests.fakes.tiny_model import write_base

LENGTHS = st.lists(st.integers(1, 60), max_size=300)
BATCHES = st.integers(0, 40).map(lambda number: [[index] for index in range(number)])


@given(LENGTHS, st.integers(1, 200), st.integers())
def test_batches_hold_each_row_once_within_the_budget(lengths: list[int], budget: int, seed: int) -> None:
    batches = training_batches(lengths, budget, random.Random(seed))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget
    assert batches == training_batches(lengths, budget, random.Random(seed))


def test_batches_have_little_padding_and_come_in_random_order() -> None:
    rng = random.Random(5)
    lengths = [rng.randint(5, 60) for _ in range(4000)]
    batches = training_batches(lengths, 1024, random.Random(1))
    longest = [max(lengths[index] for index in batch) for batch in batches]
    padded = sum(len(batch) * length for batch, length in zip(batches, longest, strict=True))
    assert sum(lengths) > 0.95 * padded
    assert sum(map(len, batches)) / len(batches) > 25
    rises = sum(after > before for before, after in pairwise(longest))
    assert 0.3 < rises / len(longest) < 0.7
    assert batches != training_batches(lengths, 1024, random.Random(2))


@given(BATCHES, st.integers(1, 9))
def test_workers_share_all_batches_and_get_equally_many(batches: list[list[int]], world: int) -> None:
    shares = [share(batches, rank, world) for rank in range(world)]
    assert len({len(each) for each in shares}) == 1
    given_out = [batch for each in shares for batch in each]
    assert sorted({batch[0] for batch in given_out}) == list(range(len(batches)))
    # Fewer than one for each worker is given out again.
    assert len(given_out) - len(batches) < world
    assert share(batches, 0, 1) == batches


def test_padding_is_masked() -> None:
    ids, mask = pad([[5], [6, 7, 8]], 9)
    assert ids.tolist() == [[5, 9, 9], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(("texts", "rows"), [((), ()), (("bad day", "it"), ((2, 5, 12, 3), (2, 13, 3)))])
def test_token_rows_have_no_padding(tmp_path: Path, texts: tuple[str, ...], rows: tuple[tuple[int, ...], ...]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(write_base(tmp_path))
    assert tokenize(texts, tokenizer, 32) == rows
    assert all(len(row) <= 3 for row in tokenize(texts, tokenizer, 3))
