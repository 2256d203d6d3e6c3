"""
What runs against Stripe itself, in test mode.

Only with ``STRIPE_SECRET_KEY=sk_test_...`` in the environment; without it these modules
are not even collected, because a test that can never run here proves nothing here. With
``PAYKIT_TEST_STRIPE_URL`` they go to another server, such as ``paykit stripe-server``.
"""

from __future__ import annotations

import os

KEY = os.environ.get("STRIPE_SECRET_KEY", "")
collect_ignore_glob = [] if KEY.startswith(("sk_test_", "rk_test_")) else ["test_*.py"]
