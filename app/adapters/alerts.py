"""The part of the store that keeps alerts: the channels, and the outbox that senders work off."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from app.adapters import alert_tables, channel_tables
from app.adapters.alert_records import DeliveryFilter, DeliveryRows, Parcel, Tally
from app.adapters.database import Database
from app.core.alerts import Channel


class AlertStore:
    """The alerts of a `Store`, as `store.alerts`. Raises StoreError like the store.

    What always holds: a change that is stored is in the outbox of every channel that it concerned at that time; a
    message is claimed by one sender at a time; what was sent or given up is never sent again.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    # Channels

    def channels(self) -> list[Channel]:
        """All channels, the oldest first."""
        with self._database.read() as connection:
            return channel_tables.channels(connection)

    def channel(self, channel_id: str) -> Channel:
        """One channel. Raises NotFound."""
        with self._database.read() as connection:
            return channel_tables.channel(connection, channel_id)

    def put_channel(self, channel: Channel) -> None:
        """Insert or replace a channel. What waits for one that is switched off is given up.

        Raises InvalidInput for text that cannot be stored.
        """
        with self._database.write() as connection:
            channel_tables.put_channel(connection, channel)
            if not channel.enabled:
                alert_tables.give_up_waiting(connection, channel.id, "the channel was switched off")

    def delete_channel(self, channel_id: str) -> None:
        """Delete a channel with its deliveries. Raises NotFound."""
        with self._database.write() as connection:
            channel_tables.delete_channel(connection, channel_id)

    def tallies(self) -> Mapping[str, Tally]:
        """What became of the changes of each channel that had any, by the channel's id."""
        with self._database.read() as connection:
            return alert_tables.tallies(connection)

    # The outbox

    def claim(self, busy: Collection[str] = ()) -> list[Parcel]:
        """Take the next message of each channel that has one due and is not `busy`; mark each when it was sent."""
        now = self._now()
        with self._database.read() as connection:
            if not alert_tables.is_due(connection, busy, now):
                return []
        with self._database.write() as connection:
            return alert_tables.claim(connection, busy, now)

    def mark_sent(self, parcel: Parcel) -> bool:
        """Note that a message was delivered. False: it was no longer this sender's, and nothing is changed."""
        with self._database.write() as connection:
            return alert_tables.mark_sent(connection, parcel, self._now())

    def mark_failed(self, parcel: Parcel, error: str, again_at: datetime | None) -> bool:
        """Note that a message was not delivered, and when to try again; None is never. False as for `mark_sent`."""
        with self._database.write() as connection:
            return alert_tables.mark_failed(connection, parcel, error, again_at)

    def deliveries(
        self, where: DeliveryFilter | None = None, *, limit: int = 50, after: str | None = None
    ) -> DeliveryRows:
        """A page of deliveries, the latest first. Raises InvalidInput for a limit or `after` that cannot be."""
        with self._database.read() as connection:
            return alert_tables.find(connection, where or DeliveryFilter(), limit, after)
