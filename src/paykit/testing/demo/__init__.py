"""
``paykit demo``: the main job, for a person to watch and a machine to check.

Real calls of the Stripe SDK over real HTTP, on a SQLite file, with a worker: payments
that succeed, are declined, challenged, captured in part and refunded; and two
accidents, a read timeout after the charge went through and a process that is killed
between charge and commit, both healed. It ends with an error if the books do not
balance, or if anybody was charged twice.

Without keys it brings its own Stripe. With ``STRIPE_SECRET_KEY=sk_test_...`` it runs
against Stripe's test mode, where nobody can answer the 3-D Secure challenge, and where
events are read and not received.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from paykit.testing.demo.acts import ACTS
from paykit.testing.demo.shop import Timeline
from paykit.testing.demo.stage import child, stage
from paykit.testing.demo.verdict import (
    as_document,
    problems,
    show_history,
    show_ledger,
)

__all__ = ["main"]


def _run(folder: Path, timeline: Timeline) -> int:
    with stage(folder, timeline) as demo:
        timeline.tell(f"the shop's database is {demo.path.name}, SQLite")
        shown = [payment for act in ACTS for payment in act(demo)]
        demo.settle()
        for payment in shown:
            demo.service.refresh_payment(payment.id)
        demo.settle()
        found = problems(demo, shown)
        show_history(demo, shown[0])
        show_ledger(demo)
        timeline.note("")
        for text in found:
            timeline.note(f"  WRONG: {text}")
        if not found:
            timeline.note("  Everybody was charged once, and the books balance.")
        if timeline.quiet:
            document = as_document(demo, shown, found)
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
        demo.database.dispose()
    return 1 if found else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if every invariant holds, 1 if one is off."""
    parser = argparse.ArgumentParser(
        prog="paykit demo", description=(__doc__ or "").strip().splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        child()
        return 0
    with tempfile.TemporaryDirectory(prefix="paykit-demo-") as folder:
        return _run(Path(folder), Timeline(quiet=args.json))
