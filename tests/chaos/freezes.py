"""Operators freeze what is held, and let it move again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from escrow.v1 import escrow_service_pb2 as pb
from tests.chaos.caller import Party

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

REASONS = (
    pb.FREEZE_REASON_RISK,
    pb.FREEZE_REASON_LEGAL,
    pb.FREEZE_REASON_KYC,
    pb.FREEZE_REASON_ADMIN,
)


async def place(deal: Deal, rng: random.Random) -> None:
    """All that is held or a part of it, now and then more; now and then by who may not."""
    held = [m for m in deal.escrow.milestones if m.held.amount_minor]
    milestone = rng.choice(held or list(deal.escrow.milestones))
    request = pb.PlaceFreezeRequest(
        escrow_id=deal.escrow.id,
        milestone_id=milestone.id,
        freeze_reason=rng.choice(REASONS),
        reason="The police asked.",
    )
    if rng.random() < 0.75:
        most_minor = milestone.held.amount_minor * 11 // 10
        request.amount_minor = deal.currencies.part(rng, most_minor, deal.escrow.currency)
    deal.saw(await deal.want("PlaceFreeze", _who(rng), request, rng))


async def lift(deal: Deal, rng: random.Random) -> None:
    """A frozen amount may move again."""
    freezes = freezes_of(deal)
    if freezes:
        request = pb.LiftFreezeRequest(
            escrow_id=deal.escrow.id, freeze_id=rng.choice(freezes).id, reason="I looked at it."
        )
        deal.saw(await deal.want("LiftFreeze", _who(rng), request, rng))


def freezes_of(deal: Deal) -> list[pb.Freeze]:
    """All that the marketplace knows of."""
    return [freeze for milestone in deal.escrow.milestones for freeze in milestone.freezes]


def _who(rng: random.Random) -> Party:
    return "operator" if rng.random() < 0.9 else rng.choice(["payer", "payee"])
