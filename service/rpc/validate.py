"""Validation of requests, as the contract declares it: compiled once, then a tree of closures.

What a field must look like stands in the .proto, in `google.api.field_behavior` and in
`escrow.v1.rules` (options.proto); this module only reads it. Where the contract says nothing:

- a string holds at most 200 characters, a repeated field or a map at most 100 entries, a map's key
  1 to 40 characters;
- no text holds a control character (prose, which is what may be longer than 200, may have line
  breaks and tabs) or what looks like a card number; map keys and values and URLs are texts, too;
- REQUIRED means: not the default, and not blank. Where an integer has a range, the range decides;
- an optional text (`optional string`) that is set is not blank;
- an enum has a value that the contract knows, a Timestamp is between the years 1970 and 9999;
- Money in a request is an amount to move: positive, in a known currency.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from escrow.v1.options_pb2 import Rules
from service.domain.errors import FieldViolation, InvalidField
from service.rpc import text
from service.rpc.contract import (
    MONEY,
    TIMESTAMP,
    ContractError,
    is_integer,
    is_required,
    map_entry,
    rules_of,
)

DEFAULT_MAX_LEN = 200
DEFAULT_MAX_ITEMS = 100
MAP_KEY_MAX_LEN = 40  # Stripe's limit for metadata keys
MONEY_MOST_MINOR = 100_000_000_000

_REQUIRED = "is required"
_ISSUED_BY_US = frozenset(("etag", "page_token"))  # AIP-154, AIP-158: opaque, compared, never kept

Validator = Callable[[Message], None]
_Violations = list[FieldViolation]
_Check = Callable[[Any, str, _Violations], None]  # a value, its path, and where complaints go
_Complaint = Callable[[Any], str | None]  # what is wrong with a value
_Compiled = dict[str, list[_Check]]  # field checks by message: a message may contain itself


@cache
def compile_validator(message: Descriptor) -> Validator:
    """Makes the check of one request type, which raises InvalidField with every violation.

    Raises:
        ContractError: a rule in the contract does not fit its field.
    """
    checks = _field_checks(message, {})

    def validate(request: Message) -> None:
        violations: _Violations = []
        for check in checks:
            check(request, "", violations)
        if violations:
            raise InvalidField(*violations)

    return validate


def _field_checks(message: Descriptor, compiled: _Compiled) -> list[_Check]:
    if message.full_name not in compiled:
        checks = compiled[message.full_name] = []
        checks.extend(_field_check(field, compiled) for field in message.fields)
    return compiled[message.full_name]


# --- one field of a message: is it there, and how often -----------------------------------------


def _field_check(field: FieldDescriptor, compiled: _Compiled) -> _Check:
    rules, required = rules_of(field), is_required(field)
    entry = map_entry(field)
    if entry is not None:
        return _map_check(field.name, entry, rules, required=required)
    check = _value_check(field, rules, compiled)
    if field.is_repeated:
        return _repeated_check(field.name, check, _count(rules, required=required))
    return _singular_check(field, check, rules, required=required)


def _singular_check(
    field: FieldDescriptor, check: _Check, rules: Rules, *, required: bool
) -> _Check:
    name, has_presence = field.name, field.has_presence
    has_range = rules.HasField("at_least") or rules.HasField("at_most")

    def check_singular(message: Message, path: str, violations: _Violations) -> None:
        value = getattr(message, name)
        is_set = message.HasField(name) if has_presence else value or has_range
        if required and isinstance(value, str) and value.isspace():
            is_set = False
        if has_presence and is_set and isinstance(value, str) and not value.strip():
            violations.append(FieldViolation(path + name, "must not be empty"))
        elif is_set:
            check(value, path + name, violations)
        elif required:
            violations.append(FieldViolation(path + name, _REQUIRED))

    return check_singular


def _repeated_check(name: str, check: _Check, count: _Complaint) -> _Check:
    def check_repeated(message: Message, path: str, violations: _Violations) -> None:
        items = getattr(message, name)
        complaint = count(items)
        if complaint:
            violations.append(FieldViolation(path + name, complaint))
            return
        for place, item in enumerate(items):
            check(item, f"{path}{name}[{place}]", violations)

    return check_repeated


def _map_check(name: str, entry: Descriptor, rules: Rules, *, required: bool) -> _Check:
    if {part.type for part in entry.fields} != {FieldDescriptor.TYPE_STRING}:
        raise ContractError(f"{entry.full_name}: only maps of strings to strings can be checked")
    count = _count(rules, required=required)
    key_complaint = _text_complaint("", Rules(max_len=MAP_KEY_MAX_LEN))
    value_complaint = _text_complaint("", rules)

    def check_map(message: Message, path: str, violations: _Violations) -> None:
        entries = getattr(message, name)
        complaint = count(entries)
        if complaint:
            violations.append(FieldViolation(path + name, complaint))
            return
        for key, value in entries.items():
            about_key = key_complaint(key) if key.strip() else "must not be empty"
            if about_key:
                violations.append(FieldViolation(path + name, f"a key {about_key}"))
            about_value = value_complaint(value)
            if about_value:  # a key that is wrong may be the very secret: it is not repeated
                place = name if about_key else f'{name}["{key}"]'
                violations.append(FieldViolation(path + place, about_value))

    return check_map


def _count(rules: Rules, *, required: bool) -> _Complaint:
    most = rules.max_items or DEFAULT_MAX_ITEMS

    def complaint(items: Sequence[object]) -> str | None:
        if len(items) > most:  # and none of them is looked at
            return f"must have at most {most} items"
        return _REQUIRED if required and not items else None

    return complaint


# --- one value, wherever it stands --------------------------------------------------------------


def _value_check(field: FieldDescriptor, rules: Rules, compiled: _Compiled) -> _Check:
    if field.message_type is None:
        return _leaf_check(_scalar_complaint(field, rules))
    if field.message_type.full_name == TIMESTAMP:
        return _leaf_check(_timestamp_complaint)
    if field.message_type.full_name == MONEY:
        return _money_check(rules)
    checks = _field_checks(field.message_type, compiled)

    def check_message(message: Message, path: str, violations: _Violations) -> None:
        for check in checks:
            check(message, path + ".", violations)

    return check_message


def _leaf_check(complaint_about: _Complaint) -> _Check:
    def check_leaf(value: object, path: str, violations: _Violations) -> None:
        complaint = complaint_about(value)
        if complaint:
            violations.append(FieldViolation(path, complaint))

    return check_leaf


def _money_check(rules: Rules) -> _Check:
    least = rules.at_least if rules.HasField("at_least") else 1
    most = rules.at_most if rules.HasField("at_most") else MONEY_MOST_MINOR
    check_amount = _leaf_check(_range_complaint(least, most))
    check_currency = _leaf_check(text.currency)

    def check_money(money: Any, path: str, violations: _Violations) -> None:  # noqa: ANN401 - any Money
        check_amount(money.amount_minor, path + ".amount_minor", violations)
        check_currency(money.currency, path + ".currency", violations)

    return check_money


def _scalar_complaint(field: FieldDescriptor, rules: Rules) -> _Complaint:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_complaint(field.name, rules)
    if field.type == FieldDescriptor.TYPE_BYTES and rules.max_len:
        most, complaint = rules.max_len, f"must have at most {rules.max_len:,} bytes"
        return lambda value: complaint if len(value) > most else None
    if field.enum_type is not None:
        known = frozenset(field.enum_type.values_by_number)
        names = ", ".join(value.name for value in field.enum_type.values if value.number)
        unknown = f"must be one of {names}"
        return lambda value: None if value in known else unknown
    if is_integer(field):
        least = rules.at_least if rules.HasField("at_least") else None
        most_or_none = rules.at_most if rules.HasField("at_most") else None
        return _range_complaint(least, most_or_none)
    return lambda _value: None  # a boolean, or bytes without a limit but the message's


def _range_complaint(least: int | None, most: int | None) -> _Complaint:
    def complaint(value: int) -> str | None:
        if least is not None and value < least:
            return f"must be at least {least}"
        if most is not None and value > most:
            return f"must be at most {most}"
        return None

    return complaint


_EARLIEST_S = 0  # 1970-01-01T00:00:00Z: nothing here is older
_LATEST_S = 253_402_300_799  # 9999-12-31T23:59:59Z


def _timestamp_complaint(time: Timestamp) -> str | None:
    if _EARLIEST_S <= time.seconds <= _LATEST_S and 0 <= time.nanos < 1_000_000_000:
        return None
    return "must be a time between the years 1970 and 9999"


def _text_complaint(name: str, rules: Rules) -> _Complaint:
    checks = _text_checks(name, rules)

    def complaint(value: str) -> str | None:
        for check in checks:
            found = check(value)
            if found:
                return found
        return None

    return checks[0] if len(checks) == 1 else complaint


def _text_checks(name: str, rules: Rules) -> Sequence[text.TextCheck]:
    exact = [
        check
        for applies, check in (
            (rules.uuid, text.uuid),
            (rules.id_prefix, text.id_of_kind(rules.id_prefix)),
            (rules.currency, text.currency),
            (rules.country, text.country),
            (rules.traceparent, text.traceparent),
        )
        if applies
    ]
    if exact:
        return exact  # the whole text is known; there is nothing else that it could hold
    max_len = rules.max_len or DEFAULT_MAX_LEN
    is_prose = max_len > DEFAULT_MAX_LEN and not rules.url
    checks = [
        text.at_most_characters(max_len),
        text.no_control_characters_in_prose if is_prose else text.no_control_characters,
    ]
    checks += [text.url] if rules.url else []
    checks += [text.email] if rules.email else []
    checks += [] if name in _ISSUED_BY_US else [text.no_card_number]
    return checks
