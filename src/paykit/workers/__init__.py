"""Who works in the background: one duty a file, and the loop around them."""

from __future__ import annotations

from paykit.workers.duties import run_duty, run_duty_async
from paykit.workers.progress import DutyReport, WorkerReport, WorkReport
from paykit.workers.worker import AsyncWorker, Worker

__all__ = [
    "AsyncWorker",
    "DutyReport",
    "WorkReport",
    "Worker",
    "WorkerReport",
    "run_duty",
    "run_duty_async",
]
