"""Events of refunds and early fraud warnings: adverse news of a payment.

Each is fetched: that it threatens a payment, and which, is for Stripe's API to say. Nothing is
posted here. What moved the balance is booked by its balance transaction (movements/).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from service.aggregates.contradiction import NotOurs
from service.aggregates.escrow import open_case
from service.aggregates.threat import Threatening, observe_threat, threatened_payment
from service.domain.unit import UnitOfWork
from service.events.event import Event, Handler, change
from service.runtime import Runtime
from service.store.payments import find_payment
from service.stripe.gateway import StripeGateway
from service.stripe.objects.threats import Threat
from service.stripe.objects.values import Object

log = structlog.get_logger()

Fetch = Callable[[StripeGateway, str], Awaitable[Object]]


def threat_seen(fetch: Fetch, parse: Callable[[Object], Threat], *, moves: bool = False) -> Handler:
    """The handler of events of one such object. What ``moves`` the balance is found by the sweep,
    too: nothing is fetched for another product's. Else the charge is asked whose it is.
    """

    async def handle(runtime: Runtime, event: Event) -> None:
        tenant_id, told = event.stored.tenant_id, parse(event.object)
        await check_ours(runtime, tenant_id, told, moves=moves)
        gateway = runtime.stripe[tenant_id].for_workers
        threat = parse(await fetch(gateway, told.source))
        payment = await threatened_payment(runtime, tenant_id, threat)

        async def story(unit: UnitOfWork) -> None:
            case = await open_case(runtime, unit, payment.escrow_id)
            await observe_threat(runtime, case, payment, threat)

        await change(runtime, event.stored, story)
        log.warning(
            "payment threatened",
            tenant=tenant_id,
            escrow=payment.escrow_id.hex,
            reason=threat.reason,
            source=threat.source,
            over=threat.over,
        )

    return handle


async def check_ours(
    runtime: Runtime, tenant_id: str, told: Threatening, *, moves: bool = False
) -> None:
    """Whether what an event tells of is of a payment of ours, before it is fetched.

    Raises:
        NotOurs.
    """
    intent, charge = told.payment_intent, told.charge
    known = await find_payment(runtime.pool, tenant_id, payment_intent=intent, charge=charge)
    if moves and known is None:
        raise NotOurs("no payment")
    if known is None:
        await threatened_payment(runtime, tenant_id, told)
