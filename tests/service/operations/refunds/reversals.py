"""Reversals that somebody makes in Stripe's dashboard, and an operator adopts."""

import re
from typing import Any

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.test_currencies import entries_of
from tests.service.operations.marketplace import Marketplace

Lines = list[tuple[str, str, int]]


async def transfers(market: Marketplace) -> list[Any]:
    """The transfers at Stripe, the oldest first."""
    return [*reversed(await market.sandbox.objects("/v1/transfers"))]


async def reverse(
    market: Marketplace,
    amount_minor: int | None = None,
    *,
    number: int = 1,
    escrow: pb.Escrow | None = None,
) -> dict[str, Any]:
    """A reversal of the first transfer, or another, or the first of an escrow, made in the
    dashboard; all news of it came.
    """
    of_escrow = escrow.id if escrow else ""
    ours = [t for t in await transfers(market) if of_escrow in t["metadata"].get("escrow", "")]
    transfer = ours[number - 1]
    amount = {} if amount_minor is None else {"amount": str(amount_minor)}
    made = await market.sandbox.stripe(f"/v1/transfers/{transfer['id']}/reversals", **amount)
    await market.settle()
    await market.sweep()
    return made


async def freeze_of(market: Marketplace, reversal: dict[str, Any]) -> str:
    row = await market.owner.fetchval(
        "SELECT freeze_id FROM freezes WHERE source = $1 ORDER BY freeze_id LIMIT 1",
        reversal["id"],
    )
    return f"frz_{row.hex}"


def request(
    escrow: pb.Escrow, freeze_id: str, purpose: str, *, dry: bool = False, request_id: str = ""
) -> refund_pb.AdoptReversalRequest:
    return refund_pb.AdoptReversalRequest(
        request_id=request_id or new_request_id(),
        escrow_id=escrow.id,
        freeze_id=freeze_id,
        purpose=refund_pb.ReversalPurpose.Value(f"REVERSAL_PURPOSE_{purpose}"),
        reason="Support took it back.",
        validate_only=dry,
    )


async def adopt(
    market: Marketplace,
    escrow: pb.Escrow,
    reversal: dict[str, Any],
    purpose: str,
    *,
    dry: bool = False,
) -> refund_pb.AdoptedReversal:
    asked = request(escrow, await freeze_of(market, reversal), purpose, dry=dry)
    operator = market.client("operator", role="operator")
    return (await operator.refunds.AdoptReversal(asked)).reversal


async def lines(market: Marketplace, kind: str) -> Lines:
    """The entries of all journals of this kind."""
    found = await entries_of(market, kind)
    return [(re.sub("txn_.*", "*", account), currency, n) for account, currency, n in found]
