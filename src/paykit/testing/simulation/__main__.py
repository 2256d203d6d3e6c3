"""Seeds from the command line: ``python -m paykit.testing.simulation --seeds 9``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from paykit.testing.simulation.run import all_triples
from paykit.testing.simulation.seeds import Failure, Outcome, run_seed, run_seeds

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run seeds; non-zero if one of them breaks an invariant."""
    args = _parser().parse_args(argv)
    if args.seed is not None:
        story = run_seed(args.database, args.seed)
        print(story)
        return 1 if story.violations else 0
    return _many(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m paykit.testing.simulation")
    parser.add_argument("--seed", type=int, help="one seed, with its whole story")
    parser.add_argument("--seeds", type=int, default=100, help="how many; 100")
    parser.add_argument("--start", type=int, default=0, help="the first one; 0")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 1")
    parser.add_argument(
        "--database",
        default="sqlite://",
        help="SQLAlchemy URL of a server; a database of our own is made there",
    )
    parser.add_argument("--stop", action="store_true", help="at the first failure")
    parser.add_argument(
        "--triples",
        action="store_true",
        help="list what was not reached, and end with an error if there is any",
    )
    return parser


def _many(args: argparse.Namespace) -> int:
    triples = all_triples()  # before the run: the source may change meanwhile
    began, total = time.monotonic(), Outcome()
    seeds = range(args.start, args.start + args.seeds)
    outcomes = run_seeds(args.database, seeds, jobs=args.jobs, stop=args.stop)
    for outcome in outcomes:
        total.join(outcome)
        for failure in outcome.failures:
            print(_told(failure, args.database), flush=True)
    count = total.scenarios.total()
    rate = count / (time.monotonic() - began)
    print(f"{count} seeds, {len(total.failures)} failed; {rate:.1f} a second")
    print(", ".join(f"{name} {n}" for name, n in sorted(total.scenarios.items())))
    missing = [one for one in triples if one not in total.met]
    last = max(total.met.values(), default=args.start)
    reached = f"{len(triples) - len(missing)} of {len(triples)} triples"
    print(f"reached {reached}, the last one with seed {last}")
    for triple in missing if args.triples else ():
        print(f"  not reached: {triple}")
    return 1 if total.failures or (missing and args.triples) else 0


def _told(failure: Failure, database: str) -> str:
    where = "" if database.startswith("sqlite") else " --database URL"
    repeat = f"python -m paykit.testing.simulation --seed {failure.seed}{where}"
    return "\n  ".join(
        [
            f"seed {failure.seed} ({failure.scenario}):",
            *failure.violations,
            f"repeat: {repeat}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
