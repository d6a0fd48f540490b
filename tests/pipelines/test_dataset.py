from __future__ import annotations

from itertools import combinations
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ConfigError
from pipelines.dataset import LabelledTexts, apart, balanced, by_hash, load_labelled, load_texts, split
from pipelines.neighbours import groups, repeated


def _write(folder: Path, **columns: list[object]) -> Path:
    path = folder / "train.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_texts_come_as_the_model_reads_them(tmp_path: Path) -> None:
    path = _write(tmp_path, text=["@anna &amp; https://a.b c", "fine"], label=[0, 2], more=[1, 2])
    assert load_labelled(path) == LabelledTexts(("@user & http c", "fine"), (0, 2))


def test_a_repeated_text_keeps_its_last_label(tmp_path: Path) -> None:
    path = _write(tmp_path, text=["@a hi", "other", "@b hi"], label=[0, 1, 2])
    assert load_labelled(path) == LabelledTexts(("@user hi", "other"), (2, 1))
    assert len(load_labelled(path, limit=1)) == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": ["a"]}, "text and label"),
        ({"text": ["a"], "label": [3]}, "label 3"),
        ({"text": ["a"], "label": [-1]}, "label -1"),
        ({"text": ["a"], "label": pa.array([None], pa.int64())}, "label None"),
        ({"text": pa.array([None], pa.string()), "label": [1]}, "text None"),
    ],
)
def test_bad_data_is_refused_and_named(tmp_path: Path, columns: dict[str, list[object]], said: str) -> None:
    path = _write(tmp_path, **columns)
    with pytest.raises(ConfigError, match=said) as refused:
        load_labelled(path)
    assert str(path) in str(refused.value)


def test_no_file_and_no_parquet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        load_labelled(tmp_path / "none.parquet")
    (tmp_path / "x.parquet").write_text("text,label")
    with pytest.raises(ConfigError, match="can't be read"):
        load_labelled(tmp_path / "x.parquet")


def test_the_hash_is_of_the_content() -> None:
    one = LabelledTexts(("a", "b"), (0, 1))
    assert one.sha256 == LabelledTexts(("b", "a"), (1, 0)).sha256
    assert one.sha256 != LabelledTexts(("a", "b"), (1, 0)).sha256


def test_the_first_rows_are_the_limit(tmp_path: Path) -> None:
    path = _write(tmp_path, text=["a", "b", "c"], label=[0, 1, 2])
    assert load_labelled(path, limit=2).texts == ("a", "b")
    assert len(load_labelled(path, limit=9)) == 3


def test_unlabelled_texts_are_english_clean_and_distinct(tmp_path: Path) -> None:
    english = "The gate agent told nobody why we had to wait this long"
    spanish = "Nadie nos ha dicho por qué tenemos que esperar tanto tiempo"
    path = _write(
        tmp_path, text=[f"{english} &amp; so on", spanish, f"RT @a: {english} and so on", f"{english} & so on"]
    )
    assert load_texts(path) == (f"{english} & so on", f"RT @user: {english} and so on")


def test_a_declared_language_is_believed_unless_it_says_nothing(tmp_path: Path) -> None:
    texts = ["Nobody told us why we wait", "ok", "Nadie nos ha dicho por qué tenemos que esperar", " "]
    path = _write(tmp_path, text=texts, lang=["de", "en-GB", "und", "en"])
    assert load_texts(path) == ("ok",)


def test_a_file_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="columns text: it lacks text"):
        load_texts(_write(tmp_path, words=["a"]))
    with pytest.raises(ConfigError, match="holds the text 3"):
        load_texts(_write(tmp_path, text=[3]))


WORDS = "rain sun gate late not good bad so we all".split()
# Few words, so that near copies, equal texts and chains of them are common.
ROWS = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), st.sampled_from((0, 1, 2))),
    max_size=14,
)
SHARES = st.sampled_from(({"train": 0.5, "test": 0.5}, {"train": 0.6, "validation": 0.2, "test": 0.2}, {"all": 1.0}))


def _of(rows: list[tuple[str, int]]) -> LabelledTexts:
    return LabelledTexts(tuple(text for text, _ in rows), tuple(label for _, label in rows))


