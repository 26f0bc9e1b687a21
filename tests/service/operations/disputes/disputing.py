"""What the tests of disputes between the parties share."""

from collections.abc import Iterable
from typing import Any

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from tests.service.operations.marketplace import Marketplace

BROKEN = "The screen is broken."
WHY = "The photographs show it."


def opening(escrow: escrow_pb.Escrow, **more: Any) -> pb.OpenDisputeRequest:  # noqa: ANN401  any field
    first = escrow.milestones[0].id
    given = {
        "dispute_reason": pb.DISPUTE_REASON_NOT_AS_AGREED,
        "statement": BROKEN,
        "milestone_id": first,
    }
    fields: dict[str, Any] = given | more
    return pb.OpenDisputeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        **fields,
    )


async def opened(client: EscrowClient, escrow: escrow_pb.Escrow, **more: Any) -> pb.Dispute:  # noqa: ANN401  any field
    """A dispute of its first milestone, or of a part of that."""
    return (await client.disputes.OpenDispute(opening(escrow, **more))).dispute


def named(dispute: pb.Dispute) -> dict[str, Any]:
    """What every request about a dispute says."""
    return {
        "request_id": new_request_id(),
        "escrow_id": dispute.escrow_id,
        "dispute_id": dispute.id,
    }


async def contested(market: Marketplace, escrow: escrow_pb.Escrow, **more: Any) -> pb.Dispute:  # noqa: ANN401  any field
    """The payer has opened it, and the payee says no."""
    dispute = await opened(market.payer, escrow, **more)
    return await answer(market.payee, dispute, pb.DISPUTE_ANSWER_CONTEST)


async def answer(
    client: EscrowClient, dispute: pb.Dispute, says: pb.DisputeAnswer.ValueType
) -> pb.Dispute:
    request = pb.RespondToDisputeRequest(**named(dispute), answer=says, statement="It was whole.")
    return (await client.disputes.RespondToDispute(request)).dispute


async def offer(
    client: EscrowClient,
    dispute: pb.Dispute,
    to_payer_minor: int,
    payees: Iterable[pb.DisputeShare] = (),
) -> pb.Dispute:
    request = pb.ProposeDisputeSplitRequest(
        **named(dispute), to_payer_minor=to_payer_minor, payees=payees
    )
    return (await client.disputes.ProposeDisputeSplit(request)).dispute


async def accept(client: EscrowClient, dispute: pb.Dispute, number: int) -> pb.Dispute:
    request = pb.AcceptDisputeSplitRequest(**named(dispute), offer_number=number)
    return (await client.disputes.AcceptDisputeSplit(request)).dispute


async def mediate(client: EscrowClient, dispute: pb.Dispute) -> pb.Dispute:
    request = pb.RequestMediationRequest(**named(dispute))
    return (await client.disputes.RequestMediation(request)).dispute


async def withdraw(client: EscrowClient, dispute: pb.Dispute) -> pb.WithdrawDisputeResponse:
    return await client.disputes.WithdrawDispute(pb.WithdrawDisputeRequest(**named(dispute)))


def resolution(dispute: pb.Dispute, to_payer_minor: int, **more: Any) -> pb.ResolveDisputeRequest:  # noqa: ANN401  any field
    return pb.ResolveDisputeRequest(
        **named(dispute), to_payer_minor=to_payer_minor, reason=WHY, **more
    )


async def resolve(
    market: Marketplace,
    dispute: pb.Dispute,
    to_payer_minor: int,
    **more: Any,  # noqa: ANN401  any field
) -> pb.ResolveDisputeResponse:
    request = resolution(dispute, to_payer_minor, **more)
    return await market.operator.disputes.ResolveDispute(request)


async def read(market: Marketplace, dispute: pb.Dispute) -> pb.Dispute:
    request = pb.GetDisputeRequest(dispute_id=dispute.id)
    return (await market.service.disputes.GetDispute(request)).dispute


async def listed(market: Marketplace, condition: str = "") -> list[str]:
    request = pb.ListDisputesRequest(filter=condition)
    found = await market.service.disputes.ListDisputes(request)
    return [each.id for each in found.disputes]


def state(dispute: pb.Dispute) -> str:
    return pb.DisputeState.Name(dispute.state).removeprefix("DISPUTE_STATE_")
