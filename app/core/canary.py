"""The steps of a challenger's way to all of the traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHAMPION = "champion"
CHALLENGER = "challenger"
CANARY_WEIGHTS = (5.0, 25.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True)
class Step:
    """A state of the routing. `weight` is the challenger's percent of the traffic, `shadow` who scores in silence."""

    name: str
    weight: float
    shadow: tuple[str, ...] = ()

    @property
    def weights(self) -> dict[str, float]:
        """Percent of the traffic by arm; a challenger that gets none is left out."""
        champion = {CHAMPION: 100 - self.weight}
        return champion | {CHALLENGER: self.weight} if self.weight else champion

    @property
    def routing(self) -> dict[str, object]:
        """The `user_config` of the router."""
        return {"weights": self.weights, "shadow": list(self.shadow)}


NOTHING = Step("nothing", 0)
"""The challenger has no part: the start, and what a rollback goes back to."""

PROMOTED = Step("promoted", 100)
"""The end of the walk: all traffic to the challenger, and nobody asked in silence any more."""


def walk(weights: Sequence[float] = CANARY_WEIGHTS) -> tuple[Step, ...]:
    """The steps that are judged. One of the two arms shadows the other at each, so that pairs exist at each."""
    return (
        Step("shadow", 0, (CHALLENGER,)),
        *(Step(f"{weight:g} %", weight, (CHAMPION,)) for weight in weights),
    )
