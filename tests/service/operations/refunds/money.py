"""What the tests of refunds share: asking for them, and looking at what became of the money."""

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.strangers import assert_same_as_stripe, moved
from tests.service.operations.marketplace import Marketplace

PLATFORM = "SELECT coalesce(sum(amount_minor), 0) FROM entries WHERE account = $1 AND currency = $2"
NOBODYS = "SELECT kind FROM journals WHERE kind LIKE 'refund%' AND escrow_id IS NULL"


def refund_request(
    escrow: pb.Escrow,
    amount_minor: int | None = None,
    *sources: tuple[str, int],
    number: int = 1,
    plan_hash: str = "",
) -> refund_pb.RefundMilestoneRequest:
    return refund_pb.RefundMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[number - 1].id,
        amount_minor=amount_minor,
        sources=[refund_pb.RefundSource(release_id=r, amount_minor=m) for r, m in sources],
        plan_hash=plan_hash,
        reason="It was broken.",
    )


async def stocked(market: Marketplace) -> Marketplace:
    """The platform has money of its own at Stripe: without it a refund waits for Stripe's fee."""
    await moved(market, "topup", 1_000_000)
    return market


async def refund(
    market: Marketplace, escrow: pb.Escrow, amount_minor: int | None = None, *, number: int = 1
) -> refund_pb.Refund:
    """The payee gives back so much of the price, or all that is left."""
    request = refund_request(escrow, amount_minor, number=number)
    return (await market.payee.refunds.RefundMilestone(request)).refund


async def read_refund(market: Marketplace, refund: refund_pb.Refund) -> refund_pb.Refund:
    request = refund_pb.GetRefundRequest(refund_id=refund.id)
    return (await market.service.refunds.GetRefund(request)).refund


async def put_back(market: Marketplace, refund: refund_pb.Refund) -> None:
    """An operator lets the money of a failed refund go back to where it was."""
    request = refund_pb.ResolveRefundRequest(
        request_id=new_request_id(),
        refund_id=refund.id,
        resolution=refund_pb.REFUND_RESOLUTION_PUT_BACK,
        reason="Their bank said so.",
    )
    await market.client("operator", role="operator").refunds.ResolveRefund(request)
    await market.settle()


async def receivables(market: Marketplace, condition: str = "") -> list[refund_pb.Receivable]:
    request = refund_pb.ListReceivablesRequest(filter=condition)
    client = market.client("operator", role="operator")
    return list((await client.refunds.ListReceivables(request)).receivables)


async def balances(market: Marketplace, payee: party_pb.Payee) -> list[party_pb.PayeeBalance]:
    """What a payee is told to have and to owe, by currency."""
    answer = await market.service.parties.GetPayee(party_pb.GetPayeeRequest(payee_id=payee.id))
    return list(answer.payee.balances)


async def platform(market: Marketplace, account: str, currency: str = "USD") -> int:
    """What an account comes to: positive on the debit side."""
    return int(await market.owner.fetchval(PLATFORM, account, currency))


async def transferred(
    market: Marketplace, *amounts_minor: int, payee: party_pb.Payee | None = None
) -> pb.Escrow:
    """Accepted, and with the payee."""
    payee = payee or await market.new_payee()
    escrow = await market.delivered_escrow(*amounts_minor, payee=payee)
    await market.accept(escrow)
    await market.settle()
    return await market.read(escrow)


async def assert_done(market: Marketplace) -> None:
    """Nothing is under way, and the books are Stripe's to the cent."""
    await market.settle()
    await market.sweep()
    assert await platform(market, "liab:refunds_in_flight") == 0
    assert await market.owner.fetch(NOBODYS) == []  # each is shown with its escrow
    await assert_same_as_stripe(market)
