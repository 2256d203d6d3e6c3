"""``python -m tests.storm --payments 500``: everything breaks, and nothing is lost."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from tests.clusters import NoBinaries
from tests.storm.run import Plan, storm

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one storm and print what is left of it; 1 if anything is wrong."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--payments", type=int, default=usual.payments)
    parser.add_argument("--restarts", type=int, default=usual.restarts)
    parser.add_argument("--seed", type=int, default=usual.seed)
    options = parser.parse_args(arguments)
    # So that the cluster and the processes are not left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = Plan(payments=options.payments, restarts=options.restarts, seed=options.seed)
    try:
        verdict = storm(plan)
    except NoBinaries as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{verdict}\n")
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
