from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ConfigError
from pipelines.fit import EXPLORED
from tuning.space import DIMENSIONS, MUTATED, Choice, Profile, Range, built_in, configured, load, parse, share

RATES = {"low": 1e-5, "high": 1e-3, "scale": "log"}
DECAYS = {"low": 0.0, "high": 0.1}
LEAST: dict[str, Any] = {"dimensions": {"learning_rate": RATES, "weight_decay": DECAYS}}


def with_dimension(name: str, dimension: object) -> dict[str, Any]:
    return {"dimensions": {**LEAST["dimensions"], name: dimension}}


@pytest.mark.parametrize("name", ["laptop", "gpu"])
def test_the_profiles_that_come_along_are_whole(name: str) -> None:
    assert name in built_in()
    profile = load(name)
    assert set(profile.dimensions) == set(DIMENSIONS)
    assert [set(point) for point in profile.start] == [set(DIMENSIONS)]
    assert profile.config(profile.start[0]).seed == profile.config({}).seed


def test_the_laptop_takes_a_sample_and_single_cores() -> None:
    profile = load("laptop")
    assert profile.texts is not None
    assert 4_000 <= profile.texts <= 6_000
    assert (profile.cpus, profile.gpus, profile.threads) == (1, 0, 1)
    assert profile.evaluations == 4
    assert share(profile, {"CPU": 2.0}).concurrent == 2


def test_the_gpu_takes_everything_and_a_gpu_for_each_trial() -> None:
    profile = load("gpu")
    assert profile.texts is None
    assert share(profile, {"CPU": 64.0, "GPU": 4.0}).concurrent == 4


def test_what_pbt_changes_may_change_while_a_run_goes_on() -> None:
    assert set(MUTATED) <= EXPLORED


def test_a_profile_of_ones_own_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "texts: 100\ndimensions:\n  learning_rate: {low: 0.1, high: 1}\n  weight_decay: {values: [0, 0.1]}\n"
    )
    profile = load(str(path))
    assert profile.dimensions == {"learning_rate": Range(low=0.1, high=1), "weight_decay": Choice(values=(0, 0.1))}
    assert profile.texts == 100


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (None, "the whole is None"),
        ({}, "dimensions"),
        ({**LEAST, "gpu": 1}, "gpu is 1"),
        ({**LEAST, "cpus": 0}, "cpus is 0"),
        ({**LEAST, "texts": 0}, "texts is 0"),
        ({**LEAST, "trials": {"pbt": 1}}, "trials.pbt is 1"),
        ({**LEAST, "pbt": {"quantile": 0.6}}, "pbt.quantile is 0.6"),
        ({**LEAST, "fit": {"epochs": 0}}, "epochs is 0"),
        ({**LEAST, "fit": {"epoch": 1}}, "epoch is no setting"),
        ({**LEAST, "fit": {"epochs": 1.5}}, "epochs is 1.5: it must be a whole number"),
        ({**LEAST, "start": [{"seed": 1}]}, "seed is no dimension"),
        ({**LEAST, "start": [{"learning_rate": "fast"}]}, "learning_rate is 'fast'"),
        ({"dimensions": {"learning_rate": RATES}}, "weight_decay is not among the dimensions"),
        (with_dimension("learning_rate", {"low": 1e-3, "high": 1e-5}), "from 0.001 to 1e-05"),
        (with_dimension("weight_decay", {"low": 0, "high": 1, "scale": "log"}), "from 0.0 on the log scale"),
        (with_dimension("learning_rate", {"low": 0, "high": 1}), "learning_rate must be above 0"),
        (with_dimension("learning_rate", {"values": []}), "learning_rate.choice.values is []"),
        (with_dimension("warmup", {"low": 0, "high": 1.5}), "warmup at most 1"),
        (with_dimension("ema_decay", {"values": [0.9, 1]}), "ema_decay below 1"),
        (with_dimension("batch_tokens", {"low": 1, "high": 9}), "batch_tokens can't be drawn from a range"),
        (with_dimension("batch_tokens", {"values": [512, 0]}), "batch_tokens is 0"),
        (with_dimension("batch_tokens", {"values": [512.5]}), "batch_tokens is 512.5"),
        (with_dimension("frozen_layers", {"values": [-1]}), "frozen_layers is -1"),
        (with_dimension("loss", {"values": ["plain", "focal"]}), "loss is 'focal': it must be one of plain"),
        (with_dimension("loss", {"low": 0, "high": 1}), "loss can't be drawn from a range"),
        (with_dimension("tau", {"low": 0, "high": 2}), "tau is 2.0"),
        (with_dimension("seed", {"values": [1]}), "seed is no dimension"),
    ],
)
def test_what_can_not_be_searched_is_refused_by_name_and_value(document: object, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(document, "mine.yaml")
    assert str(refused.value).startswith("mine.yaml: ")
    assert named in str(refused.value)


def test_a_profile_that_is_none_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="desktop is no profile: say gpu, laptop or the path"):
        load("desktop")
    path = tmp_path / "broken.yaml"
    path.write_text("dimensions: [")
    with pytest.raises(ConfigError, match=r"broken.yaml can't be read as YAML"):
        load(str(path))


