"""The command `paykit`, called as a person, a deploy or a host would."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import pytest
from sqlalchemy import Engine, make_url, text

from paykit import Money, PaymentService
from paykit.cli import FAILED, OK, WRONG_USE, add_arguments, main, run
from paykit.clock import SYSTEM
from paykit.store import create_all
from paykit.store.migrations import LATEST, check, sql
from paykit.store.schema import case, reconciliation_break
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from tests.databases import Database

URL: Final = "PAYKIT_DATABASE_URL"

SHOP: Final = """
import os, sys
from sqlalchemy import NullPool, create_engine
from paykit import PaymentService
from paykit.clock import SYSTEM
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp

not_a_function = 7

def nothing():
    return None

def service():
    engine = create_engine(os.environ["PAYKIT_DATABASE_URL"], poolclass=NullPool)
    made = PaymentService(engine, psp=SimulatedPsp(SimulatedProvider(SYSTEM)))

    @made.on("*")
    def handle(event, session):
        print("working", flush=True)
        sys.stdin.readline()

    return made
"""


@pytest.fixture
def url(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, named in the environment."""
    monkeypatch.setenv(URL, database.url)
    return database.url


@pytest.fixture
def engine(database: Database, url: str) -> Engine:
    return database.engine()


# --- migrate --------------------------------------------------------------------------


