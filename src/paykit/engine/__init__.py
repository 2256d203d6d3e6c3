"""How anything runs: operations, the engine, and who performs its effects."""

from paykit.engine.asking import ask
from paykit.engine.bindings import PspDirectory, SinglePsp
from paykit.engine.drivers import Driver, inside_transaction
from paykit.engine.effects import (
    Ask,
    Commit,
    Deliver,
    Effect,
    Flow,
    Sleep,
    commit,
    deliver,
    sleep,
)
from paykit.engine.engine import Engine
from paykit.engine.handlers import Handler, Handlers
from paykit.engine.keys import derived_id
from paykit.engine.operation import (
    Context,
    Done,
    Failed,
    Goto,
    Leg,
    Operation,
    RecoveryPoint,
    Step,
)
from paykit.engine.policy import Policy
from paykit.engine.stand import Ended, Environment, Standing, Waiting

__all__ = [
    "Ask",
    "Commit",
    "Context",
    "Deliver",
    "Done",
    "Driver",
    "Effect",
    "Ended",
    "Engine",
    "Environment",
    "Failed",
    "Flow",
    "Goto",
    "Handler",
    "Handlers",
    "Leg",
    "Operation",
    "Policy",
    "PspDirectory",
    "RecoveryPoint",
    "SinglePsp",
    "Sleep",
    "Standing",
    "Step",
    "Waiting",
    "ask",
    "commit",
    "deliver",
    "derived_id",
    "inside_transaction",
    "sleep",
]
