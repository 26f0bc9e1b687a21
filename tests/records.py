"""Records as operations build them, for tests that start below the operations.

Every factory takes the fields that matter to its test as keywords; the rest is filled in.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from service.domain import ids
from service.domain.call import ApprovalKind, Call, Party
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.approval import Approval
from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.records.chargeback import Chargeback
from service.domain.records.deadline import Deadline, DeadlineKind
from service.domain.records.dispute import Dispute, DisputeReason
from service.domain.records.dispute_evidence import DisputeEvidence, Stored
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.escrow import Escrow, LineItem, Milestone, MilestonePayee
from service.domain.records.evidence import EvidenceStep, SentEvidence
from service.domain.records.origin import Origin
from service.domain.records.parties import AccountApi, Payee, Payer, PreviousAccount
from service.domain.records.payment import CaptureStrategy, Payment, PaymentMethod
from service.domain.records.payout import Payout
from service.domain.records.policy import StoredPolicy
from service.domain.records.proposal import Proposal, ProposalKind
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundOrigin, RefundPart
from service.domain.records.release import Release
from service.domain.states.approval import ApprovalState
from service.domain.states.chargeback import ChargebackState
from service.domain.states.dispute import DisputeState
from service.domain.states.effect import EffectState
from service.domain.states.escrow import EscrowState
from service.domain.states.milestone import MilestoneState
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PaymentState
from service.domain.states.payout import PayoutState
from service.domain.states.proposal import ProposalState
from service.domain.states.receivable import ReceivableState
from service.domain.states.refund import RefundState
from service.domain.states.release import ReleaseState
from service.domain.unit import UnitOfWork
from service.store.commit import write

TENANT = "default"
NOW = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)


def new_id() -> UUID:
    return ids.new_uuid(NOW)


def new_unit(
    operation: str = "test",
    *,
    key: str = "",
    party: Party = Party.SERVICE,
    tenant_id: str = TENANT,
    request_hash: bytes = b"hash",
    now: datetime = NOW,
) -> UnitOfWork:
    """A unit of an operation that nobody asked for before, unless a key is given."""
    call = Call(tenant_id, "tests", party, key or uuid4().hex)
    return UnitOfWork(call, operation, request_hash, now)


def new_payer(**changes: Any) -> Payer:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "payer_id": new_id(),
        "version": 0,
        "reference": f"user-{uuid4().hex}",
        "name": "Ada",
        "email": "ada@example.com",
        "stripe_customer": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Payer(**fields | changes)


def new_payee(**changes: Any) -> Payee:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "payee_id": new_id(),
        "version": 0,
        "reference": f"user-{uuid4().hex}",
        "name": "Grace",
        "email": "grace@example.com",
        "country": "US",
        "account_api": AccountApi.V2,
        "state": PayeeState.ACTIVE,
        "stripe_account": f"acct_{uuid4().hex[:16]}",
        "requirements_due": [],
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Payee(**fields | changes)


def new_previous_account(payee: Payee) -> PreviousAccount:
    """An account that the payee had before."""
    account = f"acct_{uuid4().hex[:16]}"
    return PreviousAccount(payee.tenant_id, payee.payee_id, account, PayeeState.REJECTED, NOW)


def new_policy(**changes: Any) -> StoredPolicy:  # noqa: ANN401  any field
    """Version 2 of the tenant's."""
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "policy_version": 2,
        "created_at": NOW,
        "created_by": "tests",
        "reason": "a new year",
        "document": {"currencies": {}},
    }
    return StoredPolicy(**fields | changes)


def new_escrow(payer: Payer, payee: Payee, **changes: Any) -> Escrow:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": payer.tenant_id,
        "escrow_id": new_id(),
        "version": 0,
        "reference": f"order-{uuid4().hex}",
        "payer_id": payer.payer_id,
        "payee_id": payee.payee_id,
        "currency": "USD",
        "state": EscrowState.AWAITING_FUNDS,
        "policy_version": 1,
        "metadata": {},
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Escrow(**fields | changes)


