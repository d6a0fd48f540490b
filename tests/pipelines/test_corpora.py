from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.errors import ConfigError
from app.core.text import model_text
from pipelines.corpora import (
    EVALUATION_SETS,
    TO_CHOOSE_BY,
    EvaluationSet,
    evaluation_sets,
    feedback,
    main,
    sentiment140,
    tweeteval,
    undo_csv,
    unlabelled,
)
from pipelines.dataset import LabelledTexts

POST = "we waited four hours at the gate in Denver and nobody from the airline told us anything at all"
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")


def _write(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def _tweeteval(folder: Path, names: dict[str, str]) -> Path:
    _write(folder / names["train"], text=["so good", '"bad, bad day"', f"RT @a: {POST}"], label=[2, 0, 0])
    _write(folder / names["validation"], text=[POST, "it\\u2019s on\\u002c tonight"], label=[0, 1])
    _write(folder / names["test"], text=["noon @anna"], label=[1])
    return folder


PLAIN = {part: f"{part}.parquet" for part in ("train", "validation", "test")}


def test_tweeteval_from_a_folder(tmp_path: Path) -> None:
    folder = _tweeteval(tmp_path, PLAIN)
    corpus = tweeteval(folder)
    assert corpus.name == "tweeteval"
    assert corpus.parts == {
        "train": LabelledTexts(("so good", "bad, bad day"), (2, 0)),
        "validation": LabelledTexts((POST, "it’s on, tonight"), (0, 1)),
        "test": LabelledTexts(("noon @user",), (1,)),
    }
    assert corpus.removed == 1
    assert "Barbieri" in corpus.note
    _write(folder / "semeval2016_devtest.parquet", text=["so good", "late"], label=[2, 0])
    more = tweeteval(folder)
    assert more.parts["devtest"].texts == ("so good", "late")
    assert (more.parts["train"].texts, more.removed) == (("bad, bad day",), 2)
    assert more.sha256 != corpus.sha256
    assert tweeteval(folder).sha256 == more.sha256


@pytest.mark.parametrize("layout", ["{}-00000-of-00001.parquet", "{}/0000.parquet"])
def test_tweeteval_from_the_hub(tmp_path: Path, layout: str) -> None:
    asked = []

    def download(repository: str, configuration: str, revision: str) -> Path:
        asked.append((repository, configuration, revision))
        return _tweeteval(tmp_path / "hub", {part: layout.format(part) for part in PLAIN})

    from_hub = tweeteval(None, download=download)
    assert asked == [("cardiffnlp/tweet_eval", "sentiment", "main")]
    assert from_hub == tweeteval(_tweeteval(tmp_path / "local", PLAIN))


def test_more_texts_can_be_held_out(tmp_path: Path) -> None:
    corpus = tweeteval(_tweeteval(tmp_path, PLAIN), held_out=[["So good!!"], [POST]])
    assert (corpus.parts["train"].texts, corpus.removed) == (("bad, bad day",), 2)


def test_rows_that_join_bring_their_labels_and_leak_nothing(tmp_path: Path) -> None:
    corpus = tweeteval(_tweeteval(tmp_path, PLAIN))
    joined = corpus.joined(LabelledTexts(("so good", "a new one", f"{POST}!!"), (0, 1, 0)))
    assert joined.parts["train"] == LabelledTexts(("so good", "bad, bad day", "a new one"), (0, 0, 1))
    assert joined.parts["test"] == corpus.parts["test"]
    assert joined.removed == corpus.removed + 1
    assert joined.sha256 != corpus.sha256


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = _tweeteval(tmp_path, PLAIN)
    (folder / "test.parquet").unlink()
    with pytest.raises(ConfigError, match=r"test\.parquet is not there"):
        tweeteval(folder)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('"Late again, great"', "Late again, great"),
        ('"Late again, great', "Late again, great"),
        ('Late again, great" ', "Late again, great"),
        ('"He said ""no"" twice"', 'He said "no" twice'),
        ('"\\"""@a: fine\\"""" she said"', '"@a: fine" she said'),
        ('He said "no"', 'He said "no"'),
        ('"No" he said', '"No" he said'),
        ('"No" and "yes"', '"No" and "yes"'),
        ("no quotes", "no quotes"),
        ('"', '"'),
        ("", ""),
    ],
)
def test_the_quoting_of_csv_files_comes_off(text: str, meant: str) -> None:
    assert undo_csv(text) == meant


