"""A search on Ray Tune: ASHA or PBT over one profile, in a folder from which it goes on after an abort."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from app.core.errors import AppError, ConfigError
from tuning.report import JOURNAL, LINE, RESULTS
from tuning.space import MUTATED, Choice, Profile, Range, Scheduler, Share, share
from tuning.trial import METRIC, Material, train

TRIALS = "trials"
REQUEST = "search.json"
_RESTARTS = 2
# Ray has no types for what is asked of it here.
_CLUSTER: Any = ray


class Unfinished(AppError):
    """The search was interrupted; the same command goes on with it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to search. `out` is the folder of the run; `trials` None takes the number of the profile."""

    profile: Profile
    scheduler: Scheduler
    out: Path
    trials: int | None = None

    @property
    def number(self) -> int:
        """How many trials run."""
        wanted: int = self.trials or getattr(self.profile.trials, self.scheduler)
        return wanted

    def __post_init__(self) -> None:
        least = 2 if self.scheduler == "pbt" else 1
        if self.trials is not None and self.trials < least:
            raise ConfigError(f"trials is {self.trials}: {self.scheduler} needs at least {least}")


def to_stderr(line: str) -> None:
    """Where progress goes by default."""
    sys.stderr.write(line + "\n")


def short(trial_id: str) -> str:
    """The number of a trial, which is its name in reports and that of its folder."""
    return trial_id.rpartition("_")[2]


class Watch:
    """Writes down and says what each evaluation reached, and ends a trial that has done its last step.

    Ray Tune asks it before the scheduler decides: so PBT leaves a trial at its end as it is, instead of making it a
    clone with no step left to do. The journal is ours because Ray's own files lose lines whenever a trial is paused.
    """

    def __init__(self, journal: Path, say: Callable[[str], None]) -> None:
        self._journal = journal
        self._say = say
        self._best = 0.0
        self._started: float | None = None

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether the trial that reports this is finished."""
        with self._journal.open("a") as file:
            file.write(json.dumps({"trial": short(trial_id), **{name: result[name] for name in LINE}}) + "\n")
        self._started = self._started or time.monotonic()
        self._best = max(self._best, result[METRIC])
        self._say(
            f"{(time.monotonic() - self._started) / 60:5.1f} min  trial {short(trial_id)}  "
            f"{100 * result['step'] / result['steps']:3.0f} %  macro recall {result[METRIC]:.4f} "
            f"(best {self._best:.4f})  learning rate {result['config']['learning_rate']:.2e}  "
            f"{result['samples_per_s']:.0f} samples/s"
        )
        return bool(result["finished"])


def _folder_name(trial: Any) -> str:
    return short(trial.trial_id)


def has_gpu() -> bool:
    """Whether any machine of the cluster has a GPU."""
    return bool(_CLUSTER.cluster_resources().get("GPU"))


def domain(dimension: Range | Choice) -> Any:
    """A dimension as Ray Tune draws from it."""
    if isinstance(dimension, Choice):
        return tune.choice(list(dimension.values))
    draw: Callable[[float, float], Any] = tune.loguniform if dimension.scale == "log" else tune.uniform
    return draw(dimension.low, dimension.high)


def _mutation(dimension: Range | Choice) -> Any:
    """A dimension as PBT explores it; a list moves to a neighbour, a domain is multiplied."""
    return list(dimension.values) if isinstance(dimension, Choice) else domain(dimension)


def scheduler_of(request: Request) -> TrialScheduler:
    """ASHA with a rung at evaluations, or synchronous PBT that decides at each."""
    profile = request.profile
    if request.scheduler == "asha":
        return ASHAScheduler(
            max_t=max(profile.evaluations, profile.asha.grace),
            grace_period=profile.asha.grace,
            reduction_factor=profile.asha.reduction,
        )
    return PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=1,
        hyperparam_mutations={name: _mutation(profile.dimensions[name]) for name in MUTATED},
        quantile_fraction=profile.pbt.quantile,
        resample_probability=profile.pbt.resample,
        custom_explore_fn=profile.clamped,
        synch=True,
    )


