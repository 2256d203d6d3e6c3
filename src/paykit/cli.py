"""
The command ``paykit``: migrations, the worker and the state of the work.

A host that has a command of its own, such as Django's ``manage.py``, mounts the same
with `add_arguments` and `run`.

Exit status: 0 if it went well; 1 if what was asked for is not so or did not work (the
schema is out of date, webhooks are dead, the database does not answer); 2 if the
command was called in a wrong way, or needs an extra that is not installed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from paykit import (
    Executed,
    NotExecuted,
    PaykitError,
    PaymentService,
    UsageError,
    Worker,
)
from paykit.service.operator import Operator
from paykit.store import migrations

__all__ = ["FAILED", "OK", "WRONG_USE", "add_arguments", "main", "run"]

OK: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2

_URL: Final = "PAYKIT_DATABASE_URL"

_DRIVERS: Final = {
    # What a service's URL may name, and what a blocking command takes for it.
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+asyncpg": "postgresql+psycopg",
    "sqlite+aiosqlite": "sqlite",
}

# Named as text and loaded on demand: they need extras, and no other command does.
_PASSED_ON: Final = {
    "demo": ("paykit.testing.demo", "show payments and accidents, and what heals"),
    "stripe-server": (
        "paykit.testing.stripe_server.__main__",
        "serve a local Stripe for the unchanged Stripe SDK",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="paykit", description="Take payments without losing or doubling one."
    )
    add_arguments(parser)
    return run(parser.parse_args(argv))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every command to a parser, the host's own one for example."""
    commands = parser.add_subparsers(metavar="command", required=True)
    _add_migrate(commands.add_parser("migrate", help="bring the tables up to date"))
    worker = commands.add_parser("worker", help="work until SIGTERM or SIGINT")
    _add_factory(worker, _worker)
    worker.add_argument("--idle-seconds", type=float, default=1.0, metavar="SECONDS")
    worker.add_argument(
        "--only",
        action="append",
        metavar="DUTY",
        help="do this duty alone; may be given several times",
    )
    health = commands.add_parser(
        "health", help="what is pending; 1 if a person is needed"
    )
    _add_factory(health, _health)
    health.add_argument("--json", action="store_true", help="for machines")
    _add_cases(commands.add_parser("cases", help="what nobody could find out"))
    _add_breaks(commands.add_parser("breaks", help="where the PSP and paykit disagree"))
    for name, (module, text) in _PASSED_ON.items():
        # With no character for options, everything is the other program's.
        passed = commands.add_parser(
            name, help=text, add_help=False, prefix_chars="\0", usage=argparse.SUPPRESS
        )
        passed.add_argument("arguments", nargs="*")
        passed.set_defaults(paykit_run=_pass_on, module=module)


def run(options: argparse.Namespace) -> int:
    """Run what `add_arguments` has parsed; errors go to stderr, secrets nowhere."""
    command: Callable[[argparse.Namespace], int] = options.paykit_run
    try:
        return command(options)
    except UsageError as error:
        return _complain(error, WRONG_USE)
    except PaykitError as error:
        return _complain(error, FAILED)
    except DBAPIError as error:
        # Without the statement and its parameters.
        return _complain(error.orig or type(error).__name__, FAILED)


def _complain(problem: object, status: int) -> int:
    print(f"paykit: {problem}", file=sys.stderr)
    return status


# --- migrate --------------------------------------------------------------------------


def _add_migrate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(paykit_run=_migrate)
    parser.add_argument(
        "--url",
        help=f"the database; better in ${_URL}, other users of the machine see this",
    )
    parser.add_argument(
        "--to", type=int, default=migrations.LATEST, metavar="N", help="stop there"
    )
    parser.add_argument(
        "--check", action="store_true", help="only tell: 1 if the command is needed"
    )
    parser.add_argument(
        "--sql", action="store_true", help="print a script and touch nothing"
    )
    parser.add_argument("--dialect", choices=["postgresql", "sqlite"], help="for --sql")
    parser.add_argument(
        "--from", type=int, default=0, metavar="N", dest="from_", help="for --sql"
    )


def _migrate(options: argparse.Namespace) -> int:
    if options.sql:
        return _print_sql(options)
    with _database(options.url) as engine:
        if options.check:
            migrations.check(engine)
            print("up to date")
            return OK
        before, after = migrations.migrate(engine, to=options.to)
    print(f"version {after}" + ("" if before == after else f", was {before}"))
    return OK


def _print_sql(options: argparse.Namespace) -> int:
    dialect = options.dialect or _dialect_of(options.url)
    print(migrations.sql(dialect, from_=options.from_, to=options.to), end="")
    return OK


def _dialect_of(given: str | None) -> str:
    if not (given or os.environ.get(_URL)):
        raise UsageError(f"--sql needs --dialect, --url or ${_URL}")
    with _database(given) as engine:
        return engine.dialect.name


@contextmanager
def _database(given: str | None) -> Generator[Engine]:
    """Yield an engine on the URL that was given or stands in the environment."""
    text = given or os.environ.get(_URL)
    if not text:
        raise UsageError(f"which database? Set ${_URL}, or give --url")
    try:
        url = make_url(text)
        driver = _DRIVERS.get(url.drivername, url.drivername)
        engine = create_engine(url.set(drivername=driver))
    except (ArgumentError, ModuleNotFoundError) as error:
        raise UsageError(f"the database's URL cannot be used: {error}") from error
    try:
        yield engine
    finally:
        engine.dispose()


