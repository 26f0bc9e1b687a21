"""Adverse news freeze what they touch: on Stripe's own word, once, and only what is ours."""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.events.forgeries import forged, of_type, verdict
from tests.service.movements.strangers import (
    assert_same_as_stripe,
    charge_of,
    dispute,
    foreign_charge,
    freezes,
    lift,
    refund,
)
from tests.service.operations.marketplace import Event, Marketplace, transitions
from tests.service.operations.transfers import TRANSFERS, accepted, lose_answer

FRAUD_CARD = "pm_card_createIssuerFraudRecord"


async def told(market: Marketplace, type_: str) -> Event:
    """The newest event of this type, delivered, and what became of it."""
    event = (await of_type(market, type_))[-1]
    assert await verdict(market, event) == ("PROCESSED", "")
    return event


async def frozen_minor(market: Marketplace, escrow: pb.Escrow) -> int:
    return (await market.read(escrow)).milestones[0].frozen.amount_minor


async def test_a_refund_that_is_still_pending_freezes_at_once(market: Marketplace) -> None:
    """The balance does not cover it yet, so no balance transaction tells of it."""
    escrow = await market.funded_escrow()
    made = await refund(market, await charge_of(market, escrow))
    assert made["status"] == "pending"

    await told(market, "refund.created")

    assert await freezes(market) == [("REFUND", made["id"], "OPEN", 10_000, 0)]
    found = (await market.read(escrow)).milestones[0]
    assert found.frozen.amount_minor == 10_000
    assert found.waiting_for == (
        f"an operator to lift the freeze: a refund made at Stripe ({made['id']})"
    )
    (shown,) = found.freezes
    assert (shown.reason, shown.source) == (pb.FREEZE_REASON_REFUND, made["id"])
    assert (shown.amount.amount_minor, shown.beyond.amount_minor) == (10_000, 0)


