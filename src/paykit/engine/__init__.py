"""How anything runs: operations, the engine, and who performs its effects."""

from paykit.engine.asking import ask
from paykit.engine.bindings import PspDirectory, SinglePsp
from paykit.engine.breaker import BreakerPolicy
from paykit.engine.clocks import ClockPolicy, Expiry
from paykit.engine.drivers import Driver, inside_transaction
from paykit.engine.effects import (
    Ask,
    Commit,
    Deliver,
    Effect,
    Flow,
    Publish,
    Sleep,
    commit,
    deliver,
    publish,
    sleep,
)
from paykit.engine.engine import Engine
from paykit.engine.handlers import Handler, Handlers
from paykit.engine.keys import derived_id
from paykit.engine.limiter import Priority
from paykit.engine.operation import (
    Context,
    Done,
    Evidence,
    Failed,
    Goto,
    Leg,
    Operation,
    RecoveryPoint,
    Step,
)
from paykit.engine.policy import Policy
from paykit.engine.stand import Ended, Environment, Standing, Waiting
from paykit.engine.watching import WatchPolicy

__all__ = [
    "Ask",
    "BreakerPolicy",
    "ClockPolicy",
    "Commit",
    "Context",
    "Deliver",
    "Done",
    "Driver",
    "Effect",
    "Ended",
    "Engine",
    "Environment",
    "Evidence",
    "Expiry",
    "Failed",
    "Flow",
    "Goto",
    "Handler",
    "Handlers",
    "Leg",
    "Operation",
    "Policy",
    "Priority",
    "PspDirectory",
    "Publish",
    "RecoveryPoint",
    "SinglePsp",
    "Sleep",
    "Standing",
    "Step",
    "Waiting",
    "WatchPolicy",
    "ask",
    "commit",
    "deliver",
    "derived_id",
    "inside_transaction",
    "publish",
    "sleep",
]
