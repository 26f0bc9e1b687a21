"""A client as the transport knows it, and the call that it makes.

What proves who it is, is in the modules beside this one. What it says itself is the same for all of
them, in the metadata of the call:

    escrow-tenant   the tenant that it means, one of those it holds; needed where it holds several
    escrow-party    payer, payee, operator or service: on whose behalf it acts, if its role may;
                    without it, the first party of its role
    escrow-person   the operator who works with an identity that people share, if its role may name
                    one; kept beside the name that was proven
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message

from service.domain.call import ApprovalKind, Call, Party
from service.domain.errors import (
    FieldViolation,
    InvalidField,
    PartyNotAllowed,
    PermissionMissing,
)
from service.rpc.identity.roles import Role, permits

Metadata = Iterable[tuple[str, str | bytes]]

TENANT, PARTY, AUTHORIZATION = "escrow-tenant", "escrow-party", "authorization"
PERSON, NAME_PERSON = "escrow-person", "person.name"
IS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}").fullmatch
_PAYING = (Party.PAYER, Party.SERVICE)
# The parties that a caller may act for: not Stripe, and not a timer.
FROM_OUTSIDE = (Party.OPERATOR, Party.PAYEE, Party.PAYER, Party.SERVICE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for which tenant, and on whose behalf.

    ``end_user`` is the person for whom a service acts, as the token's issuer names them, or "":
    then only what is theirs may be touched. ``person`` is the operator who works with a shared
    identity, as that identity names them, or "". ``is_program``: its role, all of it, is one of
    programs.
    """

    tenant_id: str
    name: str
    role: Role
    party: Party
    end_user: str = ""
    person: str = ""
    is_program: bool = False

    @property
    def people(self) -> frozenset[str]:
        """The names by which it is known who this is. Of a program that acts for an end user the
        person counts. What a shared identity says beside its own name makes nobody another one.
        """
        names = (self.end_user or self.name, self.person)
        return frozenset(name.casefold() for name in names if name)

    @property
    def signature(self) -> str:
        """Who is kept with a change. A name has no space in it, so none can look like two."""
        return f"{self.name} for {self.person}" if self.person else self.name


class Peer(Protocol):
    """What the transport knows of the other end; a call's context."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...


Identify = Callable[[Metadata, Peer], Awaitable[Caller]]
"""Says who calls.

Raises:
    Unauthenticated, InvalidField, PartyNotAllowed.
"""


def given_keys(metadata: Metadata, keys: Iterable[str]) -> dict[str, str]:
    """What the metadata says under these keys.

    Raises:
        InvalidField: a key is given twice, or its value is no name.
    """
    known, given = frozenset(keys), dict[str, str]()
    for key, value in metadata:
        if key not in known:
            continue
        if key in given:
            raise wrong(key, "must be given once")
        if not isinstance(value, str) or not IS_NAME(value):
            raise wrong(
                key, "must be 1 to 100 letters, digits or ._:/@- and begin with a letter or digit"
            )
        given[key] = value
    return given


def party_of(given: Mapping[str, str], role: Role) -> Party:
    """The party that the metadata names, if the role may act for it."""
    if PARTY not in given:
        return role.parties[0]
    if given[PARTY] not in FROM_OUTSIDE:
        raise wrong(PARTY, f"must be one of: {', '.join(FROM_OUTSIDE)}")
    party = Party(given[PARTY])
    if party not in role.parties:
        raise PartyNotAllowed(
            f"Your role may act for: {', '.join(role.parties)}; see the metadata key {PARTY}.",
            party=party,
            allowed=", ".join(role.parties),
        )
    return party


def person_of(given: Mapping[str, str], role: Role, party: Party) -> str:
    """The operator whom the metadata names, if the role may name one; else "".

    Raises:
        InvalidField, PermissionMissing.
    """
    if PERSON not in given:
        return ""
    if party is not Party.OPERATOR:
        raise wrong(PERSON, f"is for those who act as {Party.OPERATOR}")
    if not permits(role, NAME_PERSON):
        raise PermissionMissing(
            f"Your role may not say which person works with it; leave {PERSON} out (escrow --as).",
            permission=NAME_PERSON,
            role=role.name,
        )
    return given[PERSON]


def wrong(key: str, description: str) -> InvalidField:
    """What the metadata says under a key cannot be used."""
    return InvalidField(FieldViolation(f"metadata:{key}", description))


def call_of(
    caller: Caller,
    request: Message,
    traceparent: str,
    answer_by: float,
    approvals: tuple[ApprovalKind, ...] = (),
) -> Call:
    """The cause of change that this request is: its caller, and its request_id where it has one."""
    return Call(
        tenant_id=caller.tenant_id,
        caller=caller.signature,
        party=caller.party,
        key=getattr(request, "request_id", ""),
        traceparent=traceparent,
        answer_by=answer_by,
        end_user=caller.end_user,
        reason=getattr(request, "reason", ""),
        people=caller.people,
        is_program=caller.is_program,
        approvals=approvals,
        may_pay=caller.party in _PAYING and permits(caller.role, "escrow.fund"),
    )
