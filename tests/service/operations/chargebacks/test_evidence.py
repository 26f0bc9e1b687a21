"""Evidence against a chargeback is made of the escrow's own records."""

from escrow.client import new_request_id
from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from tests.service.operations.asked import WHY
from tests.service.operations.chargebacks.disputes import chargebacks, disputed, preview
from tests.service.operations.marketplace import Marketplace, acceptance


def texts(shown: pb.ChargebackEvidence) -> dict[str, str]:
    return {each.name: each.text for each in shown.fields}


async def test_it_says_what_the_records_say_and_the_same_records_say_the_same(
    market: Marketplace,
) -> None:
    payee = await market.new_payee()
    escrow = await market.funded_escrow(6_000, 4_000, payee=payee)
    await market.deliver(escrow)
    changes = escrow_pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="In blue, please.\n2026-11-01 UTC: it was bad.",
    )
    await market.payer.escrows.RequestChanges(changes)
    await market.deliver(escrow)
    await market.accept(escrow)
    await market.settle()
    made = await disputed(market, escrow)
    (found,) = await chargebacks(market)

    async with market.unchanged():
        shown = await preview(market, found)

    said = texts(shown.evidence)
    assert said["customer_name"] == "Ann Payer"
    assert said["customer_email_address"] == "ann@example.com"
    acts = [line.partition(" UTC: ")[2] for line in said["access_activity_log"].splitlines()]
    assert acts == [
        "the marketplace made the agreement (Part 1, Part 2)",
        "the payer began to pay",
        "the payer's payment succeeded",
        'the payee delivered (Part 1): "It is in the shared folder."',
        (
            "the payer looked at the delivery and asked for changes (Part 1):"
            ' "In blue, please. 2026-11-01 UTC: it was bad."'
        ),
        'the payee delivered (Part 1): "It is in the shared folder."',
        "the payer accepted the delivery (Part 1)",
    ]
    assert "Part 2: 40.00 USD" in said["product_description"]
    assert "within 24 hours" in said["cancellation_policy_disclosure"]
    assert "version 1 of" in said["refund_policy_disclosure"]
    assert "The payer accepted 'Part 1'" in said["refund_refusal_explanation"]
    assert "105.00 USD" in said["uncategorized_text"]
    assert made["charge"] in said["uncategorized_text"]
    assert not shown.blockers
    assert shown.due_time == found.due_time
    assert "second fee" in shown.costs
    assert shown.evidence.characters == sum(map(len, said.values()))

    # What an operator does and writes is not the bank's; what the parties do is.
    freeze_id = await market.owner.fetchval("SELECT freeze_id FROM freezes LIMIT 1")
    lift = escrow_pb.LiftFreezeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        freeze_id=f"frz_{freeze_id.hex}",
        reason=WHY,
    )
    await market.client("operator", role="operator").escrows.LiftFreeze(lift)
    assert await preview(market, found) == shown
    await market.deliver(escrow, 2)
    moved = await preview(market, found)
    assert moved.evidence.hash != shown.evidence.hash
    await market.sandbox.control(f"disputes/{made['id']}/lose")
    await market.settle()
    lost = await preview(market, found)
    assert (list(lost.blockers), lost.costs) == (["it is lost"], "")


async def test_it_says_from_where_the_payer_paid_and_accepted(market: Marketplace) -> None:
    """Where the caller told; the timeline, which the payee sees, does not."""
    escrow = await market.new_escrow(payee=await market.new_payee())
    fund = escrow_pb.FundEscrowRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        method=escrow_pb.PAYMENT_METHOD_PAYMENT_INTENT,
        client_ip="203.0.113",
    )
    async with market.refuses("INVALID_FIELD"):
        await market.payer.escrows.FundEscrow(fund)
    fund.client_ip, fund.user_agent = "2001:db8::7", "Mozilla/5.0\n(X11)"
    await market.pay((await market.payer.escrows.FundEscrow(fund)).payment)
    await market.settle()
    await market.deliver(escrow)
    accept = acceptance(escrow)
    accept.client_ip = "203.0.113.7/24"
    async with market.refuses("INVALID_FIELD"):
        await market.payer.escrows.AcceptDelivery(accept)
    accept.client_ip = "203.0.113.7"
    await market.payer.escrows.AcceptDelivery(accept)
    await market.settle()
    await disputed(market, escrow)
    (found,) = await chargebacks(market)

    said = texts((await preview(market, found)).evidence)

    assert said["customer_purchase_ip"] == "2001:db8::7"
    acts = said["access_activity_log"].splitlines()
    assert acts[1].endswith('the payer began to pay [from 2001:db8::7 by "Mozilla/5.0 (X11)"]')
    assert acts[-1].endswith("the payer accepted the delivery (Part 1) [from 203.0.113.7]")
    assert "203.0.113.7" not in str(await market.timeline(escrow))
