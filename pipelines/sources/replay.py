"""A recording played back as if it were live: the demo, the load test, and the source of tests.

`speed` is times real time, 0 as fast as it is fetched. `times` "kept" leaves the recorded times; "shifted" moves all of
them by one constant so that the recording ends when its replay ends, and no message is ever from the future.

Cursor: {"position": rows given, "shift_s": the shift in seconds}. The shift is chosen once; after a restart the replay
goes on from the last row given at the same speed, whatever time has passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from app.core.errors import BadResponse
from app.core.types import DeadLetter, Message
from pipelines.sources.base import Clock, Cursor, Page
from pipelines.sources.parsing import Origin
from pipelines.sources.recordings import Row, open_recording

MAX_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Playback:
    """How a recording is played: see the module. `page_size` is the most rows of one page.

    Rows recorded before `since` or from `until` on are passed over.
    """

    speed: float = 1.0
    times: Literal["kept", "shifted"] = "kept"
    page_size: int = 256
    since: datetime | None = None
    until: datetime | None = None

    def wants(self, at: datetime) -> bool:
        """Whether a row of this recorded time is played."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class Replay:
    """A Source over a recording; see `recordings` for its files. Bad rows are dead letters, ids are passed on as given.

    Opening it reads the recorded times; raises ConfigError as `open_recording`.
    """

    name = "replay"

    def __init__(self, path: Path, event_id: str, *, now: Clock, playback: Playback | None = None) -> None:
        self._recording = open_recording(path)
        self._origin = Origin(self.name, event_id, now)
        self._now = now
        self._playback = playback or Playback()
        self._position = 0
        self._rows: Iterator[Row] = iter(())
        self._next: Row | None = None
        self._opened = False
        self._anchor: tuple[datetime, datetime] | None = None  # a time on the wall, and the recorded time due then

    def fetch(self, cursor: Cursor | None) -> Page:
        """What is due now, as `Source.fetch`. Raises BadResponse where the file has been taken away."""
        position, shift = self._start(cursor)
        try:
            self._seek(position)
            rows = self._due_rows()
        except OSError as error:
            self._opened = False
            raise BadResponse(f"the recording {self._recording.path} can't be read any more") from error
        messages, dead_letters = self._given(rows, shift)
        finished = self._next is None
        return Page(
            messages=tuple(messages),
            cursor={"position": self._position, "shift_s": shift.total_seconds()},
            live_to=self._live_to(rows) + shift,
            wait_s=0.0 if finished else self._wait_s(),
            dead_letters=tuple(dead_letters),
            finished=finished,
        )

    def close(self) -> None:
        """Lets go of the file."""
        self._rows = iter(())
        self._opened = False

    def _start(self, cursor: Cursor | None) -> tuple[int, timedelta]:
        stored = cursor or {}
        position, shift_s = stored.get("position"), stored.get("shift_s")
        shift = timedelta(seconds=shift_s) if isinstance(shift_s, (int, float)) else self._shift()
        return (position if isinstance(position, int) else 0), shift

    def _shift(self) -> timedelta:
        if self._playback.times == "kept":
            return timedelta()
        recording, speed, start = self._recording, self._playback.speed, self._now()
        if 0 < speed < 1:
            # Slower than life the recording would end in the future: here it begins now, and ends before its replay.
            return start - recording.first
        length = (recording.last - recording.first) / speed if speed else timedelta()
        return start + length - recording.last

    def _seek(self, position: int) -> None:
        if self._opened and position == self._position:
            return
        self._rows = self._recording.rows(max(0, position - 1))
        # From the last row that was given: a pause before the next one is kept, and no restart makes time run faster.
        before = next(self._rows, None) if position > 0 else None
        self._position, self._next, self._opened = position, next(self._rows, None), True
        self._anchor = (self._now(), before.at if before else self._recording.first)

    def _clock(self) -> datetime:
        """The recorded time that the replay has come to."""
        if self._playback.speed == 0 or self._anchor is None:
            return self._recording.last
        wall, recorded = self._anchor
        return min(recorded + (self._now() - wall) * self._playback.speed, self._recording.last)

    def _due_rows(self) -> list[Row]:
        rows: list[Row] = []
        clock = self._clock()
        while self._next is not None and self._next.at <= clock and len(rows) < self._playback.page_size:
            rows.append(self._next)
            self._next = next(self._rows, None)
        self._position += len(rows)
        return rows

    def _live_to(self, rows: list[Row]) -> datetime:
        """Everything before this time has been given. With rows due but not given, it is the time of the last given."""
        clock = self._clock()
        if self._next is None:
            return self._recording.last
        if self._next.at > clock:
            return clock
        return rows[-1].at if rows else self._next.at

    def _wait_s(self) -> float:
        if self._next is None or self._playback.speed == 0:
            return 0.0
        ahead = (self._next.at - self._clock()).total_seconds() / self._playback.speed
        return min(MAX_WAIT_S, max(0.0, ahead))

    def _given(self, rows: list[Row], shift: timedelta) -> tuple[list[Message], list[DeadLetter]]:
        messages: list[Message] = []
        dead_letters: list[DeadLetter] = []
        for row in rows:
            if not self._playback.wants(row.at):
                continue
            if row.message is not None:
                messages.append(replace(row.message, created_at=row.at + shift))
            else:
                dead_letters.append(self._origin.dead_letter(row.record, row.reason))
        return messages, dead_letters
