"""Ports of this machine: which are free, and what to say when one is not."""

from __future__ import annotations

import random
import socket

from app.core.errors import ConfigError

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def free_run(length: int) -> int:
    """The first of so many ports in a row that nobody listens on at the moment, below those that connections get."""
    while True:
        first = random.randrange(10_000, 32_768 - length)
        if all(_is_free(port) for port in range(first, first + length)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def require_free(port: int, option: str) -> None:
    """Raises ConfigError, saying what to do, when somebody listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} is in use: end the program that has it, or choose another with {option}"
            ) from error
