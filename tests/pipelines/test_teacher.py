from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import ConfigError
from pipelines.teacher import Teacher, probabilities, taught
from tests.fakes.tiny_model import texts, write_base

TEXTS = texts(12).texts


class Interrupted(Teacher):
    """Knows so many blocks and then is stopped."""

    blocks_left = 1

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        if self.blocks_left == 0:
            raise KeyboardInterrupt
        self.blocks_left -= 1
        return super().__call__(texts)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_base(tmp_path / "large" / "best")


def test_each_text_gets_probabilities_in_its_place(checkpoint: Path, tmp_path: Path) -> None:
    teacher = Teacher(checkpoint)
    found = taught(teacher, TEXTS, tmp_path / "blocks")
    assert list(found) == list(TEXTS)
    assert np.allclose([sum(shares) for shares in found.values()], 1)
    (alone,) = teacher([TEXTS[7]])
    assert np.allclose(found[TEXTS[7]], alone, atol=0.02)  # bfloat16: the padding changes the last digits


def test_offsets_folded_into_the_head_do_not_reach_the_student(checkpoint: Path) -> None:
    plain = Teacher(checkpoint)(TEXTS)
    summary = {"calibration": {"offsets": [0.5, -1.0, 0.5], "temperature": 2.0}}
    (checkpoint.parent / "fit.json").write_text(json.dumps(summary))
    corrected = Teacher(checkpoint)(TEXTS)
    change = np.log(corrected) - np.log(plain)
    assert np.allclose(change[:, 1] - change[:, 0], 0.75, atol=1e-6)


def test_probabilities_undo_exactly_the_offsets() -> None:
    logits = np.array([[1.0, 2.0, 0.0]])
    folded = (logits + np.array([0.3, -0.3, 0.0])) / 1.5
    assert np.allclose(probabilities(folded, (0.3, -0.3, 0.0), 1.5), probabilities(logits / 1.5, (0.0, 0.0, 0.0), 1.0))


def test_blocks_that_are_done_are_not_made_again(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.teacher._BLOCK", 5)
    teacher = Interrupted(checkpoint)
    with pytest.raises(KeyboardInterrupt):
        taught(teacher, TEXTS, tmp_path / "blocks")
    assert len(list((tmp_path / "blocks").glob("*.parquet"))) == 1
    teacher.blocks_left = 2
    assert list(taught(teacher, TEXTS, tmp_path / "blocks")) == list(TEXTS)
    assert teacher.blocks_left == 0


def test_another_teacher_makes_blocks_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    taught(Teacher(checkpoint), TEXTS, tmp_path / "blocks")
    other = write_base(tmp_path / "other" / "best", seed=2)
    taught(Teacher(other), TEXTS, tmp_path / "blocks")
    assert len(list((tmp_path / "blocks").glob("*.parquet"))) == 2


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.safetensors is missing"):
        Teacher(tmp_path)
