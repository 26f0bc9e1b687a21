"""Whatever has a name explained: itself, and the escrow or the party that it belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import party_service_pb2 as party_pb
from service.domain import ids
from service.domain.call import Call
from service.domain.records.balance_transaction import BookedTransaction
from service.operations.operators.explain.escrow import ExplainedEscrow, explain_escrow
from service.operations.operators.explain.party import (
    ExplainedParty,
    explain_payee,
    explain_payer,
)
from service.operations.operators.get_effect import get_effect
from service.operations.operators.get_stripe_event import get_stripe_event
from service.operations.payouts.messages import payout_message
from service.runtime import Runtime
from service.store.balance_transactions import find_transaction
from service.store.journals import JournalRecord, find_journal
from service.store.names import Named
from service.store.operations import OperationRow, find_operation
from service.store.parties import find_payout


@dataclass(slots=True)
class Explained:
    """What was named; of the rest what there is."""

    named: Named
    effect: operator_pb.Effect | None = None
    attempts: Sequence[operator_pb.EffectAttempt] = ()
    event: operator_pb.StripeEvent | None = None
    payout: party_pb.Payout | None = None
    journal: JournalRecord | None = None
    transaction: BookedTransaction | None = None
    operation: OperationRow | None = None
    escrow: ExplainedEscrow | None = None
    party: ExplainedParty | None = None


async def explain(runtime: Runtime, call: Call, named: Named) -> Explained:
    """Raises DatabaseUnavailable."""
    found = Explained(named)
    if named.kind in THEMSELVES:
        await THEMSELVES[named.kind](runtime, call, found)
    escrow_id = _id_of(found.event.escrow_id) if found.event else named.escrow_id
    party_id = _party_of(found)
    if escrow_id is not None:
        found.escrow = await explain_escrow(runtime, call, escrow_id)
    elif party_id.startswith(f"{ids.PAYER}_"):
        found.party = await explain_payer(runtime, call, ids.parse(party_id))
    elif party_id.startswith(f"{ids.PAYEE}_"):
        found.party = await explain_payee(runtime, call, ids.parse(party_id))
    return found


def _party_of(found: Explained) -> str:
    if found.effect:
        return found.effect.payee_id or found.effect.subject_id
    return found.payout.payee_id if found.payout else found.named.id


async def _effect(runtime: Runtime, call: Call, found: Explained) -> None:
    answer = await get_effect(runtime, call, operator_pb.GetEffectRequest(effect_id=found.named.id))
    found.effect, found.attempts = answer.effect, answer.attempts


async def _event(runtime: Runtime, call: Call, found: Explained) -> None:
    request = operator_pb.GetStripeEventRequest(event_id=found.named.id)
    found.event = (await get_stripe_event(runtime, call, request)).event


async def _payout(runtime: Runtime, call: Call, found: Explained) -> None:
    payout = await find_payout(runtime.pool, call.tenant_id, ids.parse(found.named.id))
    found.payout = payout_message(payout) if payout else None


async def _journal(runtime: Runtime, call: Call, found: Explained) -> None:
    found.journal = await find_journal(runtime.pool, call.tenant_id, ids.parse(found.named.id))


async def _transaction(runtime: Runtime, call: Call, found: Explained) -> None:
    found.transaction = await find_transaction(runtime.pool, call.tenant_id, found.named.id)
    if found.transaction is not None and found.transaction.journal_id is not None:
        journal_id = found.transaction.journal_id
        found.journal = await find_journal(runtime.pool, call.tenant_id, journal_id)


async def _operation(runtime: Runtime, call: Call, found: Explained) -> None:
    found.operation = await find_operation(runtime.pool, call.tenant_id, UUID(found.named.id))


# What is shown of a thing itself; the others are shown with their escrow or as a party.
THEMSELVES: Mapping[str, Callable[[Runtime, Call, Explained], Awaitable[None]]] = {
    "effect": _effect,
    "event": _event,
    "payout": _payout,
    "journal": _journal,
    "balance_transaction": _transaction,
    "operation": _operation,
}


def _id_of(public_id: str) -> UUID | None:
    return ids.parse(public_id) if public_id else None
