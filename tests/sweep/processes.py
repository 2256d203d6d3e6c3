"""The helper that makes processes to be killed, as tests see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, cast

from tests.sweep.child import Ended, Job

__all__ = ["Dying", "Processes"]

_ROOT: Final = Path(__file__).parents[2]


class Processes:
    """Starts processes, one at a time; a context manager."""

    def __init__(self) -> None:
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.child"],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # same paykit
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hear() == {"ready": True}

    def start(self, job: Job) -> Dying:
        """Start the process of `job`, and do not wait for its end."""
        stdin = cast("IO[str]", self._helper.stdin)
        stdin.write(json.dumps(asdict(job)) + "\n")
        stdin.flush()
        return Dying(self, int(self.hear()["pid"]))

    def run(self, job: Job) -> Ended:
        """Return how the process of `job` ended."""
        return self.start(job).ended()

    def hear(self) -> dict[str, Any]:
        """Return the helper's next line."""
        line = cast("IO[str]", self._helper.stdout).readline()
        assert line, "the helper process has ended"
        heard: dict[str, Any] = json.loads(line)
        return heard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._helper:  # closes its input, which ends it
            cast("IO[str]", self._helper.stdin).close()
            self._helper.wait(timeout=60)


@dataclass(frozen=True)
class Dying:
    """A process that has begun."""

    processes: Processes
    pid: int

    def ended(self) -> Ended:
        """Wait for its end, and return it."""
        said = self.processes.hear()
        return Ended(said["status"], tuple(said["trace"]), said["failure"])