def new_milestone(escrow: Escrow, **changes: Any) -> Milestone:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": escrow.tenant_id,
        "escrow_id": escrow.escrow_id,
        "milestone_id": new_id(),
        "position": 0,
        "title": "All of it",
        "state": MilestoneState.AWAITING_FUNDS,
        "amount_minor": 100_00,
        "payer_fee_minor": 5_00,
        "payee_fee_minor": 20_00,
    }
    return Milestone(**fields | changes)


def new_line_item(milestone: Milestone, **changes: Any) -> LineItem:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": milestone.tenant_id,
        "escrow_id": milestone.escrow_id,
        "milestone_id": milestone.milestone_id,
        "position": 0,
        "name": "A drawing",
        "quantity": 2,
        "unit_amount_minor": 50_00,
        "sku": "DRAW-1",
    }
    return LineItem(**fields | changes)


def new_milestone_payee(milestone: Milestone, **changes: Any) -> MilestonePayee:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": milestone.tenant_id,
        "escrow_id": milestone.escrow_id,
        "milestone_id": milestone.milestone_id,
        "position": 0,
        "payee_id": new_id(),
        "amount_minor": 60_00,
        "payee_fee_minor": 12_00,
    }
    return MilestonePayee(**fields | changes)


def new_payment(escrow: Escrow, **changes: Any) -> Payment:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": escrow.tenant_id,
        "payment_id": new_id(),
        "escrow_id": escrow.escrow_id,
        "payer_id": escrow.payer_id,
        "method": PaymentMethod.PAYMENT_INTENT,
        "capture": CaptureStrategy.AUTOMATIC,
        "amount_minor": 105_00,
        "currency": escrow.currency,
        "state": PaymentState.CREATING,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Payment(**fields | changes)


def new_release(
    milestone: Milestone, escrow: Escrow, payment: Payment, **changes: object
) -> Release:
    fields: dict[str, Any] = {
        "tenant_id": milestone.tenant_id,
        "release_id": new_id(),
        "escrow_id": milestone.escrow_id,
        "milestone_id": milestone.milestone_id,
        "payee_id": escrow.payee_id,
        "payment_id": payment.payment_id,
        "amount_minor": 100_00,
        "payee_share_minor": 80_00,
        "currency": escrow.currency,
        "state": ReleaseState.WAITING,
        "effect_id": None,
        "transfer_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Release(**fields | changes)


def new_transaction(
    net_minor: int,
    *,
    fee_minor: int = 0,
    currency: str = "USD",
    **changes: Any,  # noqa: ANN401
) -> BalanceTransaction:
    """What moved the balance by so much, less the fee that Stripe kept of it."""
    fields: dict[str, Any] = {
        "id": f"txn_{uuid4().hex}",
        "type": "charge" if net_minor > 0 else "transfer",
        "amount_minor": net_minor + fee_minor,
        "fee_minor": fee_minor,
        "net_minor": net_minor,
        "currency": currency,
        "exchange_rate": None,
        "source": None,
        "created_at": NOW,
        "available_at": NOW,
    }
    return BalanceTransaction(**fields | changes)


def new_refund(payment: Payment, **changes: Any) -> Refund:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": payment.tenant_id,
        "refund_id": new_id(),
        "escrow_id": payment.escrow_id,
        "payment_id": payment.payment_id,
        "state": RefundState.REQUESTED,
        "amount_minor": 105_00,
        "currency": payment.currency,
        "reason": "It was broken.",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Refund(**fields | changes)


def new_refund_part(refund: Refund, **changes: Any) -> RefundPart:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": refund.tenant_id,
        "escrow_id": refund.escrow_id,
        "refund_id": refund.refund_id,
        "position": 0,
        "origin": RefundOrigin.SUSPENSE,
        "milestone_id": None,
        "release_id": None,
        "payee_id": None,
        "state_before": None,
        "price_minor": 105_00,
        "payer_fee_minor": 0,
        "payee_share_minor": 0,
        "settled_share_minor": 0,
        "settled_payer_fee_minor": 0,
        "settled_payee_fee_minor": 0,
    }
    return RefundPart(**fields | changes)


