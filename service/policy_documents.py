"""A policy as a document: JSON in the database, YAML in a file. Its schema are the classes of
service/domain/policy.py themselves; what they do not know is refused.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

from service.domain.errors import FieldViolation
from service.domain.fees import FeeRule
from service.domain.policy import ApprovalLimits, CurrencyRules, Limits, Periods, Policy
from service.domain.policy_lint import lint

for _part in (Policy, CurrencyRules, Limits, FeeRule, Periods, ApprovalLimits):
    # An integer is an integer: no text, no fraction, no boolean.
    with_config(ConfigDict(strict=True, extra="forbid"))(_part)
_SCHEMA: TypeAdapter[Policy] = TypeAdapter(Policy)
_UNKNOWN = "is not known"
Place = Sequence[int | str]
# What stands for what cannot be read and has no default, while the rest is looked at. What the
# linter says because of them is not told (_depends).
_LIMITS = {"least_minor": 0, "most_minor": 10**12}
_STAND_INS: Mapping[str, Any] = {
    "payment_limits": _LIMITS,
    "payer_fee": {"basis_points": 0},
    "payee_fee": {"basis_points": 0},
}


class NotAPolicy(ValueError):
    """The document does not fit the schema; every place where it does not is a violation. The
    ``places`` are the steps to them; None where it is nothing that JSON can say.
    """

    def __init__(
        self, violations: Sequence[FieldViolation], places: Sequence[Place] | None = None
    ) -> None:
        self.violations = violations
        self.places = places
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))


def read_policy(document: object) -> Policy:
    """The policy that a document describes. Whether it makes sense is for lint() to say.

    Raises:
        NotAPolicy.
    """
    try:
        return _SCHEMA.validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        found = error.errors()
        places = [each["loc"] for each in found]
        raise NotAPolicy([_violation(each) for each in found], places) from None
    except (TypeError, ValueError, RecursionError) as error:  # nothing that JSON can say
        raise NotAPolicy([FieldViolation("document", str(error))]) from None


def problems_of(document: object) -> list[FieldViolation]:
    """All that is wrong with a document in one round: where it does not fit the schema, and what
    the linter says of the rest.
    """
    try:
        return lint(read_policy(document))
    except NotAPolicy as error:
        found, places = [*error.violations], error.places
    if not isinstance(document, Mapping) or places is None or not all(places):
        return found
    rest = json.loads(json.dumps(document, default=str))
    for place in places:
        _take_out(rest, place)
    unread = {each.field for each in found if not each.description.startswith(_UNKNOWN)}
    return found + [each for each in lint(read_policy(rest)) if not _depends(each.field, unread)]


def _take_out(document: Any, place: Place) -> None:  # noqa: ANN401
    """Leaves out what cannot be read, so that its default stands, or puts something readable there.
    What is above it may be gone already.
    """
    *above, name = place
    for step in above:
        document = document.get(step, {})
    document.pop(name, None)
    match tuple(place):
        case ["currencies"]:
            document[name] = {}
        case ["currencies", _, part] if part in _STAND_INS:
            document[name] = dict(_STAND_INS[str(part)])
        case ["currencies", _, "payment_limits" | "payout_limits", part] if part in _LIMITS:
            document[name] = _LIMITS[str(part)]
        case ["currencies", _, "payer_fee" | "payee_fee", "basis_points"]:
            document[name] = 0


def _depends(path: str, unread: set[str]) -> bool:
    """Whether a violation is of what could not be read, or of that and others together."""
    if path in unread:
        return True
    match path.split("."):
        case ["currencies"]:
            return any(each.startswith("currencies") for each in unread)
        case ["currencies", currency, _]:
            return any(each.startswith(f"currencies.{currency}.") for each in unread)
        case [*above, _]:
            return ".".join(above) in unread
    return False


def write_policy(policy: Policy) -> dict[str, Any]:
    """The document of a policy, without what is as it would be anyway."""
    return typing.cast(dict[str, Any], _written(policy))


def left_out(policy: Policy) -> dict[str, Any]:
    """What the document of a policy does not say because it is as it would be anyway, as a document
    of its own. Nothing of currencies and approvals.
    """
    document: dict[str, Any] = {}
    for each in fields(policy):
        value = getattr(policy, each.name)
        if isinstance(value, Periods):
            hours = {part.name: getattr(value, part.name) for part in fields(value)}
            document[each.name] = {k: v for k, v in hours.items() if v == getattr(Periods(), k)}
        elif isinstance(value, StrEnum) and value == each.default:
            document[each.name] = value.value
    return {name: value for name, value in document.items() if value}


def write_whole(policy: Policy) -> dict[str, Any]:
    """The document of a policy with all that holds by default, None for no bound and no limit."""
    document = typing.cast(dict[str, Any], _written(policy, whole=True))
    for rules in document["currencies"].values():
        rules["payout_limits"] = rules["payout_limits"] or rules["payment_limits"]
    return document


def _written(value: object, *, whole: bool = False) -> object:
    if is_dataclass(value):
        return {
            each.name: _written(getattr(value, each.name), whole=whole)
            for each in fields(value)
            if whole or getattr(value, each.name) != _default(each)
        }
    if isinstance(value, Mapping):
        return {key: _written(each, whole=whole) for key, each in value.items()}
    return value.value if isinstance(value, StrEnum) else value


def _default(each: Field[Any]) -> object:
    return each.default if each.default_factory is MISSING else each.default_factory()


def _violation(error: ErrorDetails) -> FieldViolation:
    path = ".".join(str(step) for step in error["loc"])
    if error["type"] == "unexpected_keyword_argument":
        return FieldViolation(path, f"{_UNKNOWN}; known are {_known_in(error['loc'][:-1])}")
    if error["type"] == "missing":
        of_fee = ", for instance {basis_points: 0} for none" if path.endswith("_fee") else ""
        return FieldViolation(path, f"is required{of_fee}")
    if error["type"] == "dataclass_type":
        return FieldViolation(path or "the document", f"must have {_known_in(error['loc'])}")
    problem = error["msg"].replace("Input should be", "must be")
    return FieldViolation(path, f"{problem}, not {json.dumps(error['input'])[:40]}")


def _known_in(place: Sequence[int | str]) -> str:
    """The names of what may stand at a place of the document."""
    kind: Any = Policy
    for step in place:
        is_mapping = typing.get_origin(kind) is Mapping
        hint = typing.get_args(kind)[1] if is_mapping else typing.get_type_hints(kind)[str(step)]
        options = [each for each in typing.get_args(hint) if is_dataclass(each)]
        kind = options[0] if options and typing.get_origin(hint) is not Mapping else hint
    return ", ".join(each.name for each in fields(kind))
