"""What the parties of an escrow change of what they agreed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.agreements.asking import WHY
from tests.service.operations.marketplace import Marketplace


def amended(
    escrow: pb.Escrow,
    number: int = 1,
    *,
    price: int | None = None,
    due: datetime | None = None,
) -> agreement_pb.AmendedMilestone:
    """What changes of a milestone; the first is 1."""
    milestone_id = escrow.milestones[number - 1].id
    change = agreement_pb.AmendedMilestone(milestone_id=milestone_id, amount_minor=price)
    if due:
        change.due_time.FromDatetime(due)
    return change


def added(
    price: int,
    title: str = "Bonus",
    *,
    due: datetime | None = None,
    payees: Sequence[pb.PayeeShare] = (),
) -> agreement_pb.AddedMilestone:
    milestone = agreement_pb.AddedMilestone(title=title, amount_minor=price, payees=payees)
    if due:
        milestone.due_time.FromDatetime(due)
    return milestone


def amendment(
    escrow: pb.Escrow,
    *changes: agreement_pb.AmendedMilestone | agreement_pb.AddedMilestone,
    **fields: Any,  # noqa: ANN401  any field
) -> agreement_pb.ProposeAmendmentRequest:
    """All of these together."""
    return agreement_pb.ProposeAmendmentRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        reason=WHY,
        milestones=[c for c in changes if isinstance(c, agreement_pb.AmendedMilestone)],
        added=[c for c in changes if isinstance(c, agreement_pb.AddedMilestone)],
        **fields,
    )


def yes(proposal: pb.Proposal, escrow: pb.Escrow) -> agreement_pb.AcceptAmendmentRequest:
    return agreement_pb.AcceptAmendmentRequest(
        request_id=new_request_id(), escrow_id=escrow.id, proposal_id=proposal.id, reason=WHY
    )


def no(proposal: pb.Proposal, escrow: pb.Escrow) -> agreement_pb.DeclineAmendmentRequest:
    return agreement_pb.DeclineAmendmentRequest(
        request_id=new_request_id(), escrow_id=escrow.id, proposal_id=proposal.id, reason=WHY
    )


async def asked(
    client: EscrowClient,
    escrow: pb.Escrow,
    *changes: agreement_pb.AmendedMilestone | agreement_pb.AddedMilestone,
) -> pb.Proposal:
    return (await client.agreements.ProposeAmendment(amendment(escrow, *changes))).proposal


async def agreed(
    market: Marketplace,
    escrow: pb.Escrow,
    *changes: agreement_pb.AmendedMilestone | agreement_pb.AddedMilestone,
) -> pb.Escrow:
    """The payee asks, and the payer agrees."""
    proposal = await asked(market.payee, escrow, *changes)
    return (await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))).escrow


def costs(terms: pb.Milestone | pb.MilestoneTerms) -> tuple[int, int, int]:
    """The price, the payer's fee and the payee's, in minor units."""
    parts = terms.amount, terms.payer_fee, terms.payee_fee
    price, payer_fee, payee_fee = [part.amount_minor for part in parts]
    return price, payer_fee, payee_fee
