"""
The long checks. What a change must pass is ``python3 scripts/test``; these go further.

``nox`` runs the sessions that take minutes. The others have no upper end: ``simulate``
grows with the number of seeds, ``mutants`` runs the simulation once for each mutant,
``sweep`` starts and kills a process for each boundary of each operation, and ``storm``
kills one each second. Those that are not about a version of Python run on nox's own.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests", "tests_oldest"]

PYTHONS = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))
OLDEST = PYTHONS[0]

OLDEST_DEPENDENCIES = ["sqlalchemy[asyncio]==2.0.40", "stripe>=15,<16"]
"""The lower ends of what pyproject.toml allows, where hosts still are."""


def install(session: nox.Session, *groups: str) -> None:
    """Install paykit with all extras, and dependency groups (they need pip 25.1)."""
    session.install("--upgrade", "pip>=25.1")
    named = [word for group in groups for word in ("--group", group)]
    session.install("--editable", ".[all]", *named)


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Style, format and layers. Seconds."""
    install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Types, as the two checkers that hosts use see them. A minute or two."""
    install(session, "test", "lint")
    session.run("mypy")
    session.run("pyright")  # the modules; then what they export, complete or not
    session.run("pyright", "--verifytypes", "paykit", "--ignoreexternal")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Every test, on each supported Python that is here. Minutes for each."""
    install(session, "test")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session(python=OLDEST)
def tests_oldest(session: nox.Session) -> None:
    """Every test, on the oldest SQLAlchemy and the oldest Stripe SDK. Minutes."""
    install(session, "test")
    session.install(*OLDEST_DEPENDENCIES)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """
    Seeded histories of crashes and losses: ``nox -s simulate -- --seeds 100000``.

    Everything after ``--`` goes to ``python -m paykit.testing.simulation``: ``--jobs``,
    ``--database URL``, ``--triples``. A failing seed is printed as the one line that
    repeats it. Use at least some thousands after a change to the engine, and a whole
    night before a release. Without arguments: 2000 seeds in two processes.
    """
    install(session, "test")
    seeds = session.posargs or ["--seeds", "2000", "--jobs", "2"]
    session.run("python", "-m", "paykit.testing.simulation", *seeds)


@nox.session
def mutants(session: nox.Session) -> None:
    """Deliberate bugs in copies of the source; each must be found. A few minutes."""
    install(session, "test")
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def failures(session: nox.Session) -> None:
    """The bugs of the promises page: each fails the tests of its row. Half an hour."""
    install(session, "test")
    session.run("python", "-m", "tests.failures.mutants", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Every hot path beside the raw driver: ``nox -s benchmarks -- --postgres URL``."""
    install(session, "test", "bench")
    session.run("python", "benchmarks/run.py", *session.posargs)
    session.run("python", "benchmarks/stripe_server.py")


@nox.session
def sweep(session: nox.Session) -> None:
    """Operations and duties, killed at every boundary, and races. A few minutes."""
    install(session, "test")
    session.run("pytest", "-n", "2", "tests/sweep", "tests/barriers", *session.posargs)


@nox.session
def storm(session: nox.Session) -> None:
    """
    500 payments while everything breaks, on a PostgreSQL of its own. A few minutes.

    Arguments go to it: ``nox -s storm -- --payments 2000 --seed 7``.
    """
    install(session, "test")
    session.run("python", "-m", "tests.storm", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Every code block of the documentation runs. A minute."""
    install(session, "test")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """The wheel works without the source beside it. A minute."""
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", session.create_tmp())
    wheel = next(Path(session.create_tmp()).glob("*.whl"))
    session.install("--force-reinstall", str(wheel))
    with session.chdir(session.create_tmp()):
        session.run("python", "-c", "import paykit; print(paykit.__file__)")
