"""Asking a PSP: the one way in which anything of paykit speaks to a provider."""

from __future__ import annotations

from paykit.engine.effects import Ask, Flow
from paykit.engine.stand import Environment
from paykit.psp import Answer, Call

__all__ = ["ask"]


def ask(env: Environment, binding: str, call: Call) -> Flow[Answer]:
    """Send `call` to the PSP behind `binding`, and return what was heard."""
    answer: Answer = yield Ask(binding, call)
    return answer
