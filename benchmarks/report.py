"""The results as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring import Result

__all__ = ["plot", "table"]


def _down(value: float) -> str:
    """Write a ratio with two digits, never rounded up."""
    return f"{int(value * 100) / 100:.2f}"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def table(results: Sequence[Result], about: Mapping[str, object]) -> str:
    """Return one line for each result, and what they were measured on."""
    head = (
        f"{'path':24} {'database':11} {'ratio':>6} {'per s':>7} {'raw':>7} "
        f"{'CPU ms':>7} {'raw':>6} {'server':>7} {'stmts':>6} {'commits':>8}"
    )
    lines = [
        f"{r.path:24} {r.database:11} {_down(r.ratio):>6} {r.per_second:7.0f} "
        f"{r.raw_per_second:7.0f} {r.cpu_ms:7.2f} {r.raw_cpu_ms:6.2f} "
        f"{r.server_cpu_ms:7.2f} {_count(r.statements):>6} {_count(r.commits):>8}"
        for r in results
    ]
    return "\n".join([head, *lines, *(f"{name}: {about[name]}" for name in about)])


def plot(results: Sequence[Result], file: Path) -> None:
    """Draw the ratios as bars; needs matplotlib, from the dependency group bench."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [f"{r.path}, {r.database}" for r in results]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.3 * len(names)))
    axes.barh(names, [r.ratio for r in results])
    axes.axvline(1.0, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("ratio to the raw driver (1.0: as fast)")
    figure.tight_layout()
    figure.savefig(file)
