"""The exception tree.

AppError                      anything EventPulse raises on purpose
├── ConfigError               a setting is missing or wrong; the message names it and the way out
├── InvalidInput              a caller's value is refused; `field` names it
│   ├── QueryError            an event query does not parse; `position` points into it
│   └── NotFound              the thing asked for does not exist
├── SourceError               a source could not deliver
│   ├── Unauthorized          the service refused the key (401, 403)
│   ├── RateLimited           come back after `retry_after` seconds
│   ├── BudgetExhausted       the event's read budget, or the service's own usage cap, is used up
│   └── BadResponse           the service answered something that is not what it documents
├── ClassifierError
│   ├── ModelNotFound         no artifact there, or one that does not verify
│   └── Overloaded            the queue is full; come back after `retry_after` seconds
├── DeliveryError             a receiver did not take an alert; `final` when trying again would not help
└── StoreError                the database refused; nothing of the transaction was kept
"""

from __future__ import annotations


class AppError(Exception):
    """Base of every error raised on purpose; `str(error)` is fit for a user's eyes."""


class ConfigError(AppError):
    """A setting is missing or wrong."""


class InvalidInput(AppError):
    """A caller's value is refused.

    `field` is the name of the argument or of the JSON field, for the error answer.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class QueryError(InvalidInput):
    """An event query does not parse. `position` is the 0-based offset into the query text."""

    def __init__(self, message: str, *, position: int) -> None:
        super().__init__(f"{message} (at position {position + 1})", field="query")
        self.reason = message
        self.position = position


class NotFound(InvalidInput):
    """The thing asked for does not exist."""


class SourceError(AppError):
    """A source could not deliver; the next attempt may."""


class Unauthorized(SourceError):
    """The service refused the key (401, 403)."""


class RateLimited(SourceError):
    """The service asks to wait `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 60.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BudgetExhausted(SourceError):
    """The event's read budget, or the service's own usage cap, is used up: waiting does not help."""


class BadResponse(SourceError):
    """The service answered something that is not what it documents."""


class ClassifierError(AppError):
    """A text could not be classified."""


class ModelNotFound(ClassifierError):
    """No model artifact at the given place, or one whose files do not verify."""


class Overloaded(ClassifierError):
    """The classifier's queue is full; try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeliveryError(AppError):
    """A receiver did not take an alert.

    `final` means that it never will; `retry_after` is how many seconds it asks to be left alone.
    """

    def __init__(self, message: str, *, final: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.final = final
        self.retry_after = retry_after


class StoreError(AppError):
    """The database refused; nothing of the transaction was kept."""
