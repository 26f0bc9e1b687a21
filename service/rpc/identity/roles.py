"""THE table of the built-in roles: what each permits, and for whom it may act.

A permission is a name of the contract ("escrow.release"); ``escrow.*`` is all of a kind, ``*.read``
all reading. ``person.name`` is of no method: who has it may say which person works with an identity
that several share (metadata escrow-person). Configuration may add roles, and never changes these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from service.domain.call import Party


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """What a caller may do: permissions, as patterns, and the parties that it may act for, the
    default first. ``parts`` are the roles that it is made of, where it is made of several.
    ``of_programs``: who has it is a program of the marketplace, and never a person.
    """

    name: str
    permissions: tuple[str, ...]
    parties: tuple[Party, ...]
    parts: tuple[Role, ...] = ()
    of_programs: bool = False


@lru_cache(maxsize=10_000)
def permits(role: Role, permission: str) -> bool:
    """Whether one of the role's patterns is met."""
    return any(fnmatchcase(permission, pattern) for pattern in role.permissions)


_PEOPLE = (Party.OPERATOR,)
_READS = ("*.read",)

ROLES: Mapping[str, Role] = {
    role.name: role
    for role in (
        # A microservice of the marketplace.
        Role(
            "service",
            ("escrow.*", "payment.*", "payer.*", "payee.*", "refund.*", "event.read"),
            (Party.SERVICE, Party.PAYER, Party.PAYEE),
            of_programs=True,
        ),
        Role(
            "reader",
            (
                *("escrow.read", "payment.read", "payer.read", "payee.read", "refund.read"),
                "event.read",
            ),
            (Party.SERVICE, Party.PAYER, Party.PAYEE),
            of_programs=True,
        ),
        # People.
        Role(
            "support",
            (*_READS, "payer.write", "payee.write", "payee.onboard", "person.name"),
            _PEOPLE,
        ),
        Role(
            "finance",
            (
                *_READS,
                "payee.payout",
                "policy.write",
                "refund.create",
                "approval.decide",
                "person.name",
            ),
            _PEOPLE,
        ),
        Role("auditor", _READS, _PEOPLE),
        Role(
            "operator",
            (
                *("escrow.*", "payment.*", "payer.*", "payee.*", "refund.*"),
                *("operator.*", "policy.*", "person.*", "approval.*", "event.read"),
            ),
            _PEOPLE,
        ),
        # The webhook gateway.
        Role("gateway", ("event.ingest",), (Party.SERVICE,), of_programs=True),
    )
}


def together(roles: Sequence[Role]) -> Role:
    """One role of several: all that they permit, and everybody that one of them acts for."""
    if len(roles) == 1:
        return roles[0]
    return Role(
        "+".join(role.name for role in roles),
        tuple(dict.fromkeys(each for role in roles for each in role.permissions)),
        tuple(dict.fromkeys(party for role in roles for party in role.parties)),
        tuple(roles),
        all(role.of_programs for role in roles),
    )


@lru_cache(maxsize=10_000)
def acting_for(party: Party, role: Role) -> Role:
    """What is left of a role on behalf of one of its parties: the parts that act for it. With all
    of them, what one part permits could be done for the party of another.
    """
    parts = [part for part in role.parts if party in part.parties]
    return together(parts) if parts else role
