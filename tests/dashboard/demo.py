"""Look at the dashboard with moving data: `python -m tests.dashboard.demo PORT`."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime

import uvicorn

from app.dashboard.mount import dashboard_app
from tests.dashboard.fake_service import EVENT, FakeService, busy_service, random_message, some_statuses


class Moving(FakeService):
    """Gets a few messages with every tick of its version."""

    number = 100_000

    def version(self, event_id: str) -> int:
        now = datetime.now(UTC)
        if event_id == EVENT.id and (now - self.moment).total_seconds() > 2:
            rng = random.Random(self.number)
            self.moment = now
            Moving.number += 3
            made = [random_message(rng, Moving.number + i, now, 0.5) for i in range(3)]
            self.add(EVENT, *made, statuses=some_statuses(now, Moving.number - 97_400))
        return super().version(event_id)


def main() -> None:
    service = busy_service(datetime.now(UTC))
    service.__class__ = Moving
    uvicorn.run(dashboard_app(service), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
