"""Who is calling, for which tenant, on whose behalf.

How a client proves who it is, is configuration (ESCROW_AUTH). There is one way so far,
``development``: what the metadata says is believed, and what it leaves out has a default. It is for
one's own machine, or a network in which every client is trusted.

    escrow-tenant   a configured tenant                        default: "default"
    escrow-caller   the client's name, part of every           default: "development"
                    request id's scope
    escrow-party    payer, payee, operator or service: on      default: what the role is for
                    whose behalf the client acts
    escrow-role     service, operator or gateway               default: what the party needs
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import Message

from escrow.v1 import options_pb2
from service.domain.call import Call, Party
from service.domain.errors import FieldViolation, InvalidField, PartyNotAllowed, Unauthenticated

Role: TypeAlias = "options_pb2.Role.ValueType"
Metadata = Iterable[tuple[str, str | bytes]]

TENANT, CALLER, PARTY, ROLE = "escrow-tenant", "escrow-caller", "escrow-party", "escrow-role"
_KEYS = frozenset((TENANT, CALLER, PARTY, ROLE))
_IS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}").fullmatch

ROLES: Mapping[str, Role] = {
    "service": options_pb2.ROLE_SERVICE,
    "operator": options_pb2.ROLE_OPERATOR,
    "gateway": options_pb2.ROLE_GATEWAY,
}
PARTIES: Mapping[Role, tuple[Party, ...]] = {
    options_pb2.ROLE_SERVICE: (Party.SERVICE, Party.PAYER, Party.PAYEE),
    options_pb2.ROLE_OPERATOR: (Party.OPERATOR,),
    options_pb2.ROLE_GATEWAY: (Party.SERVICE,),
}
"""For whom each role may act, the default first. Nobody from outside is Stripe or a timer."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A client as the transport knows it."""

    tenant_id: str
    name: str
    role: Role
    party: Party


Identify = Callable[[Metadata], Caller]


def development_identify(tenants: Collection[str]) -> Identify:
    """Believes the metadata. ``tenants`` are the ones that are configured."""

    def identify(metadata: Metadata) -> Caller:
        given = _known_keys(metadata)
        tenant_id = given.get(TENANT, "default")
        if tenant_id not in tenants:
            raise Unauthenticated(f"No such tenant is configured; name one in {TENANT}.")
        role = _role(given)
        return Caller(tenant_id, given.get(CALLER, "development"), role, _party(given, role))

    return identify


def _known_keys(metadata: Metadata) -> dict[str, str]:
    given: dict[str, str] = {}
    for key, value in metadata:
        if key not in _KEYS:
            continue
        if key in given:
            raise _wrong(key, "must be given once")
        if not isinstance(value, str) or not _IS_NAME(value):
            raise _wrong(
                key, "must be 1 to 100 letters, digits or ._:/@- and begin with a letter or digit"
            )
        given[key] = value
    return given


def _role(given: Mapping[str, str]) -> Role:
    if ROLE not in given:
        acts_as_operator = given.get(PARTY) == Party.OPERATOR
        return options_pb2.ROLE_OPERATOR if acts_as_operator else options_pb2.ROLE_SERVICE
    if given[ROLE] not in ROLES:
        raise _wrong(ROLE, f"must be one of: {', '.join(ROLES)}")
    return ROLES[given[ROLE]]


def _party(given: Mapping[str, str], role: Role) -> Party:
    allowed = PARTIES[role]
    if PARTY not in given:
        return allowed[0]
    known = {party.value for parties in PARTIES.values() for party in parties}
    if given[PARTY] not in known:
        raise _wrong(PARTY, f"must be one of: {', '.join(sorted(known))}")
    party = Party(given[PARTY])
    if party not in allowed:
        raise PartyNotAllowed(
            f"Your role may act for: {', '.join(allowed)}; see the metadata key {PARTY}."
        )
    return party


def _wrong(key: str, description: str) -> InvalidField:
    return InvalidField(FieldViolation(f"metadata:{key}", description))


def call_of(caller: Caller, request: Message, traceparent: str, answer_by: float) -> Call:
    """The cause of change that this request is: its caller, and its request_id where it has one."""
    return Call(
        tenant_id=caller.tenant_id,
        caller=caller.name,
        party=caller.party,
        key=getattr(request, "request_id", ""),
        traceparent=traceparent,
        answer_by=answer_by,
    )
