"""The one door to MLflow: a client of its own for each URL, quiet, and with failures in our words.

MLflow takes seconds to import and calls its makers' server while it does, unless the environment forbids it. So it
is imported when a client is made and never by serving, and only `MlflowClient` is used, which keeps no state that
another run in the same process could meet.
"""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from app.core.errors import ConfigError, NotFound, StoreError

EXPERIMENT: Final = "eventpulse"
"""Where our runs stand among those of others on one server."""

QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Standard output is for the JSON of our commands.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Set before the import, where the operator has not set them."""

ANSWER_S: Final = 5.0
"""How long the server may take to say that it is there. MLflow alone would try for minutes."""


class Mlflow:
    """A client for one URL: `http(s)://` of a server, or an SQLAlchemy URL of a database.

    With a database, files lie in the folder `artifacts`; a server keeps them where it was told to. Raises ConfigError,
    naming the URL without its password, when nothing answers there.
    """

    def __init__(self, url: str, artifacts: Path) -> None:
        self._served = urlsplit(url).scheme in {"http", "https"}
        self._artifacts = artifacts
        self.url = _without_password(url)
        if self._served:
            _reach_server(url, self.url)
        else:
            _reach_database(url, self.url)
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self.entities: Any = import_module("mlflow.entities")
        self._error: Any = import_module("mlflow.exceptions").MlflowException
        with self.failures():
            self.client: Any = import_module("mlflow.tracking").MlflowClient(tracking_uri=url, registry_uri=url)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what MLflow raises inside into NotFound or StoreError."""
        try:
            yield
        # A server's refusal of a file comes from `requests`, whose errors are OSErrors.
        except (self._error, SQLAlchemyError, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
                raise NotFound(f"MLflow at {self.url}: {reason}") from error
            raise StoreError(f"MLflow at {self.url} refused: {reason}") from error

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, made when it is not there."""
        with self.failures():
            if found := self.client.get_experiment_by_name(name):
                return str(found.experiment_id)
            # The place is stored with the experiment, so it must not depend on who reads it from where.
            place = None if self._served else str(self._artifacts.resolve())
            return str(self.client.create_experiment(name, artifact_location=place))


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError as error:
        raise _unusable("that is not a URL") from error


def _reach_server(url: str, shown: str) -> None:
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=ANSWER_S).close()
    except urllib.error.HTTPError as answer:
        # Whatever it says, somebody is there; a proxy may keep /health to itself.
        answer.close()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise _unusable(f"{shown} does not answer ({reason})") from error


def _reach_database(url: str, shown: str) -> None:
    try:
        address = make_url(url)
        if address.drivername.startswith("sqlite") and address.database:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(address)
        try:
            engine.connect().close()
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise _unusable(f"{shown} can't be opened ({reason})") from error


def _unusable(reason: str) -> ConfigError:
    return ConfigError(
        f"EVENTPULSE_MLFLOW_URL: {reason}. Give http://HOST:PORT of a running `mlflow server`, a database URL such as "
        "sqlite:////data/mlflow.db, or leave it empty for a file in the state folder"
    )
