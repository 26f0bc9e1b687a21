"""The contract's own options, read: what a field must look like, and who may call a method."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from google.api import field_behavior_pb2  # type: ignore[import-untyped] # ships without types
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor

from escrow.v1 import options_pb2
from service.access import Access, access_of

TIMESTAMP = "google.protobuf.Timestamp"
MONEY = "escrow.v1.Money"

_TEXT_RULES = frozenset(
    ("max_len", "uuid", "id_prefix", "currency", "url", "country", "email", "traceparent")
)
_BYTES_RULES = frozenset(("max_len",))
_RANGE_RULES = frozenset(("at_least", "at_most"))
_NO_RULES: frozenset[str] = frozenset()

_INTEGERS = frozenset(
    (
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    )
)


class ContractError(Exception):
    """The contract and the service do not fit each other; the server must not start."""


_IS_PERMISSION = re.compile(r"[a-z]+\.[a-z]+").fullmatch


def access_table(services: Iterable[ServiceDescriptor]) -> Mapping[str, Access]:
    """Who may call what: "/escrow.v1.EscrowService/GetEscrow" -> its permission and parties.

    Raises:
        ContractError: a method does not say who may call it.
    """
    table = {}
    for service in services:
        for method in service.methods:
            access = access_of(method)
            if not _IS_PERMISSION(access.permission):
                raise ContractError(f"{method.full_name}: the access option must name a permission")
            table[f"/{service.full_name}/{method.name}"] = access
    return table


def is_required(field: FieldDescriptor) -> bool:
    """Whether google.api.field_behavior says REQUIRED."""
    behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.REQUIRED in behaviours


def is_integer(field: FieldDescriptor) -> bool:
    """Whether the field is an integer of any width; an enum is none."""
    return field.cpp_type in _INTEGERS


def map_entry(field: FieldDescriptor) -> Descriptor | None:
    """The entry type of a map field; None for any other."""
    message = field.message_type
    return message if message is not None and message.GetOptions().map_entry else None


def rules_of(field: FieldDescriptor) -> options_pb2.Rules:
    """The field's rules; those of a map hold for its values.

    Raises:
        ContractError: a rule does not fit the field's type, or nothing of that type can be checked.
    """
    rules = field.GetOptions().Extensions[options_pb2.rules]
    entry = map_entry(field)
    fitting = _fitting_rules(entry.fields_by_name["value"] if entry else field)
    if field.is_repeated:
        fitting |= {"max_items"}
    unfit = sorted({rule.name for rule, _ in rules.ListFields()} - fitting)
    if unfit:
        raise ContractError(f"{field.full_name}: rules that do not fit its type: {unfit}")
    return rules


def _fitting_rules(field: FieldDescriptor) -> frozenset[str]:
    if field.message_type is not None:
        return _fitting_message_rules(field, field.message_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _TEXT_RULES
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _BYTES_RULES
    if is_integer(field):
        return _RANGE_RULES
    if field.type in (FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_BOOL):
        return _NO_RULES
    raise ContractError(f"{field.full_name}: floating point has no place in this contract")


def _fitting_message_rules(field: FieldDescriptor, message: Descriptor) -> frozenset[str]:
    if message.full_name == MONEY:
        return _RANGE_RULES
    if message.file.package == "google.protobuf" and message.full_name != TIMESTAMP:
        raise ContractError(f"{field.full_name}: no validation is written for {message.full_name}")
    return _NO_RULES
