"""AcceptDelivery: all that is held and not frozen goes to the payee, once."""

import asyncio

import grpc

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import (
    AN_ID,
    Marketplace,
    acceptance,
    transitions,
    usd,
)

RELEASED = (
    "released",
    {
        "liab:escrow:m1:held": 10_000,
        "liab:escrow:m1:fee_held": 500,
        "liab:payee:payee:payable": -8_000,
        "rev:service_fee": -2_000,
        "rev:platform_fee": -500,
    },
)
TRANSFER_REQUESTED = (
    "transfer_requested",
    {"liab:payee:payee:payable": 8_000, "liab:transfers_in_flight": -8_000},
)
TRANSFER_CONFIRMED = (
    "transfer_confirmed",
    {
        "liab:transfers_in_flight": 8_000,
        "asset:stripe": -8_000,
        "conn:account:balance": 8_000,
        "conn:account:owner": -8_000,
    },
)


async def test_the_payee_gets_it_all_at_stripe(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)

    accepted = await market.accept(escrow)

    milestone = accepted.milestones[0]
    assert milestone.state == pb.MILESTONE_STATE_RELEASING
    assert (milestone.held, milestone.released) == (usd(0), usd(10_000))
    assert accepted.state == pb.ESCROW_STATE_ACTIVE
    assert (await market.books(escrow, payee))[2:] == [RELEASED, TRANSFER_REQUESTED]

    await market.settle()

    done = await market.read(escrow)
    assert done.milestones[0].state == pb.MILESTONE_STATE_RELEASED
    assert done.milestones[0].waiting_for == ""
    assert done.state == pb.ESCROW_STATE_COMPLETED
    assert (await market.books(escrow, payee))[4:] == [TRANSFER_CONFIRMED]
    (transfer,) = await market.sandbox.objects("/v1/transfers")
    assert (transfer["amount"], transfer["destination"]) == (8_000, payee.stripe_account)
    accept, confirm = (await market.timeline(escrow))[-2:]
    assert (accept.operation, accept.actor, accept.caller) == ("accept_delivery", "payer", "orders")
    assert transitions(accept) == [
        ("mst", "DELIVERED", "RELEASING"),
        ("rel", "", "WAITING"),
        ("rel", "WAITING", "IN_FLIGHT"),
    ]
    assert (confirm.operation, confirm.actor) == ("settle_effect", "stripe")
    assert transitions(confirm)[-2:] == [
        ("mst", "RELEASING", "RELEASED"),
        ("esc", "ACTIVE", "COMPLETED"),
    ]


