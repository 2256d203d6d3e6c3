"""
Search, in Stripe's query language: ``metadata['order']:'7' AND status:'succeeded'``.

Its index is behind what has happened (`Shared.search_lag`): an object that changed
within the lag is found as it was before, and a new one not at all. So a search that
finds nothing proves nothing yet. Source: https://docs.stripe.com/search.
"""

from __future__ import annotations

import operator
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from paykit.testing.simulated.errors import ProviderError, invalid
from paykit.testing.simulated.objects import Json, SimCharge, SimIntent
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = ["search_charges", "search_payments"]

_MOST_CLAUSES: Final = 10
_CLAUSE: Final = re.compile(
    r"""(?P<not>-)?
        (?P<field>[a-z_]+)
        (?:\[ (?P<q>["'])(?P<key>[^"']+)(?P=q) \])?
        \s*(?P<operator>>=|<=|[:~<>])\s*
        (?:"(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^'\\]|\\.)*)'
           | (?P<word>-?[0-9]+|null|true|false))""",
    re.VERBOSE,
)
_BETWEEN: Final = re.compile(r"\s+(?:(?P<word>AND|OR)\s+)?", re.IGNORECASE)

_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    ":": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NUMBERS: Final = ("amount", "created")
_PAYMENT_FIELDS: Final = (*_NUMBERS, "currency", "customer", "metadata", "status")
_CHARGE_FIELDS: Final = (*_PAYMENT_FIELDS, "disputed", "refunded")


@dataclass(frozen=True, slots=True)
class _Clause:
    """One condition of a query."""

    field: str
    key: str | None
    """Which metadata it is about."""
    operator: str
    value: str | None
    """None asks whether there is no value at all."""
    negated: bool

    def matches(self, body: Json) -> bool:
        """Whether `body`, as the index has it, fulfils the condition."""
        return self._holds(self._found(body)) is not self.negated

    def _found(self, body: Json) -> object:
        if self.key is None:
            return body.get(self.field)
        metadata = body.get(self.field)
        return metadata.get(self.key) if isinstance(metadata, dict) else None

    def _holds(self, found: object) -> bool:
        if self.value is None or found is None:
            return self.value is None and found is None
        if isinstance(found, int) and not isinstance(found, bool):
            return _COMPARISONS[self.operator](found, int(self.value))
        text, value = str(found).casefold(), self.value.casefold()
        return value in text if self.operator == "~" else text == value


def search_payments(state: State, _target: str, params: Params) -> Json:
    """``GET /v1/payment_intents/search``."""
    url = "/v1/payment_intents/search"
    return _search(state, state.intents, params, _PAYMENT_FIELDS, url)


def search_charges(state: State, _target: str, params: Params) -> Json:
    """``GET /v1/charges/search``."""
    return _search(state, state.charges, params, _CHARGE_FIELDS, "/v1/charges/search")


def _search(
    state: State,
    table: Mapping[str, SimIntent | SimCharge],
    params: Params,
    fields: tuple[str, ...],
    url: str,
) -> Json:
    """Return one page of what matches, newest first."""
    clauses, every = _parsed(params.text("query") or "", fields)
    choose = all if every else any
    found = [
        body
        for body in _index(state, table)
        if choose(clause.matches(body) for clause in clauses)
    ][::-1]
    limit = 10 if params.number("limit") is None else params.number("limit") or 0
    if not 1 <= limit <= 100:
        message = "Invalid integer: limit is between 1 and 100"
        raise invalid(message, code=None, param="limit")
    start = _start(found, params.text("page"))
    page = found[start : start + limit]
    more = len(found) > start + limit
    return {
        "object": "search_result",
        "url": url,
        "has_more": more,
        "data": page,
        "next_page": _token(page[-1]) if more else None,
    }


def _index(state: State, table: Mapping[str, SimIntent | SimCharge]) -> Iterator[Json]:
    """Go through the objects as search knows them, oldest first."""
    horizon = state.now() - state.shared.search_lag
    fresh = {
        key for key, row in table.items() if (row.changed or row.created) > horizon
    }
    earlier: dict[str, Json] = {}
    for event in state.events().values() if fresh else ():
        reference = str(event.object.get("id"))
        if reference in fresh and event.created <= horizon:
            earlier[reference] = event.object
    for key, row in table.items():
        if key not in fresh:
            yield state.show(row)
        elif key in earlier:
            yield {**earlier[key]}


def _parsed(query: str, fields: tuple[str, ...]) -> tuple[list[_Clause], bool]:
    """Return the conditions, and whether all are to hold; raises if unreadable."""
    clauses: list[_Clause] = []
    words: set[str] = set()
    at = 0
    query = query.strip()
    while not clauses or at < len(query):
        if clauses:
            between = _BETWEEN.match(query, at)
            if between is None:
                raise _unreadable()
            words.add((between["word"] or "AND").upper())
            at = between.end()
        clause = _CLAUSE.match(query, at)
        if clause is None:
            raise _unreadable()
        clauses.append(_clause(clause, fields))
        at = clause.end()
    if len(words) > 1 or len(clauses) > _MOST_CLAUSES:
        raise _unreadable()
    return clauses, words != {"OR"}


def _clause(match: re.Match[str], fields: tuple[str, ...]) -> _Clause:
    field, key, word = match["field"], match["key"], match["word"]
    if field not in fields:
        message = f"Field `{field}` is an unsupported search field."
        raise invalid(message, code=None, param="query")
    quoted = match["double"] if match["single"] is None else match["single"]
    value = word if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    operation = match["operator"]
    numeric = field in _NUMBERS
    wrong = (
        (key is not None) is not (field == "metadata")
        or (numeric and operation == "~")
        or (numeric and not re.fullmatch(r"-?[0-9]{1,15}", value or ""))
        or (not numeric and operation not in (":", "~"))
    )
    if wrong:
        raise _unreadable()
    absent = quoted is None and value == "null"
    return _Clause(
        field, key, operation, None if absent else value, match["not"] is not None
    )


def _unreadable() -> ProviderError:
    return invalid(
        "We were unable to parse your search query. Try using the format "
        '`metadata["key"]:"value"` to query for metadata or key:"value" to query for '
        "other fields.",
        code=None,
        param="query",
    )


def _token(last: Json) -> str:
    """Return what asks for the page after the object `last`; opaque, as at Stripe."""
    return urlsafe_b64encode(str(last["id"]).encode()).decode()


def _start(found: list[Json], token: str | None) -> int:
    """Return where the page begins that `token` asks for."""
    if token is None:
        return 0
    try:
        last = urlsafe_b64decode(token).decode()
    except ValueError:
        last = ""
    for position, body in enumerate(found):
        if body["id"] == last:
            return position + 1
    raise invalid("Invalid page token.", code=None, param="page")