def test_migrate_says_what_it_did(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate"]) == OK
    assert main(["migrate"]) == OK
    check(engine)
    expected = f"version {LATEST}, was 0\nversion {LATEST}\n"
    assert capsys.readouterr().out == expected


def test_check_fails_until_the_migration_has_run(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--check"]) == FAILED
    assert "run `paykit migrate`" in capsys.readouterr().err
    main(["migrate"])
    assert main(["migrate", "--check"]) == OK


def test_a_url_given_by_hand_wins(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, "sqlite:////nowhere/at/all.db")
    assert main(["migrate", "--url", database.url]) == OK
    check(database.engine())


ASYNCIO: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


@pytest.mark.parametrize("drivers", [{}, ASYNCIO], ids=["no driver", "asyncio"])
def test_the_url_of_any_service_will_do(
    database: Database, drivers: dict[str, str]
) -> None:
    name = drivers.get(database.kind, database.kind)
    url = make_url(database.url).set(drivername=name)
    given = url.render_as_string(hide_password=False)
    assert main(["migrate", "--url", given]) == OK
    check(database.engine())


@pytest.mark.parametrize("given", ["nonsense", "mysql+nothing://"])
def test_a_url_that_cannot_be_used_is_wrong_use(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--url", given]) == WRONG_USE
    assert capsys.readouterr().err.startswith("paykit: ")


def test_no_url_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(URL, raising=False)
    assert main(["migrate"]) == WRONG_USE
    assert URL in capsys.readouterr().err


def test_a_database_that_does_not_answer_fails_without_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = "postgresql://me:hunter2@127.0.0.1:1/none"
    assert main(["migrate", "--url", given]) == FAILED
    said = capsys.readouterr()
    assert "refused" in said.err
    assert "hunter2" not in said.err + said.out


def test_a_version_that_does_not_exist_is_wrong_use(engine: Engine) -> None:
    assert main(["migrate", "--to", str(LATEST + 1)]) == WRONG_USE


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_sql_prints_the_script_and_needs_no_database(
    dialect: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(URL, raising=False)
    assert main(["migrate", "--sql", "--dialect", dialect]) == OK
    assert capsys.readouterr().out == sql(dialect)


def test_sql_takes_the_dialect_of_the_url(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--sql"]) == OK
    assert capsys.readouterr().out == sql(database.kind)


def test_sql_between_versions(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["migrate", "--sql", "--dialect", "postgresql", "--from", str(LATEST)]
    assert main(arguments) == OK
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("extra", [[], ["--sql", "--dialect", "sqlite"]])
def test_without_alembic_the_command_says_what_to_install(
    tmp_path: Path, extra: Sequence[str]
) -> None:
    arguments = ["migrate", "--url", f"sqlite:///{tmp_path}/x.db", *extra]
    program = (
        "import sys; sys.modules['alembic'] = None; from paykit.cli import main; "
        f"sys.exit(main({arguments!r}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == WRONG_USE
    assert "pip install 'paykit-engine[migrate]'" in ended.stderr


# --- worker and health ----------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with the module `shop`, which is where the command is called."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.py").write_text(SHOP, "utf-8")
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path / "shop"
    sys.modules.pop("shop", None)


def _pay(engine: Engine) -> PaymentService:
    create_all(engine)
    service = PaymentService(engine, psp=SimulatedPsp(SimulatedProvider(SYSTEM)))
    service.create_payment(amount=Money(1000, "eur"), idempotency_key="k")
    return service


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_finishes_what_it_has_begun(
    shop: Path, engine: Engine, number: signal.Signals
) -> None:
    service = _pay(engine)
    before = service.health().pending["delivery"]
    assert before > 1
    command = [sys.executable, "-m", "paykit.cli", "worker", "--factory=shop:service"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=shop, env=os.environ, stdin=pipe, stdout=pipe, text=True
    ) as worker:
        assert _out(worker).readline() == "working\n"
        worker.send_signal(number)
        worker.communicate("\n", timeout=60)
    assert worker.returncode == OK
    # The event that it had in its hands is delivered; the next one is for another.
    assert service.health().pending["delivery"] == before - 1


def _out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def test_a_worker_without_tables_fails_and_says_why(
    shop: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["worker", "--factory", "shop:service"]) == FAILED
    assert "run `paykit migrate`" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_health_counts_what_is_pending(
    shop: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    _pay(engine)
    assert main(["health", "--factory", "shop:service"]) == OK
    assert "queues inbox pending: 0\n" in capsys.readouterr().out
    assert main(["health", "--factory", "shop:service", "--json"]) == OK
    queues = json.loads(capsys.readouterr().out)["queues"]
    assert queues["inbox"]["pending"] == 0


@pytest.mark.parametrize("what", ["cases", "breaks"])
def test_health_fails_when_a_person_is_needed(
    shop: Path, engine: Engine, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    service = _pay(engine)
    (payment,) = service.list_payments().items
    with engine.begin() as connection:
        if what == "cases":
            opened = {"id": SYSTEM.new_uuid(), "operation_id": "op", "name": "x"}
            why = {"merchant_id": "default", "why": "?", "seen": []}
            row = {**opened, **why, "opened_at": SYSTEM.now()}
            connection.execute(case.insert(), row)
        else:
            about = {"aggregatetype": "payment", "aggregateid": payment.id}
            values = {"id": "b", "merchant_id": "default", **about}
            more = {"kind": "x", "detail": {}, "opened_at": SYSTEM.now()}
            connection.execute(reconciliation_break.insert(), {**values, **more})
    assert main(["health", "--factory", "shop:service", "--json"]) == FAILED
    assert json.loads(capsys.readouterr().out)["attention"][what] == 1


def test_health_fails_when_a_webhook_is_dead(
    shop: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO paykit_inbox (id, binding, event_id, event_type, body, "
                "status, dead_at, received_at) "
                "VALUES ('e', 'b', 'e', 't', '', 'dead', :now, :now)"
            ),
            {"now": "2026-01-01 00:00:00"},
        )
    assert main(["health", "--factory", "shop:service"]) == FAILED
    assert "inbox dead: 1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        ("shop", "MODULE:CALLABLE"),
        ("shop:", "MODULE:CALLABLE"),
        ("nowhere:service", "no module 'nowhere'"),
        ("shop:missing", "nothing to call named 'missing'"),
        ("shop:not_a_function", "nothing to call named 'not_a_function'"),
        ("shop:nothing", "returned NoneType"),
    ],
)
def test_a_factory_that_makes_no_service_is_wrong_use(
    shop: Path, factory: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", "--factory", factory]) == WRONG_USE
    assert complaint in capsys.readouterr().err


# --- other programs, and hosts --------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "known"), [("demo", "--json"), ("stripe-server", "--webhook-url")]
)
def test_another_program_gets_all_of_its_arguments(
    command: str, known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert known in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main([command, "--no-such-option"])
    assert ended.value.code == WRONG_USE
    assert "--no-such-option" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["worker"], ["health"]])
def test_a_command_that_is_not_complete_is_wrong_use(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == WRONG_USE


def test_a_host_can_mount_the_commands_in_its_own(engine: Engine) -> None:
    host = argparse.ArgumentParser(prog="manage.py paykit")
    host.add_argument("--verbosity", type=int)
    add_arguments(host)
    assert run(host.parse_args(["--verbosity", "2", "migrate"])) == OK
    check(engine)


def test_the_command_loads_neither_alembic_nor_the_demo() -> None:
    program = (
        "import sys, paykit.cli; print([name for name in sys.modules if name in "
        "('alembic', 'stripe') or name.startswith('paykit.testing')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
