"""
How fast are the hot paths, as a ratio to the raw driver?

``python benchmarks/run.py [--postgres URL] [--items N] [--rounds N] [--only NAME]
[--json FILE] [--plot FILE]``

Each path runs N items through paykit. The SQL that it sent, with its parameters and its
commits, is recorded once and then replayed by the raw driver on a fresh database, so
that both do the same work with the same durability. The two take turns; the ratio is
that of the medians. Rates depend on the machine and on who else uses it; ratios less.
``docs/explanation/speed.md`` says what the paths are and what limits them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import concurrency
import databases
import http_receipt
import importing
from measuring import Result, fsync_ms, measure
from report import plot, table
from shops import PATHS

__all__ = ["main"]


def _measured(args: argparse.Namespace, kind: str, opened: Any) -> Iterator[Result]:
    by_name = {path.name: path for path in PATHS}
    for path in PATHS:
        if _wanted(args, path.name):
            beside = by_name[path.beside or path.name]
            yield measure(kind, opened, path, beside, args.items, args.rounds)
    for crowd in concurrency.CROWDS:
        if _wanted(args, crowd.name) and (crowd.on_sqlite or kind != "sqlite"):
            yield concurrency.measure(kind, opened, crowd, args.items, args.rounds)
    if _wanted(args, "http"):
        yield http_receipt.measure(kind, opened, args.items, args.rounds)


def _wanted(args: argparse.Namespace, name: str) -> bool:
    return args.only is None or name.startswith(args.only)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--postgres", help="SQLAlchemy URL of a server to create on")
    parser.add_argument("--items", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", help="measure only paths that start so")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="needs the dependency group bench")
    return parser.parse_args()


def main() -> int:
    """Measure every path on every database that can be had."""
    args = _arguments()
    results: list[Result] = []
    with ExitStack() as stack:
        opened = {"sqlite": stack.enter_context(databases.sqlite())}
        if args.postgres:
            on_server = databases.postgres(args.postgres)
            opened["postgresql"] = stack.enter_context(on_server)
        for kind, opener in opened.items():
            for result in _measured(args, kind, opener):
                results.append(result)
                sys.stderr.write(f"{result.path} on {kind}: {result.ratio:.2f}\n")
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "fsync_ms": fsync_ms(),
        "import_ratio": importing.ratio(args.rounds) if args.only is None else None,
    }
    sys.stdout.write(table(results, about) + "\n")
    if args.json:
        rows = {"about": about, "results": [asdict(result) for result in results]}
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if args.plot:
        plot(results, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