def _sentiment140(folder: Path, train: str, label: str) -> Path:
    texts = ["so sad", "so bad", "so late", "so good", "so fine", f"{POST} :("]
    _write(folder / train, text=texts, **{label: [0, 0, 0, 4, 4, 0]})
    _write(folder / "test.parquet", text=[POST, "ok", "yay"], **{label: [0, 2, 4]})
    return folder


@pytest.mark.parametrize("train", ["train_sample.parquet", "train.parquet"])
@pytest.mark.parametrize("label", ["polarity", "sentiment"])
def test_sentiment140_is_balanced_and_clear_of_its_test(tmp_path: Path, train: str, label: str) -> None:
    corpus = sentiment140(_sentiment140(tmp_path, train, label))
    assert corpus.parts["train"].counts == (2, 0, 2)
    assert corpus.parts["test"] == LabelledTexts((POST, "ok", "yay"), (0, 1, 2))
    assert corpus.removed == 1
    assert "without a neutral class" in corpus.note
    assert sentiment140(tmp_path, per_class=1).parts["train"].counts == (1, 0, 1)


def test_sentiment140_from_the_hub_is_its_parquet_conversion(tmp_path: Path) -> None:
    def download(repository: str, configuration: str, revision: str) -> Path:
        assert (repository, configuration) == ("stanfordnlp/sentiment140", "sentiment140")
        assert revision == "refs/convert/parquet"
        _write(tmp_path / "train/0000.parquet", text=["so sad", "so bad"], sentiment=[0, 0])
        _write(tmp_path / "train/0001.parquet", text=["so good"], sentiment=[4])
        _write(tmp_path / "test/0000.parquet", text=["ok"], sentiment=[2])
        return tmp_path

    assert sentiment140(None, download=download).parts["train"].counts == (1, 0, 1)


def test_strange_labels_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", text=["a"], polarity=[3])
    _write(tmp_path / "test.parquet", text=["b"], label=[3])
    with pytest.raises(ConfigError, match=r"label 3: expected 0, 2, 4"):
        sentiment140(tmp_path)
    _write(tmp_path / "train.parquet", text=["a"], polarity=[4])
    with pytest.raises(ConfigError, match="no column polarity or sentiment"):
        sentiment140(tmp_path)


def test_a_hub_out_of_reach_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"cardiffnlp/tweet_eval can't be had .* Give a local folder instead$"):
        tweeteval(None)


def _human(folder: Path) -> Path:
    _write(folder / "tweeteval/test.parquet", text=["@anna hi", "@anna hi"], label=[1, 2])
    _write(folder / "sentiment140/test.parquet", text=["yay"], polarity=[4])
    _write(folder / "events/apple-2011-10.parquet", text=["meh &amp; so", "¿qué?"], label=["negative", None])
    _write(folder / "human_rated/nyt-editorial-snippets.parquet", text=["They err."], label=["negative"])
    return folder