def _tuner(request: Request, trainable: Any, divided: Share, say: Callable[[str], None]) -> tune.Tuner:
    asha = request.scheduler == "asha"
    seed = request.profile.config({}).seed
    return tune.Tuner(
        trainable,
        param_space={name: domain(dimension) for name, dimension in request.profile.dimensions.items()},
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            num_samples=request.number,
            # A paused trial counts as running here. PBT pauses all but those that fit, so with a limit it would know
            # a part of its population only; what a trial reserves limits it to the same number.
            search_alg=BasicVariantGenerator(
                points_to_evaluate=[dict(point) for point in request.profile.start],
                max_concurrent=divided.concurrent if asha else 0,
                random_state=seed,
            ),
            scheduler=scheduler_of(request),
            reuse_actors=True,
            trial_dirname_creator=_folder_name,
        ),
        run_config=tune.RunConfig(
            name=TRIALS,
            storage_path=str(request.out.resolve()),
            stop=Watch(request.out.resolve() / JOURNAL, say),
            failure_config=tune.FailureConfig(max_failures=_RESTARTS),
            # PBT restores from the checkpoints of others.
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1 if asha else 3),
            verbose=0,
        ),
    )


def _agreed(request: Request, material: Material, resume: bool) -> Share:
    """What a trial holds. A new search is written down; an unfinished one in the folder must be the same and keeps
    its share, for which it waits if need be.
    """
    asked = {
        "out": str(request.out.resolve()),
        "scheduler": request.scheduler,
        "trials": request.number,
        "profile": request.profile.model_dump(mode="json"),
        "train": material.train.sha256,
        "validation": material.validation.sha256,
    }
    path = request.out / REQUEST
    if not path.is_file():
        if resume:
            raise ConfigError(f"{request.out} holds no search to resume: leave --resume out")
        divided = share(request.profile, _CLUSTER.available_resources())
        request.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**asked, "share": asdict(divided)}, indent=2) + "\n")
        return divided
    found = json.loads(path.read_text())
    if (request.out / RESULTS).is_file():
        raise ConfigError(f"{request.out} holds a finished search: choose another --out")
    if other := [name for name, value in asked.items() if found[name] != value]:
        raise ConfigError(f"{request.out} holds a search with another {other[0]}: choose another --out")
    kept, whole = Share(**found["share"]), _CLUSTER.cluster_resources()
    if kept.cpus > whole.get("CPU", 0) or kept.gpus > whole.get("GPU", 0):
        raise ConfigError(f"a trial of {request.out} needs {kept.cpus:g} CPU and {kept.gpus:g} GPU: Ray has less")
    return kept


def search(
    request: Request, material: Material, *, resume: bool = False, say: Callable[[str], None] = to_stderr
) -> dict[str, bool]:
    """Run all trials, or go on with those that were interrupted. `say` takes the lines of progress.

    Gives the names of the trials, and of each whether it failed. What they reached is in the journal, one line for
    each evaluation.

    Needs a Ray that is running. Ray Tune does not keep ASHA's rungs: after an abort trials are compared with those that
    come after it. Raises ConfigError for a folder that holds another or a finished search, or none though `resume` is
    set; Unfinished when it is interrupted; AppError when every trial failed.
    """
    divided = _agreed(request, material, resume)
    trainable = tune.with_resources(
        tune.with_parameters(train, material=material), {"cpu": divided.cpus, "gpu": divided.gpus}
    )
    folder = request.out.resolve() / TRIALS
    gpus = f"and {divided.gpus:g} GPU " if divided.gpus else ""
    if tune.Tuner.can_restore(str(folder)):
        say(f"going on with the search in {request.out}")
        tuner = tune.Tuner.restore(str(folder), trainable=trainable, resume_errored=True)
    else:
        say(f"{request.number} trials, {divided.concurrent} at a time, with {divided.cpus:g} CPU {gpus}each")
        tuner = _tuner(request, trainable, divided, say)
    grid = tuner.fit()
    # As written before the trials were ended: afterwards all of them look complete.
    trials: list[Any] = tune.ExperimentAnalysis(str(folder)).trials or []
    ended = sum(trial.is_finished() for trial in trials)
    if ended < request.number:
        raise Unfinished(f"interrupted with {ended} of {request.number} trials ended: the same command goes on")
    if len(grid.errors) == len(grid):
        raise AppError(f"every trial failed, the first one with: {grid.errors[0]}")
    return {short(trial.trial_id): trial.status == "ERROR" for trial in trials}