def new_deadline(escrow: Escrow, **changes: Any) -> Deadline:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": escrow.tenant_id,
        "escrow_id": escrow.escrow_id,
        "deadline_id": new_id(),
        "subject_id": escrow.escrow_id,
        "kind": DeadlineKind.PAYMENT,
        "starts_at": NOW,
        "due_at": later(days=7),
        "act_at": later(days=7),
    }
    return Deadline(**fields | changes)


def new_proposal(escrow: Escrow, **changes: Any) -> Proposal:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": escrow.tenant_id,
        "escrow_id": escrow.escrow_id,
        "proposal_id": new_id(),
        "kind": ProposalKind.CANCELLATION,
        "state": ProposalState.OPEN,
        "proposed_by": Party.PAYER,
        "reason": "",
        "created_at": NOW,
        "updated_at": NOW,
        "milestone_ids": [],
    }
    return Proposal(**fields | changes)


def new_dispute(milestone: Milestone, **changes: Any) -> Dispute:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": milestone.tenant_id,
        "escrow_id": milestone.escrow_id,
        "dispute_id": new_id(),
        "milestone_id": milestone.milestone_id,
        "state": DisputeState.OPEN,
        "opened_by": Party.PAYER,
        "amount_minor": 100,
        "currency": "USD",
        "reason": DisputeReason.OTHER,
        "statement": "It is broken.",
        "claim_minor": 100,
        "people": [],
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Dispute(**fields | changes)


def new_dispute_evidence(dispute: Dispute, **changes: Any) -> DisputeEvidence:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": dispute.tenant_id,
        "evidence_id": new_id(),
        "escrow_id": dispute.escrow_id,
        "dispute_id": dispute.dispute_id,
        "party": Party.PAYER,
        "caller": "shop",
        "note": "",
        "content_type": "",
        "file_name": "",
        "size_bytes": 0,
        "sha256": "",
        "stored": Stored.NOWHERE,
        "created_at": NOW,
    }
    return DisputeEvidence(**fields | changes)


def new_receivable(payee: Payee, escrow: Escrow, **changes: Any) -> Receivable:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": payee.tenant_id,
        "receivable_id": new_id(),
        "version": 0,
        "payee_id": payee.payee_id,
        "escrow_id": escrow.escrow_id,
        "release_id": new_id(),
        "refund_id": new_id(),
        "state": ReceivableState.OWED,
        "amount_minor": 80_00,
        "currency": escrow.currency,
        "created_at": NOW,
        "updated_at": NOW,
        "reversible_minor": 0,
        "reversal_currency": escrow.currency,
        "reversal_minor": 0,
    }
    return Receivable(**fields | changes)


def new_chargeback(payment: Payment, **changes: Any) -> Chargeback:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": payment.tenant_id,
        "chargeback_id": new_id(),
        "escrow_id": payment.escrow_id,
        "payment_id": payment.payment_id,
        "state": ChargebackState.INQUIRY,
        "stripe_dispute": "du_1",
        "amount_minor": 105_00,
        "currency": payment.currency,
        "reason": "",
        "opened_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Chargeback(**fields | changes)


def new_origin(escrow: Escrow, **changes: Any) -> Origin:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": escrow.tenant_id,
        "escrow_id": escrow.escrow_id,
        "escrow_version": 1,
        "client_ip": "",
        "user_agent": "",
        "created_at": NOW,
    }
    return Origin(**fields | changes)


def new_evidence(of: Chargeback, **changes: Any) -> SentEvidence:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": of.tenant_id,
        "evidence_id": new_id(),
        "escrow_id": of.escrow_id,
        "chargeback_id": of.chargeback_id,
        "step": EvidenceStep.STAGED,
        "stage": "inquiry",
        "evidence_hash": "",
        "given": {},
        "fields": {},
        "effect_id": new_id(),
        "generation": 1,
        "caller": "shop",
        "created_at": NOW,
    }
    return SentEvidence(**fields | changes)


