"""Escrows that hold as much as a request may bring."""

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import Marketplace, escrow_request


async def large_request(
    market: Marketplace,
    *,
    milestones: int = 50,
    line_items: int = 20,
    payer: party_pb.Payer | None = None,
    payee: party_pb.Payee | None = None,
) -> pb.CreateEscrowRequest:
    """Of 811 kB, unless of fewer milestones with fewer items, all texts as long as they may be."""
    request = escrow_request(
        *(1_000,) * milestones,
        payer=payer or await market.new_payer(),
        payee=payee or await market.new_payee(active=False),
    )
    request.metadata.update({f"key {number}": "é" * 500 for number in range(2)})
    for milestone in request.milestones:
        milestone.title = "ü" * 200
        for number in range(line_items):
            price = 1_000 if number == 0 else 0
            milestone.line_items.add(
                name="ö" * 200, quantity=1, unit_amount_minor=price, sku=f"{number:03}" + "ä" * 197
            )
    return request
