"""Seeds from the command line: ``python -m paykit.testing.simulation --seeds 9``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, StaticPool, create_engine, event, text

from paykit.store import create_all
from paykit.testing.simulation.run import simulate

__all__ = ["fresh", "main"]


@contextmanager
def fresh(url: str) -> Iterator[Engine]:
    """Yield an engine on `url` with empty tables: SQLite in memory, or PostgreSQL."""
    if url.startswith("sqlite"):
        engine = create_engine(
            url, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        event.listen(engine, "connect", _quick)
    else:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    create_all(engine)
    try:
        yield engine
    finally:
        engine.dispose()


def _quick(connection: object, _: object) -> None:
    """Nothing here has to survive a power cut."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run seeds; non-zero if one of them breaks an invariant."""
    parser = argparse.ArgumentParser(prog="python -m paykit.testing.simulation")
    parser.add_argument("--seed", type=int, help="one seed, with its whole story")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument(
        "--database",
        default="sqlite://",
        help="SQLAlchemy URL; the public schema of a PostgreSQL is DROPPED",
    )
    parser.add_argument("--stop", action="store_true", help="at the first failure")
    args = parser.parse_args(argv)
    if args.seed is not None:
        with fresh(args.database) as engine:
            story = simulate(engine, args.seed)
        print(story)
        return 1 if story.violations else 0
    return _many(args)


def _many(args: argparse.Namespace) -> int:
    scenarios: Counter[str] = Counter()
    failed = []
    for seed in range(args.start, args.start + args.seeds):
        with fresh(args.database) as engine:
            story = simulate(engine, seed)
        scenarios[story.scenario] += 1
        if story.violations:
            failed.append(seed)
            print(f"seed {seed} ({story.scenario}):", *story.violations, sep="\n  ")
            print(f"  repeat: python -m paykit.testing.simulation --seed {seed}")
            if args.stop:
                break
    print(f"{sum(scenarios.values())} seeds, {len(failed)} failed; {dict(scenarios)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
