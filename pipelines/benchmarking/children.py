"""Child processes of the benchmark: started, spoken to in JSON lines, weighed, and ended, these and no others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from app.core.errors import AppError

ROOT = Path(__file__).resolve().parent.parent.parent
_END_S = 30.0
_KILL_S = 5.0


class ChildEnded(AppError):
    """A child process has ended; the text holds the last of what it said."""


def environment(threads: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of every side: so many threads for whatever computes, and nothing from outside.

    A cluster around us, as in a Ray job, is none of the children's.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}"
    fixed = {"PYTHONPATH": str(ROOT), "PATH": path, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {**inherited, **fixed, **counts, **(more or {})}


def end_orphans(variable: str, value: str) -> None:
    """End what a child has left behind: processes whose environment has this value, which nobody else can have."""
    mark = f"{variable}={value}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                process = psutil.Process(int(entry.name))
                process.terminate()
                if psutil.wait_procs([process], timeout=_KILL_S)[1]:
                    process.kill()


def pss_mb(processes: Iterable[psutil.Process]) -> float:
    """Memory of processes in megabytes, shared pages counted once; one that has gone counts nothing."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 1e6


class Child:
    """A Python module as a child process with its own process group. `close` ends it, and what it has started."""

    def __init__(self, module: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )

    def ask(self, question: object) -> Any:
        """Send a line, wait for the answer. Raises ChildEnded when there is none."""
        self.tell(question)
        return self.hear()

    def tell(self, question: object) -> None:
        """Send a line. Raises ChildEnded."""
        pipe = _open(self._process.stdin)
        try:
            pipe.write(json.dumps(question).encode() + b"\n")
            pipe.flush()
        except OSError as error:
            raise self.ended() from error

    def hear(self) -> Any:
        """The next line. Raises ChildEnded when there is none."""
        line = _open(self._process.stdout).readline()
        if not line:
            raise self.ended()
        return json.loads(line)

    def ignore_output(self) -> None:
        """Read what it prints and forget it, so that a full pipe never stops it."""
        pipe = _open(self._process.stdout)
        threading.Thread(target=lambda: [None for _ in pipe], daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def ended(self) -> ChildEnded:
        """The error that says why it is not there any more."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return ChildEnded(lines[-1] if lines else f"it ended with status {self._process.poll()}")

    def processes(self) -> list[psutil.Process]:
        """It and everything it has started."""
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def close(self) -> None:
        """End it, gently first; a second time does nothing."""
        started = self.processes()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(started, timeout=_END_S)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=_KILL_S)
        self._process.wait(timeout=_KILL_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was left to write has no reader any more
                    continue


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the child was started without pipes")
    return pipe
