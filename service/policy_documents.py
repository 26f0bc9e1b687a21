"""A policy as a document: JSON in the database, YAML in a file. Its schema are the classes of
service/domain/policy.py themselves; what they do not know is refused.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

from service.domain.errors import FieldViolation
from service.domain.fees import FeeRule
from service.domain.policy import CurrencyRules, Limits, Policy

for _part in (Policy, CurrencyRules, Limits, FeeRule):
    # An integer is an integer: no text, no fraction, no boolean.
    with_config(ConfigDict(strict=True, extra="forbid"))(_part)
_SCHEMA: TypeAdapter[Policy] = TypeAdapter(Policy)


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


def write_policy(policy: Policy) -> dict[str, Any]:
    """The document of a policy, without what is as it would be anyway."""
    return typing.cast(dict[str, Any], _written(policy))


def _written(value: object) -> object:
    if is_dataclass(value):
        return {
            each.name: _written(getattr(value, each.name))
            for each in fields(value)
            if each.default is MISSING or getattr(value, each.name) != each.default
        }
    if isinstance(value, Mapping):
        return {key: _written(each) for key, each in value.items()}
    return value.value if isinstance(value, StrEnum) else value


def _violation(error: ErrorDetails) -> FieldViolation:
    path = ".".join(str(step) for step in error["loc"])
    if error["type"] == "unexpected_keyword_argument":
        return FieldViolation(path, f"is not known; known are {_known_in(error['loc'][:-1])}")
    if error["type"] == "missing":
        return FieldViolation(path, "is required")
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
