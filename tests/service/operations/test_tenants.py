"""What two tenants may have in common, and what they may not: isolation/ asks by every method."""

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.catalogue import EVERY_REQUEST
from tests.service.operations.marketplace import NEIGHBOUR, Marketplace, escrow_request


async def test_two_tenants_may_use_the_same_reference_and_request_id(market: Marketplace) -> None:
    asked = await EVERY_REQUEST["CreatePayer"](market)

    ours = (await market.service.parties.CreatePayer(asked.request)).payer
    theirs = (await market.neighbour.parties.CreatePayer(asked.request)).payer

    assert ours.reference == theirs.reference
    assert ours.id != theirs.id


async def test_an_escrow_is_between_parties_of_one_tenant(market: Marketplace) -> None:
    asked = await EVERY_REQUEST["CreatePayer"](market)
    theirs = (await market.neighbour.parties.CreatePayer(asked.request)).payer
    payee = await market.new_payee(active=False)

    async with market.refuses("PAYER_MISSING"):
        await market.service.escrows.CreateEscrow(escrow_request(payer=theirs, payee=payee))
    async with market.refuses("PAYEE_MISSING"):
        await market.neighbour.escrows.CreateEscrow(escrow_request(payer=theirs, payee=payee))


async def test_a_neighbours_event_does_not_touch_our_payment(market: Marketplace) -> None:
    """Both tell of one object of Stripe, and only one of them has it."""
    payment = await market.fund(await market.new_escrow())
    await market.pay(payment)
    stranger = market.client(tenant=NEIGHBOUR, role="gateway")
    market.gateway, ours = stranger, market.gateway
    for event in await market.news():
        await market.tell(event)
    await market.work()

    assert await market.books() == []
    states = "SELECT DISTINCT state FROM stripe_events WHERE type LIKE 'payment_intent.%'"
    assert await market.owner.fetchval(states) == "PARKED"

    market.gateway, market.told = ours, set()
    await market.settle()
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]
    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_SUCCEEDED
