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
# What stands for a part that cannot be read, while the others are looked at.
_STAND_INS: Mapping[str, object] = {
    "payment_limits": {"least_minor": 0, "most_minor": 10**12},
    "payout_limits": None,
    "payer_fee": {"basis_points": 0},
    "payee_fee": {"basis_points": 0},
}


class NotAPolicy(ValueError):
    """The document does not fit the schema; every place where it does not is a violation."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))


def read_policy(document: object) -> Policy:
    """The policy that a document describes. Whether it makes sense is for lint() to say.

    Raises:
        NotAPolicy.
    """
    try:
        return _SCHEMA.validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise NotAPolicy([_violation(each) for each in error.errors()]) from None
    except (TypeError, ValueError, RecursionError) as error:  # nothing that JSON can say
        raise NotAPolicy([FieldViolation("document", str(error))]) from None


def problems_of(document: object) -> list[FieldViolation]:
    """All that is wrong with a document in one round: where it does not fit the schema, and what
    the linter says of the rest.
    """
    try:
        return lint(read_policy(document))
    except NotAPolicy as error:
        found = list(error.violations)
    unread: set[str] = set()
    try:
        rest = json.loads(json.dumps(document, default=str))
        for violation in found:
            unread |= _stand_in(rest, violation)
        linted = lint(read_policy(rest))
    except (NotAPolicy, TypeError, ValueError, RecursionError, KeyError):  # a dot in a name, say
        return found
    return found + [each for each in linted if not _depends(each.field, unread)]


def _stand_in(document: Any, violation: FieldViolation) -> set[str]:  # noqa: ANN401
    """Puts something readable in place of what is wrong; the parts that cannot be linted then."""
    *above, name = violation.field.split(".")
    if violation.description.startswith(_UNKNOWN):
        for step in above:
            document = document[step]
        del document[name]
        return set()
    match violation.field.split("."):
        case ["currencies", currency, part, *_]:
            rules = document["currencies"][currency]
            rules[part] = _STAND_INS[part]
            inherits = part == "payment_limits" and not rules.get("payout_limits")
            below = f"currencies.{currency}"
            return {f"{below}.{part}", *([f"{below}.payout_limits"] if inherits else [])}
        case ["currencies", currency]:
            del document["currencies"][currency]
        case [
            "stripe_fee_bearer"
            | "periods"
            | "unanswered_cancellation"
            | "favorable_amendment"
            | "lost_chargeback"
            | "dispute_fee"
            | "unanswered_dispute"
            | "undecided_dispute"
            | "approvals" as part,
            *_,
        ]:
            del document[part]
    return set()


def _depends(path: str, unread: set[str]) -> bool:
    """Whether a violation is of a part that could not be read, or of it and others together."""
    match path.split("."):
        case ["currencies", currency, part]:
            return any(each.startswith(f"currencies.{currency}.") for each in unread)
        case ["currencies", currency, part, *_]:
            return f"currencies.{currency}.{part}" in unread
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


def _written(value: object) -> object:
    if is_dataclass(value):
        return {
            each.name: _written(getattr(value, each.name))
            for each in fields(value)
            if getattr(value, each.name) != _default(each)
        }
    if isinstance(value, Mapping):
        return {key: _written(each) for key, each in value.items()}
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
