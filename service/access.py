"""Who may call a method, as the contract says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from google.protobuf.descriptor import MethodDescriptor

from escrow.v1 import options_pb2
from service.domain.call import ApprovalKind, Party


class Access(NamedTuple):
    """Who may call a method: whose role has this permission, for one of these parties. Above the
    tenant's limit of the kind ``approval`` it waits for a second person, when it is asked for one
    of ``approval_of``.
    """

    permission: str
    parties: frozenset[Party]
    approval: ApprovalKind | None = None
    approval_of: frozenset[Party] = frozenset()

    def approval_for(self, party: Party) -> ApprovalKind | None:
        return self.approval if party in self.approval_of else None


_PARTIES: Mapping[int, Party] = {
    options_pb2.PARTY_SERVICE: Party.SERVICE,
    options_pb2.PARTY_PAYER: Party.PAYER,
    options_pb2.PARTY_PAYEE: Party.PAYEE,
    options_pb2.PARTY_OPERATOR: Party.OPERATOR,
}

_APPROVALS: Mapping[int, ApprovalKind | None] = {
    options_pb2.APPROVAL_KIND_UNSPECIFIED: None,
    options_pb2.APPROVAL_KIND_REFUNDS: ApprovalKind.REFUNDS,
    options_pb2.APPROVAL_KIND_WRITE_OFFS: ApprovalKind.WRITE_OFFS,
    options_pb2.APPROVAL_KIND_REDIRECTIONS: ApprovalKind.REDIRECTIONS,
    options_pb2.APPROVAL_KIND_REPAIRS: ApprovalKind.REPAIRS,
}


def access_of(method: MethodDescriptor) -> Access:
    """What the method's option says; anybody's where it names no parties."""
    access = method.GetOptions().Extensions[options_pb2.access]
    return Access(
        access.permission,
        frozenset(_PARTIES[party] for party in access.parties or _PARTIES),
        _APPROVALS[access.approval],
        frozenset(_PARTIES[party] for party in access.approval_of or _PARTIES),
    )
