"""Where things are: tables, one open transaction, the ledger, migrations."""

from paykit.store.install import create_all
from paykit.store.tx import Tx

__all__ = ["Tx", "create_all"]