def new_approval(**changes: Any) -> Approval:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "approval_id": new_id(),
        "version": 0,
        "state": ApprovalState.WAITING,
        "kind": ApprovalKind.REFUNDS,
        "operation": "refund_milestone",
        "caller": "shop",
        "party": Party.PAYEE,
        "key": str(new_id()),
        "asker": {"people": ["shop"], "end_user": ""},
        "asked": b"",
        "reason": "It was broken.",
        "escrow_id": None,
        "amount_minor": 100_00,
        "currency": "USD",
        "plan": {"lines": []},
        "plan_hash": "0" * 32,
        "expires_at": later(days=3),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Approval(**fields | changes)


def new_payout(payee: Payee, **changes: Any) -> Payout:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": payee.tenant_id,
        "payout_id": new_id(),
        "payee_id": payee.payee_id,
        "amount_minor": 80_00,
        "currency": "USD",
        "state": PayoutState.REQUESTED,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Payout(**fields | changes)


def new_effect(**changes: Any) -> Effect:  # noqa: ANN401  any field
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "effect_id": new_id(),
        "version": 0,
        "kind": EffectKind.CREATE_CUSTOMER,
        "state": EffectState.PLANNED,
        "generation": 1,
        "subject_id": new_id(),
        "escrow_id": None,
        "payee_id": None,
        "stripe_account": None,
        "request": {"name": "Ada"},
        "due_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Effect(**fields | changes)


@dataclass
class Deal:
    """A funded escrow of one milestone, as its payment left it in the database."""

    payer: Payer
    payee: Payee
    escrow: Escrow
    milestone: Milestone
    payment: Payment

    @property
    def held(self) -> str:
        return f"liab:escrow:{ids.show(ids.MILESTONE, self.milestone.milestone_id)}:held"

    @property
    def payable(self) -> str:
        return f"liab:payee:{ids.show(ids.PAYEE, self.payee.payee_id)}:payable"

    def names(self) -> dict[str, str]:
        """What fills the account templates of the postings."""
        return {
            "milestone": ids.show(ids.MILESTONE, self.milestone.milestone_id),
            "payee": ids.show(ids.PAYEE, self.payee.payee_id),
            "payment": ids.show(ids.PAYMENT, self.payment.payment_id),
            "account": self.payee.stripe_account or "",
        }


async def fund_deal(
    pool: asyncpg.Pool,
    *,
    payer: Payer | None = None,
    payee: Payee | None = None,
    amount_minor: int = 100_00,
) -> Deal:
    """Commits a deal, its parties unless they are given, and the journal of its payment."""
    unit = new_unit("fund")
    for party in (payer, payee):
        assert party is None or party.version > 0, "a party that is given is stored already"
    if payer is None:
        payer = new_payer()
        unit.put(payer)
    if payee is None:
        payee = new_payee()
        unit.put(payee)
    escrow = new_escrow(payer, payee, state=EscrowState.ACTIVE)
    fees = {"payer_fee_minor": amount_minor // 20, "payee_fee_minor": amount_minor // 5}
    payment = new_payment(
        escrow,
        amount_minor=amount_minor + fees["payer_fee_minor"],
        state=PaymentState.SUCCEEDED,
        stripe_payment_intent=f"pi_{uuid4().hex}",
        stripe_charge=f"ch_{uuid4().hex}",
    )
    milestone = new_milestone(
        escrow,
        state=MilestoneState.FUNDED,
        amount_minor=amount_minor,
        funded_minor=amount_minor,
        payment_id=payment.payment_id,
        **fees,
    )
    deal = Deal(payer, payee, escrow, milestone, payment)
    for record in (escrow, milestone, new_line_item(milestone), payment):
        unit.put(record)
    amounts = {"amount": amount_minor, "payer_fee": fees["payer_fee_minor"]}
    source = Source("payment", ids.show(ids.PAYMENT, payment.payment_id))
    unit.post(JournalKind.PAYMENT_SUCCEEDED, source, escrow.currency, [Part(deal.names(), amounts)])
    await write(pool, [unit])
    return deal


def later(**duration: float) -> datetime:
    """``NOW`` and a timedelta's keywords: ``later(seconds=5)``."""
    return NOW + timedelta(**duration)
