"""Chargebacks as operators read them, and escrows whose payment is disputed."""

from typing import Any

from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from tests.service.movements.strangers import Json, charge_of, dispute
from tests.service.operations.marketplace import Marketplace


async def chargebacks(market: Marketplace, condition: str = "") -> list[pb.Chargeback]:
    """Those that are listed, the newest first."""
    client = market.client("operator", role="auditor").chargebacks
    return list(
        (await client.ListChargebacks(pb.ListChargebacksRequest(filter=condition))).chargebacks
    )


async def disputed(market: Marketplace, escrow: escrow_pb.Escrow, **more: Any) -> Json:  # noqa: ANN401  JSON
    """Stripe's dispute of what funded the escrow, of which the service has heard."""
    made = await dispute(market, await charge_of(market, escrow), **more)
    await market.settle()
    return made


async def lost_escrow(market: Marketplace) -> pb.Chargeback:
    """A chargeback of a payment that funded an escrow, which the bank decided for the payer."""
    found = await disputed_escrow(market)
    await market.sandbox.control(f"disputes/{found.stripe_dispute}/lose")
    await market.settle()
    return found


async def disputed_escrow(market: Marketplace) -> pb.Chargeback:
    """The chargeback of a payment that funded an escrow."""
    escrow = await market.funded_escrow()
    await disputed(market, escrow)
    (found,) = await chargebacks(market, f'escrow_id = "{escrow.id}"')
    return found


async def preview(
    market: Marketplace, found: pb.Chargeback
) -> pb.PreviewChargebackEvidenceResponse:
    client = market.client("operator", role="auditor").chargebacks
    request = pb.PreviewChargebackEvidenceRequest(chargeback_id=found.id)
    return await client.PreviewChargebackEvidence(request)