async def test_a_payee_who_is_not_ready_is_paid_as_soon_as_they_are(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    escrow = await market.delivered_escrow(payee=payee)

    accepted = await market.accept(escrow)
    await market.settle()

    assert "payee" in accepted.milestones[0].waiting_for
    assert (await market.books(escrow, payee))[2:] == [RELEASED]
    assert await market.balance(f"liab:payee:{payee.id}:payable") == 8_000

    await market.onboard(payee)

    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    assert (await market.books(escrow, payee))[3:] == [TRANSFER_REQUESTED, TRANSFER_CONFIRMED]


async def test_a_replay_answers_the_same_bytes_and_writes_nothing(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    request = acceptance(escrow)
    first = await market.payer.escrows.AcceptDelivery(request)

    async with market.unchanged():
        again = await market.payer.escrows.AcceptDelivery(request)

    assert again.SerializeToString(deterministic=True) == first.SerializeToString(
        deterministic=True
    )


async def test_a_request_id_is_for_one_request(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    request = acceptance(escrow)
    await market.payer.escrows.AcceptDelivery(request)
    request.milestone_id = f"mst_{AN_ID}"

    async with market.refuses("REQUEST_ID_REUSED"):
        await market.payer.escrows.AcceptDelivery(request)


async def test_twenty_twins_release_once_and_hear_the_same(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    request = acceptance(escrow)

    answers = await asyncio.gather(
        *(market.payer.escrows.AcceptDelivery(request) for _ in range(20))
    )

    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert [kind for kind, _ in await market.books()].count("released") == 1


async def test_twenty_clicks_with_ids_of_their_own_release_once(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()

    answers = await asyncio.gather(
        *(market.payer.escrows.AcceptDelivery(acceptance(escrow)) for _ in range(20)),
        return_exceptions=True,
    )

    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert len(refused) == 19
    assert {error.code() for error in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert [kind for kind, _ in await market.books()].count("released") == 1


async def test_only_the_payer_accepts(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()

    for client in (market.payee, market.operator, market.service):
        async with market.refuses("PARTY_NOT_ALLOWED") as refusal:
            await client.escrows.AcceptDelivery(acceptance(escrow))
        assert refusal.metadata["allowed"] == "payer"


async def test_what_is_not_delivered_is_not_accepted(market: Marketplace) -> None:
    unpaid = await market.new_escrow()
    funded = await market.funded_escrow()

    for escrow, state in ((unpaid, "AWAITING_FUNDS"), (funded, "FUNDED")):
        async with market.refuses("WRONG_STATE") as refusal:
            await market.payer.escrows.AcceptDelivery(acceptance(escrow))
        milestone_id = escrow.milestones[0].id
        told = {"subject_id": milestone_id, "state": state, "event": "accept"}
        assert refusal.metadata == told
        assert refusal.message == f"{milestone_id} is {state}: accept is not possible."


async def test_what_was_changed_since_is_not_accepted_unseen(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    await market.payer.escrows.RequestChanges(
        pb.RequestChangesRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            milestone_id=escrow.milestones[0].id,
            note="In blue, please.",
        )
    )
    now = await market.deliver(escrow)
    request = acceptance(escrow)
    request.etag = escrow.etag

    async with market.refuses("STALE_ETAG") as refusal:
        await market.payer.escrows.AcceptDelivery(request)

    assert refusal.metadata == {"etag": now.etag}
    request.etag = now.etag
    accepted = await market.payer.escrows.AcceptDelivery(request)
    assert accepted.escrow.milestones[0].state == pb.MILESTONE_STATE_RELEASING


async def test_there_is_no_such_thing(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    request = acceptance(escrow)

    async with market.refuses("ESCROW_MISSING"):
        await market.client("payer", tenant="neighbour").escrows.AcceptDelivery(request)
    request.milestone_id = f"mst_{AN_ID}"
    async with market.refuses("MILESTONE_MISSING"):
        await market.payer.escrows.AcceptDelivery(request)


async def test_twenty_milestones_of_one_escrow_are_accepted_at_once(market: Marketplace) -> None:
    """Twenty writers on one aggregate: each that comes too late looks again, and none is lost."""
    payee = await market.new_payee()
    escrow = await market.funded_escrow(*[1_000] * 20, payee=payee)
    numbers = range(1, 21)
    await asyncio.gather(*(market.deliver(escrow, number) for number in numbers))

    await asyncio.gather(*(market.accept(escrow, number) for number in numbers))
    await market.settle()

    done = await market.read(escrow)
    assert done.state == pb.ESCROW_STATE_COMPLETED
    versions = [entry.version for entry in await market.timeline(escrow)]
    assert versions == list(range(1, int(done.etag) + 1))
    assert await market.balance(f"conn:{payee.stripe_account}:balance") == 20 * 800
    transfers = await market.sandbox.objects("/v1/transfers")
    assert [transfer["amount"] for transfer in transfers] == [800] * 20


async def test_a_payer_who_clicks_both_buttons_has_clicked_one(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    changes = pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="In blue, please.",
    )

    answers = await asyncio.gather(
        market.payer.escrows.AcceptDelivery(acceptance(escrow)),
        market.payer.escrows.RequestChanges(changes),
        return_exceptions=True,
    )

    (error,) = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    state = (await market.read(escrow)).milestones[0].state
    accepted = isinstance(answers[0], pb.AcceptDeliveryResponse)
    assert state == (pb.MILESTONE_STATE_RELEASING if accepted else pb.MILESTONE_STATE_FUNDED)
