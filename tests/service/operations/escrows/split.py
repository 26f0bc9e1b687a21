"""What the tests of milestones with several payees share."""

from collections.abc import Sequence

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import Entries, Marketplace, escrow_request


def share(
    payee: party_pb.Payee, *, basis: int | None = None, of: int | None = None
) -> pb.PayeeShare:
    """Basis points, an amount, or the rest."""
    return pb.PayeeShare(payee_id=payee.id, basis_points=basis, amount_minor=of)


async def request_of(
    market: Marketplace,
    shares: Sequence[pb.PayeeShare],
    *amounts_minor: int,
    lead: party_pb.Payee | None = None,
    currency: str = "USD",
) -> pb.CreateEscrowRequest:
    """For an escrow whose first milestone is split. Its payee is the lead, or the first of them."""
    payee = lead or party_pb.Payee(id=shares[0].payee_id)
    payer = await market.new_payer()
    request = escrow_request(*amounts_minor, payer=payer, payee=payee, currency=currency)
    request.milestones[0].payees.extend(shares)
    return request


async def split_escrow(
    market: Marketplace,
    shares: Sequence[pb.PayeeShare],
    *amounts_minor: int,
    delivered: bool = True,
) -> pb.Escrow:
    """Paid for by card, and delivered."""
    request = await request_of(market, shares, *amounts_minor)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    await market.pay(await market.fund(escrow))
    await market.settle()
    escrow = await market.read(escrow)
    return await market.deliver(escrow) if delivered else escrow


async def plain_books(market: Marketplace, escrow: pb.Escrow, *payees: party_pb.Payee) -> Entries:
    """The journals, with p1, p2 ... for the payees and a1, a2 ... for their accounts."""
    names = {m.id: f"m{n}" for n, m in enumerate(escrow.milestones, start=1)}
    for number, payee in enumerate(payees, start=1):
        names |= {payee.id: f"p{number}", payee.stripe_account: f"a{number}"}
    found: Entries = []
    for kind, entries in await market.books():
        plain = {
            ":".join(names.get(p, p) for p in name.split(":")): entries[name] for name in entries
        }
        found.append((kind, plain))
    return found


def in_order(journals: Entries) -> Entries:
    """Those of one kind each, in the order of their payees, and not of Stripe's answers."""
    return sorted(journals, key=lambda journal: sorted(journal[1]))


def amounts(payee: pb.MilestonePayee) -> tuple[int, ...]:
    """Their part, its fee, what of it is held, was released, and was transferred."""
    shown = (payee.amount, payee.payee_fee, payee.held, payee.released, payee.transferred)
    return tuple(each.amount_minor for each in shown)
