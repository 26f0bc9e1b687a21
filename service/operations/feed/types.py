"""THE types of events: every change that the contract lets callers ask for, and what workers do."""

from __future__ import annotations

import re
from collections.abc import Iterable

from google.protobuf.descriptor import MethodDescriptor

from escrow.v1 import (
    agreement_service_pb2,
    approval_service_pb2,
    chargeback_service_pb2,
    dispute_service_pb2,
    escrow_service_pb2,
    operator_service_pb2,
    party_service_pb2,
    policy_service_pb2,
    refund_service_pb2,
)
from service.domain.errors import FieldViolation, InvalidField
from service.domain.event_types import OF_WORKERS

_FILES = (
    escrow_service_pb2.DESCRIPTOR,
    agreement_service_pb2.DESCRIPTOR,
    party_service_pb2.DESCRIPTOR,
    operator_service_pb2.DESCRIPTOR,
    policy_service_pb2.DESCRIPTOR,
    refund_service_pb2.DESCRIPTOR,
    chargeback_service_pb2.DESCRIPTOR,
    dispute_service_pb2.DESCRIPTOR,
    approval_service_pb2.DESCRIPTOR,
)


def _type_of(method: MethodDescriptor) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()


OF_METHODS = {
    _type_of(method): method
    for file in _FILES
    for service in file.services_by_name.values()
    for method in service.methods
    if "request_id" in method.input_type.fields_by_name
}
"""What callers ask for, by the type of the event that it becomes."""
EVENT_TYPES = frozenset(OF_METHODS) | frozenset(OF_WORKERS)


def chosen_types(asked: Iterable[str]) -> frozenset[str]:
    """Raises InvalidField: there is no such type."""
    types = list(asked)
    violations = [
        FieldViolation(f"types[{number}]", "is no type of event: docs/generated/events.md")
        for number, each in enumerate(types)
        if each not in EVENT_TYPES
    ]
    if violations:
        raise InvalidField(*violations)
    return frozenset(types)
