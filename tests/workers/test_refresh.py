"""The balance is looked at again, and only what the PSP shows uses up the schedule."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

import pytest

from paykit.testing.simulated import Fault
from paykit.workers import refresh
from paykit.workers.refresh import OUTAGE, SCHEDULE, refresh_next
from tests.failures.stories import die
from tests.support import Shop
