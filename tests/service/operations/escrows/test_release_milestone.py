"""ReleaseMilestone: the payer or an operator gives the payee a part of what is held, or all."""

import asyncio

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.movements.strangers import charge_of, dispute, lift
from tests.service.operations.asked import WHY
from tests.service.operations.marketplace import AN_ID, Marketplace, acceptance, transitions, usd


def release_of(escrow: pb.Escrow, amount_minor: int | None = None) -> pb.ReleaseMilestoneRequest:
    return pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=amount_minor,
        reason=WHY,
    )


async def release(market: Marketplace, escrow: pb.Escrow, amount_minor: int | None) -> pb.Milestone:
    request = release_of(escrow, amount_minor)
    return (await market.payer.escrows.ReleaseMilestone(request)).escrow.milestones[0]


async def test_all_of_it_before_it_is_delivered(market: Marketplace) -> None:
    escrow = await market.funded_escrow(payee=await market.new_payee())

    answer = await market.operator.escrows.ReleaseMilestone(release_of(escrow))

    assert answer.escrow.milestones[0].state == pb.MILESTONE_STATE_RELEASING
    await market.settle()
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    kinds = [kind for kind, _ in await market.books()]
    assert kinds[2:] == ["released", "transfer_requested", "transfer_confirmed"]
    entry = next(e for e in await market.timeline(escrow) if e.operation == "release_milestone")
    assert entry.actor == "operator"
    assert transitions(entry)[0] == ("mst", "FUNDED", "RELEASING")


async def test_a_part_takes_its_part_of_the_fees(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()

    milestone = await release(market, escrow, 2_500)

    assert milestone.state == pb.MILESTONE_STATE_DELIVERED
    assert (milestone.held, milestone.released) == (usd(7_500), usd(2_500))
    assert (await market.books(escrow))[2:] == [
        (
            "released",
            {
                "liab:escrow:m1:held": 2_500,
                "liab:escrow:m1:fee_held": 125,
                "liab:payee:payee:payable": -2_000,
                "rev:service_fee": -500,
                "rev:platform_fee": -125,
            },
        )
    ]


@pytest.mark.parametrize("parts", [(3_333, 3_333, 3_334), (1, 9_998, 1), (9_999, 1), (7, 13, 17)])
async def test_whatever_the_parts_no_cent_is_lost(
    market: Marketplace, parts: tuple[int, ...]
) -> None:
    escrow = await market.funded_escrow(payee=await market.new_payee())

    for amount_minor in parts:
        await release(market, escrow, amount_minor)
    last = (await market.read(escrow)).milestones[0]
    if last.held.amount_minor:
        last = await release(market, escrow, None)
    await market.settle()

    assert last.released == usd(10_000)
    done = await market.read(escrow)
    assert done.state == pb.ESCROW_STATE_COMPLETED
    for account in ("held", "fee_held"):
        assert await market.balance(f"liab:escrow:{done.milestones[0].id}:{account}") == 0
    totals: dict[str, int] = {}
    for _, entries in await market.books(escrow):
        for account, amount_minor in entries.items():
            totals[account] = totals.get(account, 0) + amount_minor
    assert (totals["rev:service_fee"], totals["rev:platform_fee"]) == (-2_000, -500)
    transfers = await market.sandbox.objects("/v1/transfers")
    assert sum(transfer["amount"] for transfer in transfers) == 8_000


async def test_what_is_frozen_stays(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    await dispute(market, await charge_of(market, escrow), amount=4_000)
    await market.sweep()

    async with market.refuses("AMOUNT_FROZEN") as refusal:
        await release(market, escrow, 6_001)
    facts = {"amount_minor": "6001", "held_minor": "10000", "currency": "USD"}
    assert refusal.metadata == {**facts, "frozen_minor": "4000"}
    assert refusal.message.startswith("60.01 USD is more than what may move: of the 100.00 USD")
    accepted = (await market.payer.escrows.AcceptDelivery(acceptance(escrow))).escrow.milestones[0]
    assert accepted.state == pb.MILESTONE_STATE_DELIVERED  # the frozen part is still to be decided
    assert (accepted.held, accepted.frozen) == (usd(4_000), usd(4_000))
    async with market.refuses("AMOUNT_FROZEN") as refusal:
        await release(market, escrow, None)
    assert refusal.metadata["amount_minor"] == "4000"
    assert refusal.message == (
        "All 40.00 USD that are held are frozen. GetEscrow shows the freezes; operators lift them"
        " (LiftFreeze)."
    )

    await lift(market, escrow)
    last = await release(market, escrow, None)
    assert last.state == pb.MILESTONE_STATE_RELEASING


async def test_no_more_than_what_is_held(market: Marketplace) -> None:
    escrow = await market.funded_escrow()

    async with market.refuses("AMOUNT_ABOVE_HELD") as refusal:
        await release(market, escrow, 10_001)
    facts = {"amount_minor": "10001", "held_minor": "10000", "currency": "USD"}
    assert refusal.metadata == facts
    assert refusal.message == "100.01 USD is more than what is held: 100.00 USD."


async def test_a_part_is_of_the_currencys_steps(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000_00, currency="ISK")
    await market.pay(await market.fund(escrow))
    await market.settle()

    async with market.refuses("AMOUNT_NOT_MULTIPLE") as refusal:
        await release(market, escrow, 123_450)
    assert refusal.metadata == {"step_minor": "100", "currency": "ISK"}
    assert set(refusal.fields) == {"amount_minor"}
    assert "multiple of 100 (1.00 ISK)" in refusal.message


async def test_parts_that_are_released_at_once_are_never_more_than_all(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow()

    answers = await asyncio.gather(
        *(market.payer.escrows.ReleaseMilestone(release_of(escrow, 3_000)) for _ in range(12)),
        return_exceptions=True,
    )

    done = [answer for answer in answers if isinstance(answer, pb.ReleaseMilestoneResponse)]
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert (len(done), len(refused)) == (3, 9)
    assert {error.code() for error in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert (await market.read(escrow)).milestones[0].held == usd(1_000)


async def test_what_is_released_or_not_paid_for_is_not_released(market: Marketplace) -> None:
    unpaid = await market.new_escrow()
    released = await market.accept(await market.delivered_escrow())

    async with market.refuses("WRONG_STATE") as refusal:
        await release(market, unpaid, 1_000)
    assert refusal.metadata["state"] == "AWAITING_FUNDS"
    for amount_minor in (None, 1):
        async with market.refuses("WRONG_STATE") as refusal:
            await release(market, released, amount_minor)
        assert refusal.metadata["state"] == "RELEASING"


async def test_it_names_what_it_has_seen_and_what_there_is(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    request = release_of(escrow)

    request.etag = "1"
    async with market.refuses("STALE_ETAG"):
        await market.payer.escrows.ReleaseMilestone(request)
    request.etag = ""
    request.milestone_id = f"mst_{AN_ID}"
    async with market.refuses("MILESTONE_MISSING"):
        await market.payer.escrows.ReleaseMilestone(request)
    request.escrow_id = f"esc_{AN_ID}"
    async with market.refuses("ESCROW_MISSING"):
        await market.payer.escrows.ReleaseMilestone(request)
