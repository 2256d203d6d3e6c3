"""Who works in the background: one duty a file, and the loop around them."""

from __future__ import annotations

from paykit.workers.worker import AsyncWorker, Worker, WorkReport

__all__ = ["AsyncWorker", "WorkReport", "Worker"]