def test_settings_become_the_fields_of_the_training() -> None:
    profile = parse({**LEAST, "fit": {"epochs": 7}}, "mine")
    config = profile.config({"learning_rate": 0.5, "batch_tokens": 64, "loss": "plain", "tau": 0.5})
    assert dataclasses.asdict(config) == {**dataclasses.asdict(configured({})), **{
        "epochs": 7, "learning_rate": 0.5, "batch_tokens": 64,
    }}  # fmt: skip


@given(st.floats(0, 10), st.floats(0, 10))
def test_an_explored_setting_stays_in_its_range(rate: float, decay: float) -> None:
    profile = parse(LEAST, "mine")
    found = profile.clamped({"learning_rate": rate, "weight_decay": decay, "loss": "plain"})
    assert 1e-5 <= float(found["learning_rate"]) <= 1e-3
    assert 0 <= float(found["weight_decay"]) <= 0.1
    assert found["loss"] == "plain"
    assert profile.clamped(found) == found


@pytest.mark.parametrize(
    ("cpus", "free", "each", "concurrent"),
    [(1, 2, 1, 2), (1, 1.2, 0.5, 2), (1, 0.9, 0.75, 1), (2, 2, 2, 1), (2, 16, 2, 8), (1, 0.25, 0.25, 1)],
)
def test_trials_share_the_processors_that_are_free(cpus: float, free: float, each: float, concurrent: int) -> None:
    found = share(Profile(cpus=cpus, dimensions={}), {"CPU": free})
    assert (found.cpus, found.gpus, found.concurrent) == (each, 0, concurrent)


@pytest.mark.parametrize(("gpus", "free", "concurrent"), [(1, 4, 4), (0.5, 2, 4), (1, 1.5, 1), (2, 8, 4)])
def test_gpus_are_what_is_scarce(gpus: float, free: float, concurrent: int) -> None:
    found = share(Profile(cpus=1, gpus=gpus, dimensions={}), {"CPU": 32.0, "GPU": free})
    assert (found.cpus, found.gpus, found.concurrent) == (1, gpus, concurrent)


@given(st.floats(0.25, 8), st.floats(0.25, 128))
def test_whatever_is_free_the_trials_fit_into_it(cpus: float, free: float) -> None:
    found = share(Profile(cpus=cpus, dimensions={}), {"CPU": free})
    assert found.concurrent >= 1
    assert 0 < found.cpus * found.concurrent <= free + 1e-9


@pytest.mark.parametrize(
    ("gpus", "free", "said"),
    [(0, {}, "0 CPUs are free"), (0, {"CPU": 0.2}, "0.2 CPUs"), (1, {"CPU": 8.0}, "0 are free")],
)
def test_a_cluster_without_room_is_refused(gpus: float, free: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        share(Profile(gpus=gpus, dimensions={}), free)
