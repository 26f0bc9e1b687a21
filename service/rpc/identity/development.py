"""ESCROW_AUTH=development: what the metadata says is believed; what it leaves out has a default.

It is for one's own machine: it does not start with a live key, outside loopback or in production.

    escrow-tenant   a configured tenant                        default: "default"
    escrow-caller   the client's name, part of every           default: "development"
                    request id's scope
    escrow-party    payer, payee, operator or service          default: the role's first
    escrow-person   the operator at the keyboard               default: nobody is named
    escrow-role     a built-in role                            default: what the party needs
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from service.domain.call import Party
from service.domain.errors import Unauthenticated
from service.rpc.identity.caller import (
    PARTY,
    PERSON,
    TENANT,
    Caller,
    Identify,
    Metadata,
    Peer,
    given_keys,
    party_of,
    person_of,
    wrong,
)
from service.rpc.identity.roles import ROLES, Role

CALLER, ROLE = "escrow-caller", "escrow-role"
_KEYS = (TENANT, CALLER, PARTY, PERSON, ROLE)


def development_identify(tenants: Collection[str]) -> Identify:
    """Believes the metadata. ``tenants`` are the ones that are configured."""

    async def identify(metadata: Metadata, _: Peer) -> Caller:
        given = given_keys(metadata, _KEYS)
        tenant_id = given.get(TENANT, "default")
        if tenant_id not in tenants:
            raise Unauthenticated(f"No such tenant is configured; name one in {TENANT}.")
        role = _role(given)
        party = party_of(given, role)
        name = given.get(CALLER, "development")
        person = person_of(given, role, party)
        return Caller(tenant_id, name, role, party, person=person, is_program=role.of_programs)

    return identify


def _role(given: Mapping[str, str]) -> Role:
    if ROLE not in given:
        return ROLES["operator" if given.get(PARTY) == Party.OPERATOR else "service"]
    if given[ROLE] not in ROLES:
        raise wrong(ROLE, f"must be one of: {', '.join(ROLES)}")
    return ROLES[given[ROLE]]
