"""A proposal: what one party asks, and the other has to agree to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from service.domain import ids
from service.domain.call import Party
from service.domain.states.machine import Machine
from service.domain.states.proposal import PROPOSAL, ProposalEvent, ProposalState


class ProposalKind(StrEnum):
    """What is asked."""

    CANCELLATION = "CANCELLATION"
    EXTENSION = "EXTENSION"
    AMENDMENT = "AMENDMENT"


@dataclass(slots=True)
class Proposal:
    """A cancellation is of ``milestone_ids`` ("mst_..."), an extension of ``deadline_id``, until
    ``due_at``. The ``changes`` are an amendment's, as domain/amendment.py reads them;
    ``agreed_version`` is the version that the escrow got when it was agreed to.
    """

    tenant_id: str
    escrow_id: UUID
    proposal_id: UUID
    kind: ProposalKind
    state: ProposalState
    proposed_by: Party
    reason: str
    created_at: datetime
    updated_at: datetime
    milestone_ids: list[str]
    deadline_id: UUID | None = None
    due_at: datetime | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    agreed_version: int | None = None

    @property
    def is_open(self) -> bool:
        return self.state is ProposalState.OPEN

    @property
    def machine(self) -> Machine[ProposalState, ProposalEvent]:
        return PROPOSAL

    @property
    def public_id(self) -> str:
        return ids.show(ids.PROPOSAL, self.proposal_id)