def test_evaluation_sets_are_as_published(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = evaluation_sets(_human(tmp_path))
    assert list(found.values()) == [
        EvaluationSet("tweeteval-test", ("@anna hi",) * 2, (1, 2), ("x", "x"), ("", "")),
        EvaluationSet("sentiment140-test", ("yay",), (2,), ("x",), ("",)),
        EvaluationSet("apple-2011-10", ("meh &amp; so",), (0,), ("x",), ("apple-2011-10",)),
        EvaluationSet("nyt-editorial-snippets", ("They err.",), (0,), ("news",), ("",)),
    ]
    assert (len(found["tweeteval-test"]), found["tweeteval-test"].distinct) == (2, 1)
    absent = set(EVALUATION_SETS) - set(found)
    assert absent and all(f"no figures for {name}" in caplog.text for name in absent)
    assert set(TO_CHOOSE_BY) < set(EVALUATION_SETS)


def test_the_hash_of_an_evaluation_set_is_of_its_rows() -> None:
    one = EvaluationSet("n", ("a", "b"), (0, 1), ("x", "news"), ("", "e"))
    assert one.sha256 == EvaluationSet("n", ("b", "a"), (1, 0), ("news", "x"), ("e", "")).sha256
    assert one.sha256 != EvaluationSet("n", ("a", "b"), (0, 1), ("x", "x"), ("", "e")).sha256


def test_unlabelled_texts_are_clear_of_every_evaluation_set(tmp_path: Path) -> None:
    folder = _human(tmp_path)
    _write(folder / "events/us-airlines-2015.parquet", text=[POST], label=["negative"])
    _write(
        folder / "events/us-election-2024-windows.parquet",
        text=["nobody told them what is going on", "Nadie sabe lo que está pasando", f"RT @b: {POST}", "They err"],
        lang=["en", "es", "en", "en"],
    )
    _write(folder / "news/headlines-2021-11_2022-06.parquet", text=["Court rules on the budget"], lang=["en"])
    assert unlabelled(folder) == ("nobody told them what is going on", "Court rules on the budget")


def test_a_folder_without_unlabelled_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no unlabelled texts"):
        unlabelled(tmp_path)


def test_the_last_label_of_a_message_wins(tmp_path: Path) -> None:
    at = [datetime(2026, 11, day, tzinfo=UTC) for day in (3, 1, 2, 5, 4)]
    path = _write(
        tmp_path / "feedback.parquet",
        text=["fine", "fine", "draft", "final", "fine"],
        label=["positive", "neutral", "negative", "neutral", "negative"],
        message_id=["1", "1", "2", "2", "3"],
        labelled_at=at,
        source=["newsapi"] * 5,
    )
    assert feedback(path) == LabelledTexts(("fine", "final"), (0, 1))


def test_feedback_without_times_goes_by_the_order_of_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path / "f.parquet", text=["a", "b", "a"], label=[0, 1, 2], source=["newsapi"] * 3)
    assert dict(zip(feedback(path).texts, feedback(path).labels, strict=True)) == {"a": 2, "b": 1}


@pytest.mark.parametrize("sources", [["newsapi", "x"], ["newsapi", None], None])
def test_posts_from_x_stay_out_unless_told(tmp_path: Path, sources: list[str | None] | None) -> None:
    more = {} if sources is None else {"source": sources}
    path = _write(tmp_path / "f.parquet", text=["a", "b"], label=[0, 1], **more)
    with pytest.raises(ConfigError, match=r"of 2 rows from X.*allow_x=True"):
        feedback(path)
    assert len(feedback(path, allow_x=True)) == 2


def test_the_command_describes_every_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _tweeteval(tmp_path / "tweeteval", PLAIN)
    _sentiment140(tmp_path / "sentiment140", "train_sample.parquet", "polarity")
    assert main(["--data", str(tmp_path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    parts = {line["part"]: line for line in lines if "part" in line}
    assert parts["tweeteval/train"]["removed"] == 1
    assert parts["tweeteval/train"]["classes"] == {"negative": 1, "neutral": 0, "positive": 1}
    assert parts["tweeteval/test"]["sha256"] == tweeteval(tmp_path / "tweeteval").parts["test"].sha256
    assert {line["evaluation_set"] for line in lines if "evaluation_set" in line} >= {"tweeteval-test"}
    assert lines[-1]["unlabelled"] == 5


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("corpora: ") and said.count("\n") == 1


@needs_data
def test_the_shared_sets_are_those_of_their_readme() -> None:
    found = evaluation_sets(DATA)
    assert tuple(found) == EVALUATION_SETS
    assert {name: len(held) for name, held in found.items() if not held.events[0]} == {
        "tweeteval-validation": 2000,
        "tweeteval-test": 12284,
        "semeval2016-devtest": 1977,
        "sentiment140-test": 498,
        "vader-tweets": 4200,
        "nyt-editorial-snippets": 5190,
    }
    airlines = found["us-airlines-2015"]
    assert [airlines.labels.count(index) for index in range(3)] == [9084, 3067, 2334]


@needs_data
def test_no_trace_of_transport_is_left_in_tweeteval() -> None:
    held = evaluation_sets(DATA)["tweeteval-validation"]
    traced = [text for text in held.texts if "\\u" in text or '""' in text or text[0] == '"']
    assert len(traced) > 300
    mended = [model_text(undo_csv(text)) for text in traced]
    assert not any("\\u" in text or '""' in text for text in mended)
    assert sum(text[0] == '"' for text in mended) < 30
