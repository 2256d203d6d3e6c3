"""
Recovery points and their states are a file format (DESIGN section 4).

Each file here is a state as some release wrote it, and decodes for ever. A changed
shape needs a new file beside the old one; files are never edited or removed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paykit.operations import OPERATIONS
from paykit.psp.codec import decode_answer, encode_answer

HERE = Path(__file__).parent
STATES = sorted((HERE / "states").glob("*.json"))
ANSWERS = sorted((HERE / "answers").glob("*.json"))

POINTS = [
    (operation.name, leg.at.name)
    for operation in OPERATIONS.values()
    for leg in operation.legs
]


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_a_state_decodes_for_ever(path: Path) -> None:
    golden = json.loads(path.read_text())
    leg = OPERATIONS[golden["operation"]].leg(golden["recovery_point"])
    state = leg.at.knows.model_validate(golden["state"])
    assert state.model_dump(mode="json", exclude_unset=True) == golden["state"]
    assert leg.ask(state).verb == golden["asks"]


def test_every_recovery_point_has_a_golden_state() -> None:
    found = [json.loads(path.read_text()) for path in STATES]
    assert {(g["operation"], g["recovery_point"]) for g in found} == set(POINTS)


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_a_stored_answer_decodes_for_ever(path: Path) -> None:
    golden = json.loads(path.read_text())
    answer = decode_answer(golden["kind"], golden["body"])
    kind, body = encode_answer(answer)
    assert kind == golden["kind"]
    assert _without_new_fields(body, golden["body"]) == golden["body"]


def _without_new_fields(now: object, then: object) -> object:
    """Return `now` without what the release that wrote `then` did not know yet."""
    if not isinstance(now, dict) or not isinstance(then, dict):
        return now
    return {
        name: _without_new_fields(value, then[name])
        for name, value in now.items()
        if name in then
    }


def test_every_kind_of_answer_has_a_golden_file() -> None:
    from typing import get_args

    from paykit.psp import Answer

    kinds = {json.loads(path.read_text())["kind"] for path in ANSWERS}
    assert kinds == {kind.__name__ for kind in get_args(Answer)}
