"""A payer or a payee explained: what they own, what waits for them, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.aggregates.blockers import of_payee
from service.domain import accounts, ids
from service.domain.blocker import Blocker, Rule
from service.domain.call import Call, Party
from service.domain.records.effect import Effect
from service.domain.states.effect import EffectState
from service.domain.states.payee import PayeeState
from service.effects import update_account, update_customer
from service.operations.escrows.list_escrows import list_escrows
from service.operations.operators.explain.refunds import find_debts, waits_of_debts
from service.operations.operators.explain.waits import effects_and_waits
from service.operations.operators.messages import effect_message
from service.operations.parties.messages import payee_message, payer_message
from service.operations.payouts.messages import payout_message
from service.runtime import Runtime
from service.store.balances import Balance, balances_as_of
from service.store.effects import find_effect
from service.store.open_effects import find_effects_about
from service.store.parties import find_payee, find_payer, find_payouts, find_previous_accounts
from service.store.unreadable import Unreadable

NEWEST = 20  # escrows and payouts

_OF_PAYEE = (accounts.PENDING, accounts.PAYABLE, accounts.RESERVE, accounts.RECEIVABLE)
_OF_ACCOUNT = (
    accounts.CONN_BALANCE,
    accounts.CONN_IN_TRANSIT,
    accounts.CONN_EXTERNAL,
    accounts.CONN_OWNER,
)


@dataclass(slots=True)
class ExplainedParty:
    """Their newest escrows, payouts and debts; ``unreadable`` are ids of what cannot be shown."""

    payer: party_pb.Payer | None = None
    payee: party_pb.Payee | None = None
    balances: list[Balance] = field(default_factory=list)
    waits: list[Blocker] = field(default_factory=list)
    effects: list[operator_pb.Effect] = field(default_factory=list)
    escrows: list[pb.Escrow] = field(default_factory=list)
    payouts: list[party_pb.Payout] = field(default_factory=list)
    receivables: list[refund_pb.Receivable] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


async def explain_payer(runtime: Runtime, call: Call, payer_id: UUID) -> ExplainedParty:
    """Everything that is known here; Stripe is not asked."""
    found = ExplainedParty()
    payer = await find_payer(runtime.pool, call.tenant_id, payer_id)
    if payer is None:
        return found
    found.payer = payer_message(payer)
    known = [payer_id, update_customer.effect_id_of(payer)]
    await _add_effects(runtime, call, found, known, correct="UpdatePayer")
    await _add_escrows(runtime, call, found, f'payer_id = "{payer.public_id}"')
    return found


async def explain_payee(runtime: Runtime, call: Call, payee_id: UUID) -> ExplainedParty:
    """The same of a payee, with every account that they have or had at Stripe."""
    found = ExplainedParty()
    pool, tenant_id = runtime.pool, call.tenant_id
    payee = await find_payee(pool, tenant_id, payee_id)
    if payee is None:
        return found
    found.payee = payee_message(payee)
    previous = await find_previous_accounts(pool, tenant_id, payee_id)
    for account in previous:
        found.payee.previous_accounts.add(
            stripe_account=account.stripe_account,
            state=party_pb.PayeeState.Value(f"PAYEE_STATE_{account.state}"),
        )
    at_stripe = [*filter(None, [payee.stripe_account, *(a.stripe_account for a in previous)])]
    names = [account.name({"payee": payee.public_id}) for account in _OF_PAYEE]
    names += [account.name({"account": name}) for name in at_stripe for account in _OF_ACCOUNT]
    found.balances = await balances_as_of(pool, tenant_id, names)
    if payee.state is not PayeeState.ACTIVE:
        found.waits.append(of_payee(payee))
    known = [payee_id, update_account.effect_id_of(payee)]
    await _add_effects(runtime, call, found, known, payee_id=payee_id, correct="UpdatePayee")
    await _add_escrows(runtime, call, found, f'payee_id = "{payee.public_id}"')
    debts = await find_debts(runtime, call, f'payee_id = "{payee.public_id}"')
    found.receivables += debts.receivables
    found.waits += waits_of_debts(found.receivables)
    found.unreadable += debts.unreadable
    for payout in await find_payouts(pool, tenant_id, payee_id, before=None, limit=NEWEST):
        if isinstance(payout, Unreadable):
            found.unreadable.append(ids.show(ids.PAYOUT, payout.key))
        else:
            found.payouts.append(payout_message(payout))
    return found


async def _add_effects(
    runtime: Runtime,
    call: Call,
    found: ExplainedParty,
    known: list[UUID],
    *,
    payee_id: UUID | None = None,
    correct: str,
) -> None:
    """What is open at Stripe for them, and what it has refused."""
    pool, tenant_id = runtime.pool, call.tenant_id
    open_ = await find_effects_about(
        pool, tenant_id, payee_id=payee_id, effect_ids=known, limit=NEWEST
    )
    found.effects, waits = effects_and_waits(open_)
    found.waits += waits
    for effect_id in known:
        effect = await find_effect(pool, tenant_id, effect_id)
        if effect is not None and effect.state is EffectState.REJECTED:
            found.effects.append(effect_message(effect))
            found.waits.append(_refused(effect, correct))


def _refused(effect: Effect, correct: str) -> Blocker:
    problem = ": ".join(filter(None, map(effect.error.get, ("code", "message"))))
    return Blocker(
        effect.public_id,
        f"their data to be corrected, for Stripe refused them ({problem})",
        Rule.STRIPE_CALL,
        {Party.SERVICE: [correct], Party.OPERATOR: [correct]},
    )


async def _add_escrows(runtime: Runtime, call: Call, found: ExplainedParty, filter_: str) -> None:
    request = pb.ListEscrowsRequest(filter=filter_, page_size=NEWEST)
    listed = await list_escrows(runtime, call, request)
    found.escrows += listed.escrows
    found.unreadable += listed.unreadable