# --- worker and health ----------------------------------------------------------------


def _add_factory(
    parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace], int]
) -> None:
    parser.set_defaults(paykit_run=command)
    parser.add_argument(
        "--factory",
        required=True,
        metavar="MODULE:CALLABLE",
        help="what returns the application's PaymentService",
    )


def _worker(options: argparse.Namespace) -> int:
    with _stopped_by(signal.SIGTERM, signal.SIGINT) as stop:
        worker = Worker(_service(options.factory), only=options.only)
        worker.run(stop, idle_seconds=options.idle_seconds)
    return OK


@contextmanager
def _stopped_by(*signals: signal.Signals) -> Generator[threading.Event]:
    """
    Yield an event that the first signal sets, so that work under way is finished.

    The second one ends the process at once: nothing is lost, and what was under way is
    taken over by another worker when its lease has run out.
    """
    stop = threading.Event()
    before = [(number, signal.getsignal(number)) for number in signals]

    def finish(*_: object) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
        # In a thread of its own: this one may be inside `stop.wait`, holding its lock.
        threading.Thread(target=stop.set).start()

    for number in signals:
        signal.signal(number, finish)
    try:
        yield stop
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _health(options: argparse.Namespace) -> int:
    health = _service(options.factory).health()
    found = dataclasses.asdict(health)
    if options.json:
        print(json.dumps(found, sort_keys=True))
    else:
        print("\n".join(_lines(found)))
    return FAILED if health.needs_a_person else OK


def _lines(found: Mapping[str, Any], group: str = "") -> Iterable[str]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{group}{name} ")
        else:
            yield f"{group}{name}: {value}"


# --- cases ----------------------------------------------------------------------------


def _add_cases(parser: argparse.ArgumentParser) -> None:
    _add_factory(parser, _cases)
    parser.add_argument("operation", nargs="?", help="show this one; none lists all")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--look-again", action="store_true", help="give it to the worker")
    what.add_argument("--executed", metavar="PSP_ID", help="record what this one shows")
    what.add_argument("--not-executed", action="store_true", help="fail it for good")
    for name in ("actor", "reason", "evidence"):
        parser.add_argument(f"--{name}", default="", help="for the payment's history")


def _cases(options: argparse.Namespace) -> int:
    operator = _service(options.factory).operator
    if options.operation is None:
        return _list_cases(operator)
    if options.look_again:
        found = operator.look_again(options.operation, actor=options.actor)
    elif options.executed is not None or options.not_executed:
        reference = options.executed
        found = operator.resolve_case(
            options.operation,
            verdict=NotExecuted() if reference is None else Executed(reference),
            actor=options.actor,
            reason=options.reason,
            evidence=options.evidence,
        )
    else:
        found = operator.case(options.operation)
    print(json.dumps(dataclasses.asdict(found), default=str, indent=2))
    return OK


def _list_cases(operator: Operator) -> int:
    after: str | None = None
    while True:
        page = operator.cases(after=after)
        for one in page.items:
            when = one.opened_at.isoformat(timespec="seconds")
            print(f"{one.operation_id} {one.operation} {one.payment_id} {when}")
        after = page.next
        if after is None:
            return OK


# --- breaks ---------------------------------------------------------------------------


def _add_breaks(parser: argparse.ArgumentParser) -> None:
    _add_factory(parser, _breaks)
    parser.add_argument("id", nargs="?", help="show this one; none lists all open ones")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--close", action="store_true", help="it needs nobody any more")
    what.add_argument("--closed", action="store_true", help="list the closed ones, too")
    for name in ("actor", "reason"):
        parser.add_argument(f"--{name}", default="", help="for the history")


def _breaks(options: argparse.Namespace) -> int:
    operator = _service(options.factory).operator
    if options.id is None:
        if options.close:
            raise UsageError("--close needs the id of a break")
        return _list_breaks(operator, closed=options.closed)
    if options.close:
        actor, reason = options.actor, options.reason
        found = operator.close_break(options.id, actor=actor, reason=reason)
    else:
        found = operator.get_break(options.id)
    print(json.dumps(dataclasses.asdict(found), default=str, indent=2))
    return OK


def _list_breaks(operator: Operator, *, closed: bool) -> int:
    after: str | None = None
    while True:
        page = operator.list_breaks(after=after, closed=closed)
        for one in page.items:
            when = one.opened_at.isoformat(timespec="seconds")
            by = "" if one.closed_at is None else f" closed by {one.closed_by or 'PSP'}"
            print(f"{one.id} {one.kind} {one.aggregate_id} {when}{by}")
        after = page.next
        if after is None:
            return OK


# --- the host's service ---------------------------------------------------------------


def _service(name: str) -> PaymentService:
    """Return the service that ``module:callable`` makes."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"--factory is MODULE:CALLABLE, not {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` would
    factory = getattr(_import(module_name), attribute, None)
    if not callable(factory):
        raise UsageError(f"{module_name} has nothing to call named {attribute!r}")
    service = factory()
    if not isinstance(service, PaymentService):
        kind = type(service).__name__
        raise UsageError(f"{name} returned {kind}, but has to return a PaymentService")
    return service


# --- other programs -------------------------------------------------------------------


def _pass_on(options: argparse.Namespace) -> int:
    program = _import(options.module)
    return int(program.main(options.arguments) or OK)


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{name} cannot be loaded: there is no module {error.name!r}"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
