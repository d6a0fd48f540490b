from __future__ import annotations

import socket

import pytest

from app.adapters.ports import HOST, free_port, free_run, require_free
from app.core.errors import ConfigError


def test_a_free_port_passes() -> None:
    require_free(free_port(), "PORT=...")


def test_a_busy_port_is_named_with_the_way_out() -> None:
    with socket.create_server((HOST, 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use.*--port"):
            require_free(port, "--port")


def test_free_ports_are_in_a_row_and_free() -> None:
    first = free_run(10)
    for port in range(first, first + 10):
        with socket.socket() as probe:
            probe.bind((HOST, port))
