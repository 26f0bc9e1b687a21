"""What is sure to be answered to operators."""

from escrow.client import new_request_id
from escrow.v1 import operator_service_pb2 as op
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.operators.stuck import (
    REASON,
    answer_lost,
    application,
    event_set_aside,
    long_ago,
    never_arrived,
    read_effect,
    rejection,
    retry,
    settlement,
    suspended,
)


def _asked(request: object) -> Asked:
    return Asked("operator", request, role="operator")


async def _list_effects(_: Marketplace) -> Asked:
    return _asked(op.ListEffectsRequest(page_size=2, filter=op.EFFECT_FILTER_NEEDS_PERSON))


async def _get_effect(market: Marketplace) -> Asked:
    return _asked(op.GetEffectRequest(effect_id=(await never_arrived(market)).id))


async def _retry_effect(market: Marketplace) -> Asked:
    effect = await never_arrived(market)
    return _asked(retry(effect, etag=effect.etag))


async def _reject_effect(market: Marketplace) -> Asked:
    effect = await never_arrived(market)
    await long_ago(market)
    return _asked(rejection(effect, etag=effect.etag))


async def _settle_effect(market: Marketplace) -> Asked:
    effect, made = await answer_lost(market)
    return _asked(settlement(effect, made["id"], etag=(await read_effect(market, effect)).etag))


async def _list_stripe_events(_: Marketplace) -> Asked:
    filter_ = op.STRIPE_EVENT_FILTER_NEEDS_PERSON
    return _asked(op.ListStripeEventsRequest(page_size=2, filter=filter_))


async def _get_stripe_event(market: Marketplace) -> Asked:
    _, event = await event_set_aside(market)
    return _asked(op.GetStripeEventRequest(event_id=event["id"]))


async def _retry_stripe_event(market: Marketplace) -> Asked:
    _, event = await event_set_aside(market)
    request = op.RetryStripeEventRequest(
        request_id=new_request_id(), event_id=event["id"], reason=REASON
    )
    return _asked(request)


async def _dismiss_stripe_event(market: Marketplace) -> Asked:
    _, event = await event_set_aside(market)
    request = op.DismissStripeEventRequest(
        request_id=new_request_id(), event_id=event["id"], reason=REASON
    )
    return _asked(request)


async def _list_suspense(_: Marketplace) -> Asked:
    return _asked(op.ListSuspenseRequest(page_size=2))


async def _apply_suspense(market: Marketplace) -> Asked:
    escrow, payment = await suspended(market)
    return _asked(application(payment, escrow.milestones[1], etag=escrow.etag))


REQUESTS: Requests = {
    "ListEffects": _list_effects,
    "GetEffect": _get_effect,
    "RetryEffect": _retry_effect,
    "RejectEffect": _reject_effect,
    "SettleEffect": _settle_effect,
    "ListStripeEvents": _list_stripe_events,
    "GetStripeEvent": _get_stripe_event,
    "RetryStripeEvent": _retry_stripe_event,
    "DismissStripeEvent": _dismiss_stripe_event,
    "ListSuspense": _list_suspense,
    "ApplySuspense": _apply_suspense,
}
