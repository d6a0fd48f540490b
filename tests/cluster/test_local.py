from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.ports import HOST, free_port
from app.adapters.store import Progress, Store
from app.core.errors import ConfigError
from app.core.types import Event, SourceState
from app.settings import Settings
from cluster.front import front_environment
from cluster.local import (
    SAMPLE,
    LocalCluster,
    Ports,
    main,
    parse_arguments,
    replay_environment,
    require_disk,
    start_over,
)


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.parametrize("which", ["http", "ray_dashboard"])
def test_a_cluster_on_a_busy_port_starts_nothing(busy: int, which: str, tmp_path: Path) -> None:
    ports = Ports(**{"http": free_port(), "ray_dashboard": free_port(), which: busy})
    with LocalCluster(ports, tmp_path / "state", {}) as cluster:
        with pytest.raises(ConfigError, match=str(busy)):
            cluster.start()
        assert cluster.processes() == []
        assert cluster.stop() == []
    assert not (tmp_path / "state").exists()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    require_disk(tmp_path, needed=1)
    with pytest.raises(ConfigError, match=f"MB are free in {tmp_path}"):
        require_disk(tmp_path, needed=10**18)


def test_the_sample_is_replayed_by_default() -> None:
    environment = replay_environment(parse_arguments([]))
    assert environment["EVENTPULSE_REPLAY_PATH"] == str(SAMPLE)
    assert environment["EVENTPULSE_REPLAY_TIMES"] == "shifted"


def test_a_recording_of_ones_own_with_defaults_and_options(tmp_path: Path) -> None:
    path = tmp_path / "final.jsonl"
    path.touch()
    made = replay_environment(parse_arguments(["--replay", str(path)]))
    assert made == {
        "EVENTPULSE_REPLAY_PATH": str(path),
        "EVENTPULSE_REPLAY_EVENT": "final",
        "EVENTPULSE_REPLAY_QUERY": "*",
        "EVENTPULSE_REPLAY_SPEED": "50",
    }
    options = ["--replay", str(path), "--event", "The Final", "--speed", "0", "--times", "kept", "--query", "goal"]
    environment = replay_environment(parse_arguments(options))
    assert environment["EVENTPULSE_REPLAY_EVENT"] == "The Final"
    assert environment["EVENTPULSE_REPLAY_QUERY"] == "goal"
    assert float(environment["EVENTPULSE_REPLAY_SPEED"]) == 0
    assert environment["EVENTPULSE_REPLAY_TIMES"] == "kept"


def test_no_replay_asks_for_none() -> None:
    assert replay_environment(parse_arguments(["--no-replay"])) == {}


def test_a_recording_that_is_not_there_is_refused(tmp_path: Path) -> None:
    options = parse_arguments(["--replay", str(tmp_path / "none.jsonl")])
    with pytest.raises(ConfigError, match=r"none.jsonl is not there"):
        replay_environment(options)


def test_the_command_says_so_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay", str(tmp_path / "none.jsonl")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("eventpulse: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(("state", "stays"), [(SourceState.FINISHED, False), (SourceState.LIVE, True)])
def test_only_a_finished_replay_starts_over(tmp_path: Path, state: SourceState, stays: bool) -> None:
    settings = Settings(state_dir=tmp_path)
    start_over(settings, "The Final")
    with Store(settings.database) as store:
        store.put_event(Event("the-final", "The Final", "*"))
        store.put_event(Event("other", "Other", "*"))
        for event in ("the-final", "other"):
            store.put_page(event, "replay", (), Progress(cursor={"position": 3}, state=state))
        start_over(settings, "The Final")
        assert {event.id for event in store.events()} == ({"the-final", "other"} if stays else {"other"})
        assert store.cursor("the-final", "replay") == ({"position": 3} if stays else None)


def test_a_process_that_lost_its_parent_is_ended_too(tmp_path: Path) -> None:
    cluster = LocalCluster(Ports(), tmp_path, {})
    with subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()", str(cluster.temp / "x.cfg")]
    ) as stray:
        assert cluster.stop() == []
        assert stray.wait(5) == -signal.SIGKILL
    assert not cluster.temp.exists()


def test_two_clusters_have_nothing_in_common(tmp_path: Path) -> None:
    one, other = (front_environment(tmp_path / name) for name in ("one", "other"))
    places = [
        name for name in one if name.endswith(("_PORT", "_LOC", "_PATH", "_BASE", "_FILE")) and "BINARY" not in name
    ]
    assert len(places) == 10
    assert [name for name in places if one[name] == other[name]] == []
