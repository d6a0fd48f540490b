"""A version of the model in service: the lanes to its replicas, the cheapest hardware first."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.core.errors import ClassifierError, Overloaded
from app.core.types import Prediction
from app.serving.lane import Lane
from app.serving.preprocess import Prepared

_log = logging.getLogger(__name__)


class Arm:
    """One version of the model on one or several kinds of hardware. `lanes` are in the order of their cost."""

    def __init__(self, name: str, lanes: Mapping[str, Lane], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._lanes = lanes
        self._clock = clock

    async def model(self) -> str:
        """Name and version of the model. Raises Overloaded while no replica is up."""
        return (await next(iter(self._lanes.values())).about()).model

    async def languages(self) -> frozenset[str]:
        """What the model was trained for."""
        return (await next(iter(self._lanes.values())).about()).languages

    async def predict(self, texts: Sequence[Prepared], expires: float) -> list[Prediction]:
        """One prediction a text, from the cheapest lane that should be in time; from another one if that fails.

        Raises the error of the lane that was tried last: ClassifierError, Overloaded.
        """
        failure: ClassifierError | None = None
        for name, lane in self._preferred(sum(len(each.ids) for each in texts), expires):
            try:
                predictions = await lane.predict(texts, expires)
            except ClassifierError as error:
                _log.warning("%s on %s: %s", self.name, name, error)
                failure = error
            else:
                return [replace(prediction, arm=self.name) for prediction in predictions]
        raise failure or Overloaded(f"{self.name} has no replica")

    def _preferred(self, tokens: int, expires: float) -> list[tuple[str, Lane]]:
        """Lanes that should be in time, the cheapest first, then the others, the quickest first."""
        left = expires - self._clock()
        ranked = enumerate(self._lanes.items())
        waits = [(lane.wait_s(tokens), place, name, lane) for place, (name, lane) in ranked]
        waits.sort(key=lambda each: (each[0] > left, each[1] if each[0] <= left else each[0]))
        return [(name, lane) for _, _, name, lane in waits]
