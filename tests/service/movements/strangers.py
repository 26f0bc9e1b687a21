"""What others do in the same Stripe account: the dashboard, another product, Stripe itself."""

from typing import Any

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import CARD, Marketplace

Json = dict[str, Any]


async def charge_of(market: Marketplace, escrow: pb.Escrow) -> Json:
    """The charge that funded an escrow."""
    payments = await market.owner.fetch("SELECT stripe_charge FROM payments")
    ours = {row["stripe_charge"] for row in payments}
    charges = await market.sandbox.objects("/v1/charges")
    return next(
        charge
        for charge in charges
        if charge["id"] in ours and charge["metadata"].get("escrow") == escrow.id
    )


async def refund(market: Marketplace, charge: Json, amount_minor: int | None = None) -> Json:
    """A refund made in the dashboard."""
    amount = {} if amount_minor is None else {"amount": str(amount_minor)}
    return await market.sandbox.stripe("/v1/refunds", charge=charge["id"], **amount)


async def dispute(market: Marketplace, charge: Json, **more: Any) -> Json:  # noqa: ANN401  JSON
    """The card's bank takes a charge back, or inquires about it."""
    return await market.sandbox.control(f"charges/{charge['id']}/dispute", **more)


async def foreign_charge(market: Marketplace, amount_minor: int = 7_700) -> Json:
    """A payment to another product of the same company."""
    intent = await market.sandbox.stripe(
        "/v1/payment_intents",
        amount=str(amount_minor),
        currency="usd",
        confirm="true",
        payment_method=CARD,
        return_url="https://other.example",
        **{"metadata[order]": "7", "payment_method_types[0]": "card"},
    )
    await market.sandbox.advance()
    charges = await market.sandbox.objects("/v1/charges")
    return next(charge for charge in charges if charge["id"] == intent["latest_charge"])


async def moved(market: Marketplace, type_: str, amount_minor: int) -> Json:
    """Stripe moves the platform's balance by itself."""
    return await market.sandbox.control("balance_transactions", type=type_, amount=amount_minor)


async def lift(market: Marketplace, escrow: pb.Escrow) -> pb.Escrow:
    """An operator lifts every freeze of the escrow."""
    current = await market.read(escrow)
    operator = market.client("operator", role="operator")
    for freeze in [each for m in current.milestones for each in m.freezes]:
        request = pb.LiftFreezeRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            freeze_id=freeze.id,
            reason="Somebody looked at it.",
        )
        current = (await operator.escrows.LiftFreeze(request)).escrow
    return current


async def rows(market: Marketplace) -> dict[str, Any]:
    """Every balance transaction that has a row, with the kind of the journal that booked it."""
    found = await market.owner.fetch("""
        SELECT t.balance_transaction_id, t.type, t.net_minor, t.source, t.stripe_account, j.kind
        FROM balance_transactions AS t
        LEFT JOIN journals AS j USING (tenant_id, journal_id) ORDER BY t.created_at""")
    return {row["balance_transaction_id"]: row for row in found}


async def freezes(market: Marketplace) -> list[tuple[str, str, str, int, int]]:
    """Every freeze: its reason, source and state, what it freezes, and what lies beyond."""
    found = await market.owner.fetch("""
        SELECT reason, source, state, amount_minor, beyond_minor FROM freezes
        ORDER BY created_at, freeze_id""")
    return [tuple(row) for row in found]


async def assert_same_as_stripe(market: Marketplace) -> None:
    """Nothing at Stripe differs from the books, of the platform and of every payee."""
    for found in await market.compare():
        assert found.clean, found
        assert not found.undecided, found
