"""Extensions: both parties together, or an operator; never one party alone."""

from datetime import timedelta

import pytest

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.agreements.asking import (
    WHY,
    agreed,
    deadline_of,
    extension,
    moment,
)
from tests.service.operations.deadlines.test_act_on_deadline import kinds, states
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, escrow_request

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PAYMENT, INSPECTION = pb.DEADLINE_KIND_PAYMENT, pb.DEADLINE_KIND_INSPECTION
DELIVERY, LIMIT = pb.DEADLINE_KIND_DELIVERY, pb.DEADLINE_KIND_HOLD_LIMIT


async def test_one_party_alone_extends_nothing(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    request = agreed(extension(escrow, INSPECTION, DAY))

    for client in (market.payer, market.payee):
        async with market.refuses("CONSENT_MISSING") as refusal:
            await client.agreements.ExtendDeadline(request)
        assert refusal.metadata == {"deadline_id": request.deadline_id}

    asked = extension(escrow, INSPECTION, DAY)
    await market.payer.agreements.RequestExtension(asked)
    async with market.refuses("CONSENT_MISSING"):  # nor who has asked
        await market.payer.agreements.ExtendDeadline(agreed(asked))
    other = agreed(asked)
    other.due_time.seconds += 1
    async with market.refuses("CONSENT_MISSING") as refusal:  # nor to another time
        await market.payee.agreements.ExtendDeadline(other)
    assert refusal.metadata["asked_time"] == moment(asked.due_time).isoformat()


async def test_both_together_do_and_the_timer_goes_by_it(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    before = moment(deadline_of(escrow, INSPECTION).due_time)
    asked = extension(escrow, INSPECTION, DAY)
    proposal = (await market.payer.agreements.RequestExtension(asked)).proposal
    assert (proposal.kind, proposal.deadline_id) == (
        pb.PROPOSAL_KIND_EXTENSION,
        asked.deadline_id,
    )

    extended = (await market.payee.agreements.ExtendDeadline(agreed(asked))).escrow

    assert moment(deadline_of(extended, INSPECTION).due_time) == before + DAY
    assert (kinds(extended), list(extended.proposals)) == (["HOLD_LIMIT", "INSPECTION"], [])
    later = Later(market)
    later.ahead = 3 * DAY + SECOND
    assert await later.deadlines.run_once() == 0
    later.ahead = 4 * DAY + SECOND
    assert await later.deadlines.run_once() == 1
    assert states(await market.read(escrow)) == ["RELEASING"]


async def test_an_operator_extends_with_a_reason(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    request = agreed(extension(escrow, PAYMENT, DAY))

    extended = (await market.operator.agreements.ExtendDeadline(request)).escrow

    assert deadline_of(extended, PAYMENT).due_time == request.due_time
    assert (await market.timeline(escrow))[-1].note == WHY


async def test_a_due_date_moves_with_its_deadline(market: Marketplace) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    create = escrow_request(10_000, payer=payer, payee=payee)
    create.milestones[0].due_time.FromDatetime(market.work_runtime.clock() + DAY)
    escrow = (await market.service.escrows.CreateEscrow(create)).escrow
    await market.pay(await market.fund(escrow))
    await market.settle()
    asked = extension(await market.read(escrow), DELIVERY, DAY)

    await market.payee.agreements.RequestExtension(asked)
    extended = (await market.payer.agreements.ExtendDeadline(agreed(asked))).escrow

    assert extended.milestones[0].due_time == asked.due_time


async def test_what_is_stripes_nobody_extends(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()

    async with market.refuses("DEADLINE_FIXED"):
        await market.operator.agreements.ExtendDeadline(agreed(extension(escrow, LIMIT, DAY)))


@pytest.mark.parametrize("by", [timedelta(), -DAY, 400 * DAY])
async def test_it_is_later_and_not_for_ever(market: Marketplace, by: timedelta) -> None:
    escrow = await market.new_escrow()
    asked = extension(escrow, PAYMENT, by)

    async with market.refuses("INVALID_FIELD") as refusal:
        await market.payer.agreements.RequestExtension(asked)
    assert refusal.fields.keys() == {"due_time"}
    async with market.refuses("INVALID_FIELD"):
        await market.operator.agreements.ExtendDeadline(agreed(asked))


async def test_what_runs_no_longer_is_not_extended(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    asked = extension(escrow, INSPECTION, DAY)
    await market.payer.agreements.RequestExtension(asked)

    accepted = await market.accept(escrow)

    assert list(accepted.proposals) == []  # it has lapsed
    async with market.refuses("DEADLINE_MISSING"):
        await market.payee.agreements.ExtendDeadline(agreed(asked))


async def test_a_no_lets_it_run_as_before(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    asked = await market.payer.agreements.RequestExtension(extension(escrow, PAYMENT, DAY))
    request = agreement_pb.DeclineExtensionRequest(
        request_id=new_request_id(), escrow_id=escrow.id, proposal_id=asked.proposal.id
    )

    declined = await market.payee.agreements.DeclineExtension(request)

    assert declined.proposal.state == pb.PROPOSAL_STATE_DECLINED
    assert deadline_of(declined.escrow, PAYMENT) == deadline_of(escrow, PAYMENT)
    async with market.refuses("PROPOSAL_MISSING"):  # of another kind
        await market.payee.agreements.DeclineCancellation(
            agreement_pb.DeclineCancellationRequest(
                request_id=new_request_id(), escrow_id=escrow.id, proposal_id=asked.proposal.id
            )
        )
