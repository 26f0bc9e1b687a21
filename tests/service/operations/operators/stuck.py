"""Effects and events that wait, as a bad day leaves them."""

import copy
import json
from typing import Any

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.events.forgeries import of_type, verdict
from tests.service.operations.marketplace import Event, Marketplace
from tests.service.operations.transfers import TRANSFERS, TRIES

REASON = "Stripe's support says so."


async def transfer_under_way(
    market: Marketplace, country: str = "US"
) -> tuple[pb.Escrow, party_pb.Payee]:
    """80.00 are released and their transfer is planned, not sent."""
    payee = await market.new_payee(country=country)
    escrow = await market.delivered_escrow(payee=payee)
    return await market.accept(escrow), payee


async def open_effect(market: Marketplace, kind: str = "create_transfer") -> op.Effect:
    """The newest open effect of this kind, as an operator sees it."""
    listed = (await market.operator.operators.ListEffects(op.ListEffectsRequest())).effects
    return next(effect for effect in listed if effect.kind == kind)


async def read_effect(market: Marketplace, effect: op.Effect) -> op.Effect:
    request = op.GetEffectRequest(effect_id=effect.id)
    return (await market.operator.operators.GetEffect(request)).effect


async def never_arrived(market: Marketplace, country: str = "US") -> op.Effect:
    """A transfer of which nobody knows that nothing of it was done."""
    await transfer_under_way(market, country)
    # Also for those of other tests, which are due too.
    await market.sandbox.fail_next(TRANSFERS, "cut_before_effect", times=100 * TRIES)
    await market.effects.run_once()
    await market.sandbox.control("faults", verb="DELETE")
    return await open_effect(market)


async def answer_lost(market: Marketplace) -> tuple[op.Effect, dict[str, Any]]:
    """A transfer that was made, and nobody heard of it; with the transfer."""
    await transfer_under_way(market)
    await market.sandbox.fail_next(TRANSFERS, "cut_after_effect", times=100 * TRIES)
    await market.effects.run_once()
    await market.sandbox.control("faults", verb="DELETE")
    effect = await open_effect(market)
    made = await market.sandbox.objects(TRANSFERS)
    return effect, next(each for each in made if each["metadata"]["effect"] == effect.id)


async def shadowed(market: Marketplace) -> tuple[op.Effect, dict[str, Any], dict[str, Any]]:
    """A transfer that was made and not heard of, and a later one, by hand and of another amount,
    whose metadata was copied from it: every look-up finds the wrong one. With both transfers.
    """
    _, made = await answer_lost(market)
    copied = await transfer_by_hand(market, made, amount="100")
    await market.patience()
    await market.effects.run_once()
    return await open_effect(market), made, copied


async def transfer_by_hand(
    market: Marketplace, like: dict[str, Any], **changes: str
) -> dict[str, Any]:
    """Somebody makes a transfer in the dashboard, and copies the metadata of another."""
    names = ("amount", "currency", "destination", "transfer_group")
    form = {name: str(like[name]) for name in names}
    form |= {f"metadata[{name}]": text for name, text in like["metadata"].items()}
    return await market.sandbox.stripe(TRANSFERS, **(form | changes))


async def asked_for(market: Marketplace, effect: op.Effect) -> dict[str, Any]:
    """The parameters of the call."""
    query = "SELECT request FROM effects WHERE effect_id = $1::text::uuid"
    asked: dict[str, Any] = json.loads(
        await market.owner.fetchval(query, effect.id.removeprefix("eff_"))
    )
    return asked


def as_asked(request: dict[str, Any]) -> dict[str, str]:
    """The same as a person types it into the dashboard, without our metadata."""
    return {name: str(request[name]) for name in request.keys() - {"metadata", "expand"}}


async def long_ago(market: Marketplace) -> None:
    """What was sent last was sent a while ago: Stripe is not working on it any more."""
    await market.owner.execute(
        "UPDATE effects SET updated_at = updated_at - interval '3 minutes' WHERE state = 'UNKNOWN'"
    )


async def suspended(
    market: Marketplace, *amounts_minor: int, payee: party_pb.Payee | None = None
) -> tuple[pb.Escrow, pb.Payment]:
    """Two milestones of 50.00, or of these amounts. The first was paid for, and canceled by hand
    while the payer was paying: its money is in suspense, and settled.
    """
    escrow = await market.new_escrow(*(amounts_minor or (5_000, 5_000)), payee=payee)
    payment = await market.fund(escrow, escrow.milestones[0])
    await market.owner.execute(
        "UPDATE milestones SET state = 'CANCELED' WHERE milestone_id = $1::text::uuid",
        escrow.milestones[0].id.removeprefix("mst_"),
    )
    await market.pay(payment)
    await market.settle()
    return await market.read(escrow), await market.read_payment(payment)


def application(
    payment: pb.Payment,
    *milestones: pb.Milestone,
    **more: Any,  # noqa: ANN401  any field
) -> op.ApplySuspenseRequest:
    return op.ApplySuspenseRequest(
        request_id=new_request_id(),
        payment_id=payment.id,
        milestone_ids=[milestone.id for milestone in milestones],
        reason=REASON,
        **more,
    )


async def event_set_aside(market: Marketplace) -> tuple[pb.Escrow, Event]:
    """An event that tells of another amount than was asked for; with its escrow."""
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    event = copy.deepcopy((await of_type(market, "payment_intent.succeeded"))[-1])
    event["id"] = f"evt_{new_request_id().replace('-', '')}"
    event["data"]["object"] |= {"amount": 1, "amount_received": 1}
    state, _ = await verdict(market, event)
    assert state == "SUSPENSE"
    return escrow, event


async def read_event(market: Marketplace, event: Event) -> op.StripeEvent:
    request = op.GetStripeEventRequest(event_id=event["id"])
    return (await market.operator.operators.GetStripeEvent(request)).event


def retry(effect: op.Effect, **more: Any) -> op.RetryEffectRequest:  # noqa: ANN401  any field
    return op.RetryEffectRequest(
        request_id=new_request_id(), effect_id=effect.id, reason=REASON, **more
    )


def rejection(effect: op.Effect, **more: Any) -> op.RejectEffectRequest:  # noqa: ANN401  likewise
    return op.RejectEffectRequest(
        request_id=new_request_id(), effect_id=effect.id, reason=REASON, **more
    )


def settlement(
    effect: op.Effect,
    made: str,
    **more: Any,  # noqa: ANN401  likewise
) -> op.SettleEffectRequest:
    return op.SettleEffectRequest(
        request_id=new_request_id(),
        effect_id=effect.id,
        stripe_object=made,
        reason=REASON,
        **more,
    )
