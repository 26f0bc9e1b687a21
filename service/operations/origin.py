"""From where a party acts, as a request says: kept apart from the timeline, as evidence."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Protocol

from service.aggregates.escrow import EscrowCase
from service.domain.errors import FieldViolation, InvalidField
from service.domain.records.origin import Origin


class Asked(Protocol):
    """A request that may say so."""

    client_ip: str
    user_agent: str


def check_origin(request: Asked) -> None:
    """Raises InvalidField."""
    try:
        if request.client_ip:
            ip_address(request.client_ip)
    except ValueError as problem:
        why = "must be an IP address, such as 203.0.113.7 or 2001:db8::7"
        raise InvalidField(FieldViolation("client_ip", why)) from problem


def keep_origin(case: EscrowCase, request: Asked) -> None:
    """Writes it with the unit, where the request says anything."""
    if not (request.client_ip or request.user_agent):
        return
    case.touch()
    origin = Origin(
        tenant_id=case.escrow.tenant_id,
        escrow_id=case.escrow.escrow_id,
        escrow_version=case.escrow.version,
        client_ip=request.client_ip,
        user_agent=request.user_agent,
        created_at=case.unit.now,
    )
    case.unit.put(origin)
