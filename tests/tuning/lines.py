"""Lines of the journal of a search."""

from __future__ import annotations

from typing import Any


def line(
    trial: str, iteration: int, score: float, *, state: str, origin: str = "", rate: float = 1e-4
) -> dict[str, Any]:
    """Evaluation `iteration` of four, after ten steps each."""
    return {
        "trial": trial,
        "training_iteration": iteration,
        "step": 10 * iteration,
        "steps": 40,
        "macro_recall": score,
        "loss": 1.0,
        "rate": rate / 2,
        "samples_per_s": 30.0,
        "finished": int(iteration == 4),
        "state": state,
        "origin": origin,
        "began": 0,
        "config": {"learning_rate": rate, "weight_decay": 0.01, "batch_tokens": 1024, "loss": "plain", "tau": 0.25},
    }
