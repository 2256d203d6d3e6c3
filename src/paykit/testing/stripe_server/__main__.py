"""
The local Stripe as a process: ``paykit stripe-server``.

It prints its URL on one line and serves until it is told to end (SIGINT or SIGTERM).
With --state, what it knows is in that file before it is answered, and a server that is
started with it goes on from there, also after a SIGKILL.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from paykit.testing.simulated.limits import read_limits
from paykit.testing.stripe_server.delivery import Disorder
from paykit.testing.stripe_server.server import StripeServer

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; 1 if the port or the state cannot be had."""
    options = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = _server(options)
        server.start()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"paykit stripe-server: {error}\n")
        return 1
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    ended.wait()
    server.close()
    return 0


def _server(options: argparse.Namespace) -> StripeServer:
    return StripeServer(
        host=options.host,
        port=options.port,
        webhook_url=options.webhook_url,
        webhook_secret=options.webhook_secret,
        disorder=_disorder(options),
        state=options.state,
        limits=options.limits,
    )


def _disorder(options: argparse.Namespace) -> Disorder | None:
    """Return what becomes of webhooks; they are only shuffled if a seed is given."""
    if not any((options.seed is not None, *_chances(options))):
        return None
    duplicate, drop, delay = _chances(options)
    return Disorder(
        seed=options.seed or 0,
        shuffle=options.seed is not None,
        duplicate=duplicate,
        drop=drop,
        delay_seconds=delay,
    )


def _chances(options: argparse.Namespace) -> tuple[float, float, float]:
    return options.duplicate, options.drop, options.delay


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="paykit stripe-server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep everything there"
    )
    parser.add_argument("--webhook-url", help="where all events are delivered")
    parser.add_argument("--webhook-secret", default="whsec_test")
    parser.add_argument(
        "--seed", type=int, help="deliver webhooks in an order that this number decides"
    )
    parser.add_argument("--duplicate", type=float, default=0.0, metavar="RATE")
    parser.add_argument("--drop", type=float, default=0.0, metavar="RATE")
    parser.add_argument(
        "--delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="hold every webhook back for a while, up to so long",
    )
    parser.add_argument(
        "--limits",
        "--rate-limit",
        type=read_limits,
        metavar="live|test|TOTAL/ENDPOINT",
        help="requests per second; 429 above that",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
