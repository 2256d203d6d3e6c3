"""
The server's state on disk: a line for every step, written before it is answered.

A process that is killed loses nothing that the operating system has taken, so no line
is forced to the disk: a machine that loses its power may lose the last ones. A line
is a whole step; one that was torn by the end of its process was never answered, and is
left out. At every start the steps are folded into one line for each tenant.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Final, TextIO

from paykit.testing.simulated.changes import merge
from paykit.testing.simulated.objects import Json

__all__ = ["Journal"]

_FIRST_LINE: Final = b'{"paykit_stripe_server":1}\n'
"""What kind of file it is, and the version of its format."""


class Journal:
    """
    One file of state, held by one process at a time.

    `memories` is what it had when it was opened, by tenant. Then `begin` gets a writer
    for each of them, `replace` puts what they wrote in place of the old file, and what
    is written from there on is appended.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`. Raises `ValueError` if it is no state, `OSError` if in use."""
        self._path = path
        self._guard = Lock()
        self._lock = _locked(path.with_name(f"{path.name}.lock"))
        try:
            self.memories: Final = _read(path)
            self._new = path.with_name(f"{path.name}.new")
            self._file = self._new.open("wb", buffering=0)
            self._append(_FIRST_LINE)
        except BaseException:
            self._lock.close()
            raise

    def writer(self, tenant: str) -> Callable[[bytes], None]:
        """Return what writes the changes of `tenant`, given as a JSON object."""
        start = b'{"tenant":' + json.dumps(tenant).encode() + b',"changes":'
        return lambda changes: self._append(start + changes + b"}\n")

    def replace(self) -> None:
        """Let what was written since the opening take the place of the old file."""
        os.replace(self._new, self._path)

    def close(self) -> None:
        """Let another process have the file."""
        self._file.close()
        self._lock.close()

    def _append(self, line: bytes) -> None:
        """Hand `line` to the operating system, whole; `OSError` if it is not taken."""
        with self._guard:
            written = self._file.write(line)
            if written != len(line):
                # Nothing may follow half of a line: it would be lost with it.
                self._file.close()
                raise OSError(f"{self._path}: the disk took half of a line")


def _locked(path: Path) -> TextIO:
    """Return the open file at `path`, locked; nobody else can have it until it ends."""
    file = path.open("a")
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows; there, two servers are not told apart
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OSError(f"{path}: another server has this state") from error
    return file


def _read(path: Path) -> dict[str, Json]:
    """Return the tenants' memories; none if there is no file yet."""
    memories: dict[str, Json] = {}
    for number, line in _lines(path):
        try:
            step = json.loads(line)
            merge(memories.setdefault(step["tenant"], {}), step["changes"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: not a step: {error}") from error
    return memories


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines with their numbers; a torn last one was never answered."""
    if not path.exists():
        return
    with path.open("rb") as file:
        first = file.readline()
        if first not in (b"", _FIRST_LINE):
            raise ValueError(f"{path} is not the state of a local Stripe")
        for number, line in enumerate(file, 2):
            if line.endswith(b"\n"):
                yield number, line
