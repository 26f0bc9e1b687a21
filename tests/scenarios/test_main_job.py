"""The main job: money goes from a card to a payee's bank, and every cent of it is booked."""

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.scenarios.deal import Deal, books

# 100.00 with 5 % on top; Stripe keeps 2.9 % + 0.30 of 105.00; the payee's fee is 20 %.
FUNDED = (
    "payment_succeeded",
    {"asset:stripe_unsettled": 10_500, "liab:escrow:m1:held": -10_000}
    | {"liab:escrow:m1:fee_held": -500},
)
SETTLED = (
    "charge_settled",
    {"asset:stripe": 10_165, "exp:processing": 335, "asset:stripe_unsettled": -10_500},
)
RELEASED = (
    "released",
    {"liab:escrow:m1:held": 10_000, "liab:escrow:m1:fee_held": 500}
    | {"liab:payee:payee:payable": -8_000, "rev:service_fee": -2_000, "rev:platform_fee": -500},
)
REQUESTED = (
    "transfer_requested",
    {"liab:payee:payee:payable": 8_000, "liab:transfers_in_flight": -8_000},
)
CONFIRMED = (
    "transfer_confirmed",
    {"liab:transfers_in_flight": 8_000, "asset:stripe": -8_000}
    | {"conn:account:balance": 8_000, "conn:account:owner": -8_000},
)
PAYOUT_CREATED = (
    "payout_created",
    {"conn:account:in_transit": 8_000, "conn:account:balance": -8_000},
)
PAYOUT_PAID = ("payout_paid", {"conn:account:owner": 8_000, "conn:account:in_transit": -8_000})
TRANSFERRED = [FUNDED, SETTLED, RELEASED, REQUESTED, CONFIRMED]


async def test_a_job_is_funded_delivered_accepted_and_paid_out(deal: Deal) -> None:
    await deal.fund()
    assert deal.payment.client_secret
    assert deal.payment.amount.amount_minor == 10_500
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)

    await deal.deliver()
    await deal.accept()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert deal.escrow.state == pb.ESCROW_STATE_COMPLETED
    assert await deal.journals() == books(*TRANSFERRED)
    assert await deal.transfers() == [8_000]

    await deal.pay_out(8_000)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    await deal.world.sandbox.control("POST", f"payouts/{deal.payout.stripe_payout}/pay")
    await deal.until_payout(party.PAYOUT_STATE_PAID)
    assert await deal.journals() == books(*TRANSFERRED, PAYOUT_CREATED, PAYOUT_PAID)

    timeline = await deal.as_service.escrows.ListTimeline(
        pb.ListTimelineRequest(escrow_id=deal.escrow.id)
    )
    told = [(entry.operation, entry.actor) for entry in timeline.entries]
    for step in [
        ("create_escrow", "service"),
        ("fund_escrow", "payer"),
        ("apply_stripe_event", "stripe"),
        ("submit_delivery", "payee"),
        ("accept_delivery", "payer"),
        ("settle_effect", "stripe"),
    ]:
        assert step in told
