"""Books one balance transaction, whatever it is: afterwards it has its row."""

from __future__ import annotations

import structlog
from opentelemetry import metrics

from service.aggregates.chargeback import observe_dispute
from service.aggregates.contradiction import Contradiction, NotOurs
from service.aggregates.escrow import open_case
from service.aggregates.freeze import Cause, freeze_and_hold_back
from service.aggregates.payment import transaction_source
from service.domain.errors import StripeRefused
from service.domain.journal import Part
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import booked
from service.domain.unit import UnitOfWork
from service.movements.connected import is_ours
from service.movements.movement import (
    Handler,
    Kinds,
    Movement,
    Touched,
    add_row,
    is_booked,
    run,
)
from service.movements.table import (
    BY_SOURCE,
    EXTERNAL,
    OF_STRIPE,
    OTHER_BUSINESS,
    UNEXPLAINED,
)
from service.runtime import Runtime
from service.store.commit import StripeObjectTaken
from service.stripe.objects.values import Unreadable

log = structlog.get_logger()
_BOOKED = metrics.get_meter("service.movements").create_counter(
    "escrow.movements.booked",
    unit="{balance_transaction}",
    description="Balance transactions that no operation of ours had booked, by kind of journal.",
)


async def book_movement(runtime: Runtime, movement: Movement) -> None:
    """Books a movement, and freezes what it touches without our having asked for it.

    Raises:
        Undecided: an operation of ours that is under way will book it.
        StripeUnavailable, DatabaseUnavailable, Busy: not now.
    """
    if movement.account:
        if not await is_ours(runtime, movement):
            await _post(runtime, movement, EXTERNAL)
        return
    if kinds := OF_STRIPE.get(movement.shown.type):
        await _post(runtime, movement, kinds)
        return
    if movement.source is None:
        await give_up(runtime, movement, "nothing caused it")
        return
    handle = BY_SOURCE.get(str(movement.source.get("object")))
    if handle is None:
        await _post(runtime, movement, OTHER_BUSINESS)
    else:
        await _book_by_source(runtime, movement, handle)


async def _book_by_source(runtime: Runtime, movement: Movement, handle: Handler) -> None:
    try:
        touched = await handle(runtime, movement)
    except NotOurs:
        await _post(runtime, movement, OTHER_BUSINESS)
    except (StripeRefused, Unreadable) as problem:  # a moment may heal it
        why = f"{type(problem).__name__}: {problem}"
        movement.undecided(why)
        await give_up(runtime, movement, why)
    except (Contradiction, StripeObjectTaken) as problem:
        await give_up(runtime, movement, str(problem))
    else:
        if isinstance(touched, Kinds):
            await _post(runtime, movement, touched)
        elif touched is not None:
            await _post_unexplained(runtime, movement, touched, touched.reason)


async def give_up(runtime: Runtime, movement: Movement, why: str) -> None:
    """Books a movement that no rule explains, and that touches nothing of ours."""
    await _post_unexplained(runtime, movement, None, why)


async def _post_unexplained(
    runtime: Runtime, movement: Movement, touched: Touched | None, why: str
) -> None:
    log.warning(
        "unexplained at Stripe",
        tenant=movement.tenant_id,
        balance_transaction=movement.shown.id,
        type=movement.shown.type,
        source=movement.shown.source,
        net_minor=movement.shown.net_minor,
        currency=movement.shown.currency,
        escrow=touched.escrow_id.hex if touched else "",
        why=why,
    )
    await _post(runtime, movement, UNEXPLAINED, touched)


async def _post(
    runtime: Runtime, movement: Movement, kinds: Kinds, touched: Touched | None = None
) -> None:
    shown = movement.shown
    kind = kinds.brought if movement.brought else kinds.took

    async def story(unit: UnitOfWork) -> bool:
        if await is_booked(runtime, movement):
            return True
        if await add_row(runtime, unit, movement, transaction_source(shown.id), *kinds):
            unit.operation = "restore_row"  # its journal is there: somebody lost the row
            return True
        unit.note = f"{shown.type} {shown.source or ''}".strip()
        if touched is not None:
            await _freeze(runtime, unit, shown.id, touched)
        _add(unit, movement, kind)
        return True

    try:
        await run(runtime, movement, story)
    except StripeObjectTaken:
        return  # another process was faster
    _BOOKED.add(1, {"escrow.journal.kind": kind.value})


async def _freeze(
    runtime: Runtime, unit: UnitOfWork, transaction_id: str, touched: Touched
) -> None:
    case = await open_case(runtime, unit, touched.escrow_id)
    case.touch()  # it is a part of the escrow's story, also when it was frozen before
    payment = case.payment(touched.payment_id)
    if touched.dispute:
        await observe_dispute(runtime, case, payment, touched.dispute, fact=transaction_id)
    elif touched.amount_minor:
        cause = Cause(touched.reason, touched.source, transaction_id)
        await freeze_and_hold_back(runtime, case, payment, touched.amount_minor, cause)


def _add(unit: UnitOfWork, movement: Movement, kind: JournalKind) -> None:
    shown, account = movement.shown, movement.account or None
    if not shown.net_minor:  # there is nothing to post
        unit.put(booked(movement.tenant_id, shown, None, unit.now, account=account))
        return
    names = {"balance_transaction": shown.id, "account": movement.account}
    unit.post(
        kind,
        transaction_source(shown.id),
        shown.currency,
        [Part(names, {"amount": abs(shown.net_minor)})],
        event_at=shown.created_at,
        transaction=shown,
        account=account,
    )
