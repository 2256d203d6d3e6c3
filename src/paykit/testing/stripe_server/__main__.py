"""
The local Stripe as a process: ``python -m paykit.testing.stripe_server``.

It prints its URL on one line and serves until it is told to end (SIGINT or SIGTERM).
What it knows is gone when it ends.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from paykit.clock import SYSTEM
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server.delivery import Disorder
from paykit.testing.stripe_server.server import StripeServer

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    options = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with _server(options) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        ended.wait()


def _server(options: argparse.Namespace) -> StripeServer:
    disorder = None
    if options.seed is not None:
        disorder = Disorder(
            seed=options.seed, duplicate=options.duplicate, drop=options.drop
        )
    return StripeServer(
        SimulatedProvider(SYSTEM),
        host=options.host,
        port=options.port,
        webhook_url=options.webhook_url,
        webhook_secret=options.webhook_secret,
        disorder=disorder,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paykit.testing.stripe_server", description=__doc__
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--webhook-url", help="where events are delivered")
    parser.add_argument("--webhook-secret", default="whsec_test")
    parser.add_argument(
        "--seed", type=int, help="deliver webhooks in an order that this number decides"
    )
    parser.add_argument("--duplicate", type=float, default=0.0, metavar="RATE")
    parser.add_argument("--drop", type=float, default=0.0, metavar="RATE")
    return parser


if __name__ == "__main__":
    main()