async def test_the_timeline_tells_of_the_freeze_and_of_who_lifted_it(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    await dispute(market, await charge_of(market, escrow))
    await told(market, "charge.dispute.created")
    (shown,) = (await market.read(escrow)).milestones[0].freezes

    await lift(market, escrow)

    froze, lifted = (await market.timeline(escrow))[-2:]
    assert (froze.note, froze.actor) == ("charge.dispute.created", "stripe")
    assert ("frz", "", "OPEN") in transitions(froze)
    assert (lifted.note, lifted.actor) == ("Somebody looked at it.", "operator")
    assert ("frz", "OPEN", "LIFTED") in transitions(lifted)
    assert shown.id in {each.subject for each in lifted.transitions}
    assert await frozen_minor(market, escrow) == 0


async def test_an_inquiry_moves_nothing_and_freezes(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    books = await market.books()
    made = await dispute(market, await charge_of(market, escrow), inquiry=True)

    await told(market, "charge.dispute.created")

    assert await freezes(market) == [("CHARGEBACK", made["id"], "OPEN", 10_000, 0)]
    assert await market.books() == books


async def test_an_inquiry_that_becomes_a_chargeback_freezes_again_after_it_was_lifted(
    market: Marketplace,
) -> None:
    """The operator was right about the inquiry; the chargeback was then paid out."""
    escrow = await market.delivered_escrow(payee=await market.new_payee())
    made = await dispute(market, await charge_of(market, escrow), inquiry=True)
    await market.settle()
    await lift(market, escrow)

    await market.sandbox.control(f"disputes/{made['id']}/escalate")
    await market.settle()

    assert await frozen_minor(market, escrow) == 10_000
    await market.sweep()
    assert len(await freezes(market)) == 2
    async with market.refuses("AMOUNT_FROZEN"):
        await market.accept(escrow)


async def test_a_warning_about_a_page_whose_payment_is_not_known_yet_is_not_dropped(
    market: Marketplace,
) -> None:
    """It has no balance transaction, so no sweep would find it."""
    escrow = await market.new_escrow()
    await market.fund(escrow, method=pb.PAYMENT_METHOD_CHECKOUT)
    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    path = f"checkout/sessions/{session['id']}/pay"
    await market.sandbox.control(path, payment_method=FRAUD_CARD)
    await market.sandbox.advance()
    await told(market, "radar.early_fraud_warning.created")

    await market.settle()

    assert await frozen_minor(market, escrow) == 10_000


async def test_a_warning_of_fraud_freezes_the_whole_payment(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow), FRAUD_CARD)
    await market.settle()

    (reason, source, *rest) = (await freezes(market))[0]

    assert (reason, source[:6], *rest) == ("EARLY_FRAUD_WARNING", "issfr_", "OPEN", 10_000, 0)


async def test_an_event_and_a_balance_transaction_of_one_thing_freeze_once(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    for type_ in ("charge.dispute.funds_withdrawn", "charge.dispute.created"):
        await told(market, type_)

    await market.sweep()

    assert await freezes(market) == [("CHARGEBACK", made["id"], "OPEN", 10_000, 0)]
    await assert_same_as_stripe(market)


async def test_a_dispute_that_is_over_freezes_nothing_more(market: Marketplace) -> None:
    """All its events come late: by then it is won."""
    escrow = await market.funded_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    await market.sandbox.control(f"disputes/{made['id']}/win")

    await told(market, "charge.dispute.created")

    assert await freezes(market) == []


async def test_a_reversal_of_a_transfer_freezes_what_is_held(market: Marketplace) -> None:
    escrow = await market.delivered_escrow(6_000, 4_000, payee=await market.new_payee())
    await market.accept(escrow)
    await market.settle()
    (transfer,) = await market.sandbox.objects(TRANSFERS)
    reversal = await market.sandbox.stripe(f"{TRANSFERS}/{transfer['id']}/reversals", amount="700")

    await told(market, "transfer.reversed")
    await market.sweep()

    assert await freezes(market) == [("TRANSFER_REVERSED", reversal["id"], "OPEN", 700, 0)]


@pytest.mark.parametrize("type_", ["refund.created", "charge.dispute.created"])
async def test_news_that_stripe_does_not_show_freeze_nothing(
    market: Marketplace, type_: str
) -> None:
    escrow = await market.funded_escrow()
    charge = await charge_of(market, escrow)
    await (refund if type_.startswith("refund") else dispute)(market, charge)
    real = (await of_type(market, type_))[-1]

    state, reason = await verdict(market, forged(real, id=f"{real['data']['object']['id'][:3]}no"))

    assert (state, reason[:15]) == ("PARKED", "StripeRefused: ")
    assert await freezes(market) == []


async def test_news_of_another_products_payment_are_not_ours(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    charge = await foreign_charge(market)
    await refund(market, charge, 700)
    await dispute(market, await foreign_charge(market))
    for type_ in ("refund.created", "charge.dispute.created"):
        event = (await of_type(market, type_))[-1]
        state, reason = await verdict(market, event)
        assert (state, reason[:9]) == ("IGNORED", "not ours:")

    assert await freezes(market) == []
    assert await frozen_minor(market, escrow) == 0


async def test_news_that_come_before_the_payment_is_known_freeze_it_when_it_is(
    market: Marketplace,
) -> None:
    """No event of the payment came; the charge's metadata says whose it is."""
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    await market.sandbox.advance()
    (charge,) = await market.sandbox.objects("/v1/charges")
    await dispute(market, charge)
    await told(market, "charge.dispute.created")

    await market.settle()

    assert await frozen_minor(market, escrow) == 10_000
    assert [each[3:] for each in await freezes(market)] == [(10_000, 0)]


async def test_a_transfer_that_was_not_sent_yet_is_held_back_until_the_freeze_is_lifted(
    market: Marketplace,
) -> None:
    await accepted(market)  # the transfer is planned
    (escrow,) = (await market.service.escrows.ListEscrows(pb.ListEscrowsRequest())).escrows
    await dispute(market, await charge_of(market, escrow))
    await told(market, "charge.dispute.created")
    assert (await market.books())[-1][0] == "transfer_refused"

    await market.work()

    assert await market.sandbox.objects(TRANSFERS) == []
    assert (
        "the payer's bank to decide chargeback cbk_"
        in (await market.read(escrow)).milestones[0].waiting_for
    )
    await lift(market, escrow)
    await market.settle()
    assert len(await market.sandbox.objects(TRANSFERS)) == 1
    assert (await market.books())[-1][0] == "transfer_confirmed"
    await assert_same_as_stripe(market)


async def test_a_transfer_whose_answer_was_lost_is_not_taken_for_unsent(
    market: Marketplace,
) -> None:
    """Stripe has paid it, and its limiter puts off what would have told. Money that is payable
    again would be paid twice.
    """
    await accepted(market)
    (escrow,) = (await market.service.escrows.ListEscrows(pb.ListEscrowsRequest())).escrows
    await lose_answer(market)
    await market.effects.run_once()
    await market.patience()
    await market.sandbox.fail_next(TRANSFERS, method="*", status=429, times=100)
    await market.effects.run_once()
    state = "SELECT state FROM effects WHERE kind = 'create_transfer'"
    assert await market.owner.fetchval(state) == "PLANNED"
    await market.sandbox.control("faults", verb="DELETE")

    await dispute(market, await charge_of(market, escrow))
    await told(market, "charge.dispute.created")
    assert "transfer_refused" not in [kind for kind, _ in await market.books()]
    await market.owner.execute(
        "UPDATE effects SET due_at = now() - interval '1 s' WHERE state = 'PLANNED'"
    )
    await market.settle()
    await lift(market, escrow)
    await market.settle()

    assert len(await market.sandbox.objects(TRANSFERS)) == 1
    assert (await market.books())[-1][0] == "transfer_confirmed"
    await assert_same_as_stripe(market)


async def test_a_payment_that_is_threatened_after_its_release_was_sent_is_shown(
    market: Marketplace,
) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    await market.settle()
    made = await dispute(market, await charge_of(market, escrow))

    await told(market, "charge.dispute.created")

    assert await freezes(market) == [("CHARGEBACK", made["id"], "OPEN", 0, 10_500)]
    (shown,) = (await market.read(escrow)).milestones[0].freezes
    assert shown.beyond.amount_minor == 10_500
