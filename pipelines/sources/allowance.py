"""How many posts a source may still read where reading costs money."""

from __future__ import annotations

from threading import Lock

from app.core.errors import BudgetExhausted

# Recent search refuses to give fewer than 10 posts a page, or more than 100.
MIN_PAGE = 10
MAX_PAGE = 100


class Allowance:
    """Counts billed reads down from `remaining`; None is no limit. May be used from several threads."""

    def __init__(self, remaining: int | None) -> None:
        self._left = remaining
        self._lock = Lock()

    @property
    def used_up(self) -> bool:
        """Nothing may be read any more."""
        with self._lock:
            return self._left is not None and self._left <= 0

    def spend(self, posts: int) -> None:
        """Counts `posts` that were delivered."""
        with self._lock:
            if self._left is not None:
                self._left -= posts

    def page_size(self) -> int:
        """How many posts the next page may ask for. Raises BudgetExhausted where fewer than a page are left."""
        with self._lock:
            left = self._left
        if left is None:
            return MAX_PAGE
        if left < MIN_PAGE:
            raise BudgetExhausted(
                f"the event's read budget is used up: {max(left, 0)} posts left, and X gives at least {MIN_PAGE} a page"
            )
        return min(MAX_PAGE, left)
