"""Transfers that support takes back in Stripe's dashboard, and what operators say that was for."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.caller import Breach, Caller
from tests.chaos.currencies import part_minor
from tests.chaos.freezes import freezes_of
from tests.chaos.listed import is_ours
from tests.chaos.strangers import BY_HAND
from tests.scenarios.sandbox_client import Json
from tests.world import World

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

WHOLE_SHARE = 0.3  # of the reversals
PURPOSES = (
    *[refund.REVERSAL_PURPOSE_FOR_DEBT] * 3,
    *[refund.REVERSAL_PURPOSE_GIVE_BACK] * 3,
    refund.REVERSAL_PURPOSE_KEEP,
)
KEEP = refund.REVERSAL_PURPOSE_KEEP


async def reverse_by_hand(deal: Deal, rng: random.Random) -> None:
    """Of a transfer of this deal, which may be of any of its payees; Stripe may refuse it."""
    with suppress(aiohttp.ClientError, AssertionError, ValueError):
        made = await deal.sandbox.all_of("/v1/transfers")
        ours = [t for t in made if is_ours(t) and t["metadata"]["escrow"] == deal.escrow.id]
        if not ours:
            return
        transfer = rng.choice(ours)
        form = {f"metadata[{BY_HAND}]": "yes"}
        if rng.random() >= WHOLE_SHARE:
            form["amount"] = str(part_minor(rng, transfer["amount"], transfer["currency"]))
        await deal.sandbox.stripe("POST", f"/v1/transfers/{transfer['id']}/reversals", **form)
    await deal.look(rng)


async def adopt_reversal(deal: Deal, rng: random.Random) -> None:
    """An operator says what one of them was for, rightly or not."""
    freezes = frozen_by_reversals(deal)
    if freezes:
        request = refund.AdoptReversalRequest(
            escrow_id=deal.escrow.id,
            freeze_id=rng.choice(freezes).id,
            purpose=rng.choice(PURPOSES),
            reason="Support did it.",
        )
        deal.saw(await deal.want("AdoptReversal", "operator", request, rng))


def frozen_by_reversals(deal: Deal) -> list[pb.Freeze]:
    """The freezes of reversals that the marketplace knows of."""
    reason = pb.FREEZE_REASON_TRANSFER_REVERSED
    return [each for each in freezes_of(deal) if each.reason == reason]


def taken_of_reversals(caller: Caller, *, kept: bool = True) -> Counter[str]:
    """How much of each reversal at Stripe clients were told is adopted, in the transfer's currency;
    without what the platform kept unless ``kept``.
    """
    found: Counter[str] = Counter()
    for intention in caller.intentions:
        adopted = intention.method == "AdoptReversal" and intention.answer
        if adopted and (kept or intention.request.purpose != KEEP):
            told = intention.answer.reversal
            found[told.stripe_reversal] += told.taken.amount_minor
    return found


def given_back(caller: Caller) -> set[str]:
    """The releases that clients were told wait for a transfer because of that."""
    answers = [i.answer for i in caller.intentions if i.method == "AdoptReversal" and i.answer]
    return {a.reversal.new_release_id for a in answers} - {""}


async def check_adopted(world: World, caller: Caller) -> list[Breach]:
    """Of no reversal more was adopted than Stripe shows, and each answer told what was left."""
    shown: dict[str, Json] = {}
    for transfer in await world.sandbox.all_of("/v1/transfers"):
        shown |= {each["id"]: each for each in transfer["reversals"]["data"]}
    lefts: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for intention in caller.intentions:
        if intention.method == "AdoptReversal" and intention.answer:
            told = intention.answer.reversal
            lefts[told.stripe_reversal].append((told.left.amount_minor, told.taken.amount_minor))
    breaches = []
    for reversal, told_of in lefts.items():
        left_minor = shown[reversal]["amount"]
        for told_minor, taken_minor in sorted(told_of, reverse=True):
            left_minor -= taken_minor
            if told_minor != left_minor or left_minor < 0 or taken_minor <= 0:
                facts = {"reversal": shown[reversal], "told": told_of}
                breaches.append(Breach("a reversal is adopted otherwise", facts))
    return breaches
