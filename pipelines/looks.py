"""The log of looks at the frozen test set: each one is written down, so that nobody tunes on it unseen."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.results import TEST_SET, Evaluation

LOOKS = Path("docs") / "test-looks.jsonl"


def write_looks(path: Path, evaluation: Evaluation) -> int:
    """Append one JSON line for each model that was scored on it; gives their number.

    Baselines are left out: nobody chooses them.
    """
    facts = next((each for each in evaluation.data if each.name == TEST_SET), None)
    lines = []
    for result in evaluation.results:
        scored = result.on(TEST_SET)
        if facts is None or scored is None or result.role != "model":
            continue
        look = {
            "at": evaluation.made_at,
            "model": result.model,
            "set": TEST_SET,
            "sha256": facts.sha256,
            "n": scored.n,
            "macro_recall": round(scored.macro_recall.value, 4),
            "interval": [round(scored.macro_recall.low, 4), round(scored.macro_recall.high, 4)],
            "macro_f1": round(scored.macro_f1.value, 4),
            "accuracy": round(scored.accuracy.value, 4),
            "commit": evaluation.commit,
        }
        lines.append(json.dumps(look))
    if lines:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write("".join(f"{line}\n" for line in lines))
    return len(lines)
