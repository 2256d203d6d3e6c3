"""The host's processes as the storm sees them: started, killed, and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

from tests.storm.child import Job

__all__ = ["STAFF", "Staff"]

_ROOT: Final = Path(__file__).parents[2]

STAFF: Final = {"caller": 2, "worker": 3, "endpoint": 1}
"""How many processes of each role there are."""


@dataclass
class Staff:
    """Every process of the host; a context manager that leaves none of them."""

    like: Job
    """What all have in common."""
    log: Path
    """Where they write what is wrong."""
    kills: Counter[str] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)
    """Processes that ended by themselves, though they should not have."""
    _pids: dict[tuple[str, int], int] = field(default_factory=dict)

    def start(self) -> None:
        """Start everybody."""
        for role, of in STAFF.items():
            for number in range(of):
                self._start(role, number)

    def kill(self, role: str, number: int) -> None:
        """Kill one with SIGKILL, and start another one in its place."""
        self.end(role, number)
        self._start(role, number)

    def end(self, role: str, number: int) -> None:
        """Kill one with SIGKILL for good."""
        status = self._tell({"kill": self._pids.pop((role, number))})
        self.kills[role] += status == -signal.SIGKILL
        if status not in (0, -signal.SIGKILL):
            self.ended.append(f"{role} {number} ended by itself: {status}")

    def _start(self, role: str, number: int) -> None:
        job = replace(self.like, role=role, number=number, of=STAFF[role])
        self._pids[role, number] = self._tell({"start": asdict(job)})

    def _tell(self, message: dict[str, object]) -> int:
        stdin = cast("IO[str]", self._helper.stdin)
        stdin.write(json.dumps(message) + "\n")
        stdin.flush()
        return self._hear()

    def _hear(self) -> int:
        line = cast("IO[str]", self._helper.stdout).readline()
        assert line, f"the helper process has ended: {self.log.read_text()[-2000:]}"
        return int(line)

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self._helper = subprocess.Popen(
                [sys.executable, "-m", "tests.storm.child"],
                cwd=_ROOT,
                # The same paykit as ours, wherever that was found.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._hear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._helper:  # closes its input, and it kills who is left
            cast("IO[str]", self._helper.stdin).close()
            self._helper.wait(timeout=60)
