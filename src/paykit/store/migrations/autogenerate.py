"""What keeps a host's ``alembic revision --autogenerate`` away from our tables."""

from __future__ import annotations

from typing import Final

__all__ = ["include_name"]

_PREFIX: Final = "paykit_"


def include_name(name: str | None, type_: str, parent_names: object) -> bool:
    """
    Return whether autogenerate may look at what is called `name`; for ``env.py``.

    Give it to ``context.configure(include_name=...)``, or call it from a filter of
    your own. Without it autogenerate finds tables that the host's metadata does not
    have, and drops them: every payment with them.
    """
    return type_ != "table" or name is None or not name.startswith(_PREFIX)
