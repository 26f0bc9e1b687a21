"""Money leaves only on the word of Stripe's API: payments are confirmed before transfers."""

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.events.forgeries import forged, of_type, paid_at_stripe, verdict
from tests.service.movements.strangers import charge_of, freezes, refund
from tests.service.operations.marketplace import Event, Marketplace
from tests.service.operations.transfers import TRANSFERS


async def accepted_before_it_settled(
    market: Marketplace, succeeded: Event
) -> tuple[pb.Escrow, party_pb.Payee]:
    """Funded by an event, delivered and accepted; the fee is not known, so nothing was fetched."""
    escrow_id = succeeded["data"]["object"]["metadata"]["escrow"]
    assert await verdict(market, succeeded) == ("PROCESSED", "")
    escrow = await market.read(pb.Escrow(id=escrow_id))
    await market.deliver(escrow)
    await market.accept(await market.read(escrow))
    return await market.read(escrow), party_pb.Payee(id=escrow.payee_id)


async def test_a_payment_is_confirmed_before_money_leaves_against_it(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow))
    succeeded = (await of_type(market, "payment_intent.succeeded"))[-1]
    escrow, _ = await accepted_before_it_settled(market, succeeded)
    assert escrow.milestones[0].state == pb.MILESTONE_STATE_RELEASING
    assert escrow.milestones[0].waiting_for == "Stripe to settle the payment"
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "released"]

    await market.work()  # Stripe's API shows the same charge, which is not settled
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "released"]
    await market.sandbox.advance()
    await market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
    await market.work()

    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("transfer_confirmed") == 1
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED


async def test_a_payment_that_stripe_does_not_show_as_paid_any_more_pays_nobody(
    market: Marketplace,
) -> None:
    """Stripe's API said once that it was paid. Before money leaves it is asked again."""
    payee = await market.new_payee()
    _, model = await paid_at_stripe(market)
    escrow = await market.new_escrow(payee=payee)
    await market.fund(escrow)
    (intent, *_) = await market.sandbox.objects("/v1/payment_intents")
    facts = {name: intent[name] for name in ("id", "metadata", "customer", "transfer_group")}
    paid = {"status": "succeeded", "latest_charge": "ch_invented", "amount_received": 10_500}
    path = f"/v1/payment_intents/{intent['id']}"
    await market.sandbox.fail_next(path, "altered", method="GET", answer=paid)
    escrow, _ = await accepted_before_it_settled(market, forged(model, **(facts | paid)))

    await market.work()

    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "released"]
    assert await market.sandbox.objects(TRANSFERS) == []
    assert await market.owner.fetchval("SELECT state FROM releases") == "WAITING"
    pause = "SELECT transfer_at > now() + interval '30 seconds' FROM releases"
    assert await market.owner.fetchval(pause)


async def test_a_payment_that_stripe_shows_as_refunded_waits_for_that_news(
    market: Marketplace,
) -> None:
    """The event of the refund is on its way; the payment is read before money leaves against it."""
    payee = await market.new_payee()
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow))
    succeeded = (await of_type(market, "payment_intent.succeeded"))[-1]
    await accepted_before_it_settled(market, succeeded)
    await market.sandbox.advance()
    await refund(market, await charge_of(market, escrow), 5_000)

    await market.work()

    assert await market.sandbox.objects(TRANSFERS) == []
    await market.settle()
    assert await market.sandbox.objects(TRANSFERS) == []
    assert [each[0] for each in await freezes(market)] == ["REFUND"]


async def test_a_payment_that_cannot_be_confirmed_leaves_the_escrow_as_it_is(
    market: Marketplace,
) -> None:
    """Each try was an operation of the escrow: a new etag and a line of its timeline."""
    payee = await market.new_payee()
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow))
    succeeded = (await of_type(market, "payment_intent.succeeded"))[-1]
    escrow, _ = await accepted_before_it_settled(market, succeeded)
    await market.sandbox.fail_next("/v1/payment_intents", method="GET", times=30)

    for _ in range(3):
        await market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
        await market.transfers.run_once()

    assert (await market.read(escrow)).etag == escrow.etag
    pause = "SELECT transfer_at - now() BETWEEN interval '3 s' AND interval '30 s' FROM releases"
    assert await market.owner.fetchval(pause)  # what a moment heals is tried again in moments


async def test_a_release_is_taken_once_at_a_time(market: Marketplace) -> None:
    payee = await market.new_payee()
    await market.new_escrow(payee=payee)
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow))
    succeeded = (await of_type(market, "payment_intent.succeeded"))[-1]
    await accepted_before_it_settled(market, succeeded)
    await market.sandbox.advance()

    (first,) = await market.transfers.take(16)
    assert await market.transfers.take(16) == []
    await market.transfers.do(first)

    assert await market.owner.fetchval("SELECT state FROM releases") == "IN_FLIGHT"
