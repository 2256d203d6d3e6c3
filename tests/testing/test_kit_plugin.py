"""
The fixtures for pytest, in processes of their own as a host has them.

The plugin is found by its entry point, which each process is shown in a directory, so
that it does not matter whether and how paykit is installed here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

HEAVY: Final = {"alembic", "paykit", "pydantic", "sqlalchemy", "stripe"}
"""What nobody may pay for who only has paykit installed."""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which paykit's entry point for pytest is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    entries = project["entry-points"]["pytest11"]
    dist = tmp_path / "site" / "a_paykit-1.dist-info"
    dist.mkdir(parents=True)
    dist.joinpath("METADATA").write_text("Name: a-paykit\nVersion: 1\n")
    lines = [f"{name} = {module}" for name, module in entries.items()]
    dist.joinpath("entry_points.txt").write_text("[pytest11]\n" + "\n".join(lines))
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT / "src"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path}


def run(installed: dict[str, str], folder: Path, *arguments: str) -> str:
    """Run Python in `folder`; return what it prints. It has to succeed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=installed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_pytest(installed: dict[str, str], folder: Path, *arguments: str) -> str:
    """Run pytest with paykit's plugin and xdist, and without all the others."""
    alone = {**installed, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    plugins = ("-p", "no:cacheprovider", "-p", "xdist", "-p", "paykit_pytest")
    always = ("-q", "-W", "error", *plugins)
    return run(alone, folder, "-m", "pytest", *always, *arguments)


def test_the_example_of_the_documentation_passes(
    installed: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    shutil.copy(ROOT / "examples" / "test_a_shop.py", folder)
    assert "3 passed" in run_pytest(installed, folder)


def test_whoever_only_has_paykit_installed_imports_nothing_of_it(
    installed: dict[str, str], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    program = (
        "import pytest, sys\n"
        "code = pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
        "assert code == pytest.ExitCode.NO_TESTS_COLLECTED, code\n"
        "print(*sys.modules)"
    )
    loaded = set(run(installed, empty, "-c", program).split())
    assert "paykit_pytest" in loaded
    assert not HEAVY & loaded


FRESH: Final = """
import urllib.error, urllib.request
from pathlib import Path
import pytest
from paykit.testing.clock import START

@pytest.mark.parametrize("number", range(6))
def test_each_begins_anew(
    number, stripe_server, simulated_provider, paykit_clock, paykit_engine, worker_id
):
    assert paykit_clock.now() == stripe_server.sim.world.now() == START
    assert simulated_provider.world is paykit_clock
    assert stripe_server.sim.faults.pending() == 0
    for sim in (stripe_server.sim, simulated_provider):
        assert sim.events() == []
        sim.call("create_payment", amount=500, currency="eur")
    assert len(stripe_server.sim.events()) == 1
    with paykit_engine.begin() as connection:
        made = "CREATE TABLE only_here (id INTEGER)"
        connection.exec_driver_sql(made)
        connection.exec_driver_sql("SELECT id FROM paykit_payment").all()
    from paykit.testing.simulated import Fault
    stripe_server.sim.faults.add(Fault.RATE_LIMIT)
    paykit_clock.advance(3600)
    assert stripe_server.sim.world.now() == paykit_clock.now()
    with pytest.raises(urllib.error.HTTPError, match="401"):  # it is listening
        urllib.request.urlopen(f"{stripe_server.url}/v1/events")
    Path(f"server-{worker_id}-{stripe_server.url.rpartition(':')[2]}").touch()
"""


def test_each_test_begins_anew_on_one_server_per_process(
    installed: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "test_host.py").write_text(FRESH)
    assert "6 passed" in run_pytest(installed, folder, "-n", "2")
    workers = [path.name.split("-")[1] for path in folder.glob("server-*")]
    assert 1 <= len(workers) == len(set(workers))


OVERRIDDEN: Final = """
import pytest

@pytest.fixture
def stripe_server():
    return "the host's own"

def test_own(stripe_server):
    assert stripe_server == "the host's own"
"""


def test_a_hosts_own_fixture_takes_the_place(
    installed: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "test_host.py").write_text(OVERRIDDEN)
    assert "1 passed" in run_pytest(installed, folder)


# --- what an import costs -------------------------------------------------------------

EXTRAS: Final = {"alembic", "django", "fastapi", "flask", "httpx", "pytest", "stripe"}
SIMULATED: Final = {"paykit.testing.simulated", "paykit.testing.stripe_server"}

LIGHT: Final = {
    "paykit.testing": EXTRAS | SIMULATED,
    "paykit.testing.clock": EXTRAS | SIMULATED,
    "paykit.testing.webhooks": EXTRAS | SIMULATED,
    "paykit.testing.factories": EXTRAS | SIMULATED,
    "paykit.testing.payments": EXTRAS | SIMULATED,
    "paykit.testing.assertions": EXTRAS | {"paykit.testing.stripe_server"},
}
"""What each module does not load. One process imports them in this order."""


def test_each_module_loads_only_what_it_needs(
    installed: dict[str, str], tmp_path: Path
) -> None:
    program = "import sys\n" + "".join(
        f"import {module}; print(*sys.modules)\n" for module in LIGHT
    )
    lines = run(installed, tmp_path, "-c", program).splitlines()
    for (module, not_loaded), line in zip(LIGHT.items(), lines, strict=True):
        loaded = set(line.split())
        assert module in loaded
        assert not not_loaded & loaded, module
