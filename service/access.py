"""Who may call a method, as the contract says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from google.protobuf.descriptor import MethodDescriptor

from escrow.v1 import options_pb2
from service.domain.call import ApprovalKind, Party


class Access(NamedTuple):
    """Who may call a method: whose role has this permission, for one of these parties. Above one
    of the tenant's limits of the kinds ``approvals`` it waits for a second person, when it is asked
    for one of ``approval_of``.
    """

    permission: str
    parties: frozenset[Party]
    approvals: tuple[ApprovalKind, ...] = ()
    approval_of: frozenset[Party] = frozenset()

    def approvals_for(self, party: Party) -> tuple[ApprovalKind, ...]:
        return self.approvals if party in self.approval_of else ()


_PARTIES: Mapping[int, Party] = {
    options_pb2.PARTY_SERVICE: Party.SERVICE,
    options_pb2.PARTY_PAYER: Party.PAYER,
    options_pb2.PARTY_PAYEE: Party.PAYEE,
    options_pb2.PARTY_OPERATOR: Party.OPERATOR,
}

_APPROVALS: Mapping[int, ApprovalKind] = {
    options_pb2.APPROVAL_KIND_REFUNDS: ApprovalKind.REFUNDS,
    options_pb2.APPROVAL_KIND_WRITE_OFFS: ApprovalKind.WRITE_OFFS,
    options_pb2.APPROVAL_KIND_REDIRECTIONS: ApprovalKind.REDIRECTIONS,
    options_pb2.APPROVAL_KIND_REPAIRS: ApprovalKind.REPAIRS,
    options_pb2.APPROVAL_KIND_RELEASES: ApprovalKind.RELEASES,
}


def access_of(method: MethodDescriptor) -> Access:
    """What the method's option says; anybody's where it names no parties."""
    access = method.GetOptions().Extensions[options_pb2.access]
    return Access(
        access.permission,
        frozenset(_PARTIES[party] for party in access.parties or _PARTIES),
        tuple(_APPROVALS[kind] for kind in access.approvals),
        frozenset(_PARTIES[party] for party in access.approval_of or _PARTIES),
    )
