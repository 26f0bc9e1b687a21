"""What Stripe charges for a lost chargeback, where payees bear it: row 15f, and its reverse.

It is a debt of theirs, whatever they are paid at that moment, and netted as each debt is. A release
that gives it back has no price: it is the platform's money.
"""

from __future__ import annotations

from uuid import UUID

from service.aggregates.escrow import EscrowCase
from service.aggregates.receivable import cancel_debt
from service.aggregates.refund import parts_of
from service.domain import ids
from service.domain.journal import Part, Source
from service.domain.money import charge_step_minor, split_pro_rata
from service.domain.postings import JournalKind
from service.domain.records.chargeback import Chargeback
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund
from service.domain.records.release import Release
from service.domain.states.receivable import ReceivableState
from service.domain.states.release import ReleaseState


def pass_fee_on(case: EscrowCase, known: Chargeback, refund: Refund, platform_minor: int) -> None:
    """Each payee owes as much of the fee as they bear of the loss; ``platform_minor`` of it, and
    what was in suspense, are the platform's part. So is the fee in another currency than was paid.
    """
    if known.is_over or known.settled_currency != refund.currency:
        return
    for payee_id, amount_minor in _shares(case, known, refund, platform_minor).items():
        if amount_minor:
            _owe(case, refund, payee_id, amount_minor)
            known.passed_on_minor += amount_minor
    case.unit.put(known)


def _shares(
    case: EscrowCase, known: Chargeback, refund: Refund, platform_minor: int
) -> dict[UUID, int]:
    """In the steps that a transfer may differ by; what is less than a step is the platform's."""
    borne: dict[UUID | None, int] = {None: platform_minor}
    for part in parts_of(case, refund):
        payee_id = (part.payee_id or case.escrow.payee_id) if part.milestone_id else None
        borne[payee_id] = borne.get(payee_id, 0) + part.amount_minor
    step_minor = charge_step_minor(refund.currency)
    steps = split_pro_rata(max(known.fee_minor, 0) // step_minor, [*borne.values()])
    shares = zip(borne, steps, strict=True)
    return {payee_id: part * step_minor for payee_id, part in shares if payee_id is not None}


def _owe(case: EscrowCase, refund: Refund, payee_id: UUID, amount_minor: int) -> None:
    unit = case.unit
    debt = Receivable(
        tenant_id=refund.tenant_id,
        receivable_id=unit.new_id(),
        version=0,
        payee_id=payee_id,
        escrow_id=refund.escrow_id,
        release_id=None,
        refund_id=refund.refund_id,
        state=ReceivableState.OWED,
        amount_minor=amount_minor,
        currency=refund.currency,
        created_at=unit.now,
        updated_at=unit.now,
        reversible_minor=0,
        reversal_currency=refund.currency,
        reversal_minor=0,
    )
    case.records.receivables.append(debt)
    unit.create(debt)
    _post(case, JournalKind.DISPUTE_FEE_PASSED_ON, debt, {"amount": amount_minor})


def take_fee_back(case: EscrowCase, known: Chargeback, refund: Refund) -> None:
    """The exact reverse: what of it is owed is owed no more, and what was netted is given back."""
    for debt in list(case.records.receivables):
        if debt.refund_id == refund.refund_id and debt.release_id is None:
            shares = {"owed": cancel_debt(case, debt), "payable": debt.netted_minor}
            _post(case, JournalKind.DISPUTE_FEE_TAKEN_BACK, debt, shares)
            if debt.netted_minor:
                _give_back(case, refund, debt)
    known.passed_on_minor = 0


def _give_back(case: EscrowCase, refund: Refund, debt: Receivable) -> None:
    unit = case.unit
    milestone_id = next(
        part.milestone_id
        for part in parts_of(case, refund)
        if part.milestone_id and (part.payee_id or case.escrow.payee_id) == debt.payee_id
    )
    release = Release(
        tenant_id=debt.tenant_id,
        release_id=unit.new_id(),
        escrow_id=debt.escrow_id,
        milestone_id=milestone_id,
        payee_id=debt.payee_id,
        payment_id=refund.payment_id,
        amount_minor=0,
        payee_share_minor=0,
        currency=debt.currency,
        state=ReleaseState.WAITING,
        effect_id=None,
        transfer_at=unit.now,
        created_at=unit.now,
        updated_at=unit.now,
        netted_minor=-debt.netted_minor,
    )
    case.records.releases.append(release)
    unit.create(release)


def _post(case: EscrowCase, kind: JournalKind, debt: Receivable, amounts: dict[str, int]) -> None:
    """``amounts`` by the names of the posting's legs."""
    names = {"payee": ids.show(ids.PAYEE, debt.payee_id)}
    source = Source("receivable", debt.public_id)
    case.unit.post(kind, source, debt.currency, [Part(names, amounts)])