def _places(parts: dict[str, LabelledTexts]) -> dict[str, str]:
    return {text: part for part, texts in parts.items() for text in texts.texts}


@given(ROWS, SHARES)
def test_each_row_is_in_exactly_one_part(rows: list[tuple[str, int]], shares: dict[str, float]) -> None:
    parts = split(_of(rows), shares)
    assert list(parts) == list(shares)
    divided = [row for texts in parts.values() for row in zip(texts.texts, texts.labels, strict=True)]
    assert sorted(divided) == sorted(rows)


@given(ROWS, SHARES)
def test_near_copies_are_in_one_part(rows: list[tuple[str, int]], shares: dict[str, float]) -> None:
    place = _places(split(_of(rows), shares))
    for (one, _), (two, _) in combinations(rows, 2):
        assert place[one] == place[two] or not repeated([one], [two])


@given(ROWS, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_nothing(
    rows: list[tuple[str, int]], shares: dict[str, float], rng: Random
) -> None:
    shuffled = rng.sample(rows, len(rows))
    assert _places(split(_of(shuffled), shares)) == _places(split(_of(rows), shares))


@given(ROWS, ROWS, SHARES)
def test_rows_added_move_only_the_groups_they_join(
    rows: list[tuple[str, int]], more: list[tuple[str, int]], shares: dict[str, float]
) -> None:
    before = _places(split(_of(rows), shares))
    after = _places(split(_of(rows + more), shares))
    leaders = groups([text for text, _ in rows + more])
    joined = set(leaders[len(rows) :])
    for (text, _), leader in zip(rows, leaders, strict=False):
        assert before[text] == after[text] or leader in joined


def test_the_shares_are_about_those_asked_for_and_a_salt_divides_anew() -> None:
    texts = LabelledTexts(tuple(f"{n} and {n * n}" for n in range(2000)), (1,) * 2000)
    parts = split(texts, {"train": 0.8, "validation": 0.15, "test": 0.05})
    assert [len(part) for part in parts.values()] == pytest.approx([1600, 300, 100], abs=60)
    assert (
        split(texts, {"train": 0.8, "test": 0.2}, salt="2")["test"] != split(texts, {"train": 0.8, "test": 0.2})["test"]
    )


def test_where_a_text_goes_is_fixed_for_good() -> None:
    texts = LabelledTexts(("a fine day", "a bad day", "no day at all", "what a day", "day off"), (2, 0, 1, 1, 2))
    parts = split(texts, {"train": 0.6, "test": 0.4})
    assert parts["test"].texts == ("a fine day",)


@pytest.mark.parametrize("shares", [{}, {"train": 0.8}, {"train": 1.0, "test": 0.0}, {"train": 1.5, "test": -0.5}])
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="no split"):
        split(LabelledTexts(("a",), (0,)), shares)


def test_held_out_texts_and_their_near_copies_leave_the_training_set() -> None:
    post = "we waited four hours at the gate in Denver and nobody from the airline told us anything at all"
    train = LabelledTexts(("lost my bag", f"RT @user: {post}", "Thanks!", "fine"), (0, 0, 2, 2))
    kept, removed = apart(train, [f"{post} https://t.co/1"], ("@anna thanks",))
    assert (kept, removed) == (LabelledTexts(("lost my bag", "fine"), (0, 2)), 2)
    assert apart(train) == (train, 0)


@given(ROWS, st.randoms(use_true_random=False))
def test_a_balanced_sample_is_even_and_does_not_hang_on_the_order(rows: list[tuple[str, int]], rng: Random) -> None:
    rows = list(dict(rows).items())
    even = balanced(_of(rows))
    present = [count for count in _of(rows).counts if count]
    assert {count for count in even.counts if count} == ({min(present)} if present else set())
    assert balanced(_of(rng.sample(rows, len(rows)))) == even
    assert all(count <= 1 for count in balanced(_of(rows), per_class=1).counts)


@given(ROWS, ROWS, st.integers(0, 5))
def test_the_first_texts_by_hash_are_those_of_a_larger_set(
    rows: list[tuple[str, int]], more: list[tuple[str, int]], number: int
) -> None:
    few, all_of_them = {text for text, _ in rows}, {text for text, _ in rows + more}
    assert [text for text in by_hash(all_of_them) if text in few][:number] == list(by_hash(few)[:number])
