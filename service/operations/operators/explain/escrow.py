"""An escrow explained: where its money is, why it waits, who can do what, and what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from escrow.v1 import approval_service_pb2 as approval_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.aggregates.blockers import blockers_of
from service.domain import ids
from service.domain.blocker import Blocker
from service.domain.call import Call
from service.domain.errors import DatabaseUnavailable
from service.operations.escrows.list_timeline import list_timeline
from service.operations.escrows.messages import escrow_message
from service.operations.held.messages import approval_message, blocker_of_approval
from service.operations.operators.explain.money import Sums, sums_of
from service.operations.operators.explain.refunds import (
    find_debts,
    held_again_minor,
    refunds_of,
)
from service.operations.operators.explain.waits import (
    effects_and_waits,
    unreadable,
    wait_of_event,
    wait_of_suspense,
)
from service.operations.operators.list_stripe_events import START, list_stripe_events
from service.operations.operators.messages import suspense_message
from service.operations.paging import next_page_token
from service.operations.parties.messages import payee_message, payer_message
from service.operations.payments.messages import payment_message
from service.runtime import Runtime
from service.store.approvals import find_waiting
from service.store.escrows import find_escrow
from service.store.open_effects import find_effects_about
from service.store.suspense import list_suspense
from service.store.tables import EscrowRecords
from service.store.trial_balance import Turnover
from service.store.turnovers import turnovers_of_escrow
from service.store.unreadable import Unreadable

NEWEST = 50  # of the timeline
MOST_WAITING = 200  # events and effects that are looked through


@dataclass(slots=True)
class ExplainedEscrow:
    """``problem`` says why the escrow itself cannot be shown; its money and its past still can."""

    escrow: pb.Escrow | None = None
    payer: party_pb.Payer | None = None
    payee: party_pb.Payee | None = None
    problem: str = ""
    payments: list[pb.Payment] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[refund_pb.Refund] = field(default_factory=list)
    receivables: list[refund_pb.Receivable] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)
    accounts: list[Turnover] = field(default_factory=list)
    waits: list[Blocker] = field(default_factory=list)
    effects: list[operator_pb.Effect] = field(default_factory=list)
    events: list[operator_pb.StripeEvent] = field(default_factory=list)
    suspense: list[operator_pb.SuspenseItem] = field(default_factory=list)
    approvals: list[approval_pb.Approval] = field(default_factory=list)
    timeline: list[pb.TimelineEntry] = field(default_factory=list)


async def explain_escrow(runtime: Runtime, call: Call, escrow_id: UUID) -> ExplainedEscrow:
    """Everything that is known here; Stripe is not asked.

    Raises:
        DatabaseUnavailable.
    """
    found = ExplainedEscrow()
    public_id = ids.show(ids.ESCROW, escrow_id)
    try:
        records = await find_escrow(runtime.pool, call.tenant_id, escrow_id)
        if records is not None:
            _add_records(found, records)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  whatever a row of it holds
        found.problem = f"{type(error).__name__}: {error}"
        found.waits.append(unreadable(public_id))
    found.accounts = await turnovers_of_escrow(runtime.pool, call.tenant_id, escrow_id)
    found.sums = sums_of(found.accounts)
    for sums in found.sums:  # what was put back has come in once
        sums.funded_minor -= held_again_minor(found.refunds, sums.currency)
    await _add_waiting(runtime, call, found, escrow_id)
    found.timeline = await _newest(runtime, call, found, public_id)
    return found


def _add_records(found: ExplainedEscrow, records: EscrowRecords) -> None:
    found.escrow = escrow_message(records)
    found.payer = payer_message(records.payer)
    found.payee = payee_message(records.payee)
    found.payments = [payment_message(records, payment) for payment in records.payments]
    found.releases = [
        {
            "id": release.public_id,
            "milestone_id": ids.show(ids.MILESTONE, release.milestone_id),
            "payee_id": ids.show(ids.PAYEE, release.payee_id),
            "state": str(release.state),
            "amount_minor": release.amount_minor,
            "payee_share_minor": release.payee_share_minor,
            "currency": release.currency,
            "stripe_transfer": release.stripe_transfer or "",
            "refusal_code": release.refusal_code or "",
        }
        for release in records.releases
    ]
    found.refunds = refunds_of(records)
    found.waits += blockers_of(records)


async def _add_waiting(
    runtime: Runtime, call: Call, found: ExplainedEscrow, escrow_id: UUID
) -> None:
    """The calls, events, money and approvals that wait and are about this escrow."""
    pool, tenant_id = runtime.pool, call.tenant_id
    effects = await find_effects_about(pool, tenant_id, escrow_id=escrow_id, limit=MOST_WAITING)
    found.effects, waits = effects_and_waits(effects)
    public_id = ids.show(ids.ESCROW, escrow_id)
    at_stripe = {name for payment in found.payments for name in _names_at_stripe(payment)}
    asked = operator_pb.ListStripeEventsRequest(page_size=MOST_WAITING)
    events = (await list_stripe_events(runtime, call, asked)).events
    found.events = [e for e in events if e.escrow_id == public_id or e.object_id in at_stripe]
    suspense = await list_suspense(pool, tenant_id, after=START, limit=MOST_WAITING)
    found.suspense = [suspense_message(item) for item in suspense if item.escrow_id == escrow_id]
    found.waits += waits
    found.waits += map(wait_of_event, found.events)
    found.waits += map(wait_of_suspense, found.suspense)
    await _add_approvals(runtime, call, found, escrow_id)
    debts = await find_debts(runtime, call, f'escrow_id = "{public_id}"')
    found.receivables = [*debts.receivables]
    found.waits += map(unreadable, debts.unreadable)


async def _add_approvals(
    runtime: Runtime, call: Call, found: ExplainedEscrow, escrow_id: UUID
) -> None:
    """What waits for a second person, and can still be approved."""
    now = runtime.clock()
    for each in await find_waiting(runtime.pool, call.tenant_id, escrow_id, now, MOST_WAITING):
        if isinstance(each, Unreadable):
            found.waits.append(unreadable(ids.show(ids.APPROVAL, each.key)))
        else:
            found.approvals.append(approval_message(each, now))
            found.waits.append(blocker_of_approval(each, call.party))


def _names_at_stripe(payment: pb.Payment) -> set[str]:
    return {payment.stripe_payment_intent, payment.stripe_charge} - {""}


async def _newest(
    runtime: Runtime, call: Call, found: ExplainedEscrow, public_id: str
) -> list[pb.TimelineEntry]:
    """The newest of its timeline; from its beginning where its version is not known."""
    version = int(found.escrow.etag) if found.escrow else 0
    before = max(0, version - NEWEST)
    token = next_page_token(str(before), public_id) if before else ""
    request = pb.ListTimelineRequest(escrow_id=public_id, page_size=NEWEST, page_token=token)
    return [*(await list_timeline(runtime, call, request)).entries]
