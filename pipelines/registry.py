"""Registered models: list, register, fetch, promote, roll back. Prints JSON.

    python -m pipelines.registry list
    python -m pipelines.registry register models/default --tag gate=passed      # becomes the challenger
    python -m pipelines.registry promote challenger                             # an alias or a number
    python -m pipelines.registry rollback                                       # the previous champion again
    python -m pipelines.registry fetch champion var/models/champion

EVENTPULSE_MLFLOW_URL says where the registry is; by default it is a database file in the state folder. To serve a
registered model, fetch it and start with EVENTPULSE_MODEL_DIR=var/models/champion. As a Ray job
(`ray job submit --working-dir . -- python -m pipelines.registry list`) give folders as absolute paths: a job runs in
a copy of the working folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.adapters.registry import RegisteredVersion, Registry
from app.core.errors import AppError
from app.settings import Settings


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.registry", description="Registered models.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="every version, the newest first")
    register = verbs.add_parser("register", help="keep a model folder as a new version, the challenger")
    register.add_argument("folder", type=Path, help="folder with manifest.json, as pipelines.export makes it")
    register.add_argument("--run", help="id of the MLflow run that made it (default: a run of its own)")
    register.add_argument(
        "--tag", type=_tag, action="append", default=[], metavar="KEY=VALUE", help="say more about it; repeatable"
    )
    fetch = verbs.add_parser("fetch", help="put a version into a folder, verified")
    fetch.add_argument("wanted", help="alias or number of the version")
    fetch.add_argument("target", type=Path, help="folder to make, or a model folder to replace")
    promote = verbs.add_parser("promote", help="make a version the champion")
    promote.add_argument("wanted", help="alias or number of the version")
    verbs.add_parser("rollback", help="make the previous champion the champion again")
    return parser.parse_args(arguments)


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return name, value


def shown(version: RegisteredVersion) -> dict[str, Any]:
    """A version as JSON takes it."""
    return asdict(version) | {"created_at": version.created_at.isoformat()}


def act(options: argparse.Namespace, registry: Registry) -> object:
    """Do what the command line says; gives what to print. Raises AppError."""
    match options.verb:
        case "register":
            return shown(registry.register(options.folder, run_id=options.run, tags=dict(options.tag)))
        case "fetch":
            manifest = registry.fetch(options.wanted, options.target)
            return {"model": manifest.model, "EVENTPULSE_MODEL_DIR": str(options.target.absolute())}
        case "promote":
            return shown(registry.promote(options.wanted))
        case "rollback":
            return shown(registry.rollback())
        case _:
            return [shown(version) for version in registry.versions()]


def main(arguments: Sequence[str]) -> int:
    """The command line; gives the exit status."""
    options = parse_arguments(arguments)
    settings = Settings()
    try:
        print(json.dumps(act(options, Registry(settings.mlflow, settings.mlflow_artifacts)), indent=2))
    except AppError as error:
        sys.stderr.write(f"{options.verb}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
