"""``python -m paykit.testing.demo``."""

from __future__ import annotations

import sys

from paykit.testing.demo import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
