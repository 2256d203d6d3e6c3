"""
How the tables get from one version to the next, on all of three ways.

* ``paykit migrate`` in a deploy; `migrate` is the same from Python.
* A host that has Alembic calls `upgrade` in a revision of its own and gives
  `include_name` to its ``env.py``, or autogenerate drops our tables::

      def upgrade() -> None:
          paykit.store.migrations.upgrade(op, from_=0, to=1)

* ``paykit migrate --sql`` prints what somebody else is to run; so does `sql`.

Importing this does not import Alembic; `migrate` and `sql` do.
"""

from __future__ import annotations

from paykit.store.migrations.autogenerate import include_name
from paykit.store.migrations.run import check, migrate, sql
from paykit.store.migrations.steps import Op, upgrade
from paykit.store.version import LATEST

__all__ = ["LATEST", "Op", "check", "include_name", "migrate", "sql", "upgrade"]
