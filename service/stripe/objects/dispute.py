"""A dispute: an inquiry of the payer's bank, or a chargeback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.records.chargeback import Chargeback
from service.domain.states.chargeback import CHARGEBACK_RANK, ChargebackState
from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.values import (
    INT64,
    Object,
    Unreadable,
    id_of,
    minor,
    optional_text,
    part,
    parts,
    text,
    time_of,
)

APPEAL = "appeal_"
STATES: Mapping[str, ChargebackState] = {
    "warning_needs_response": ChargebackState.INQUIRY,
    "warning_under_review": ChargebackState.INQUIRY,
    "warning_closed": ChargebackState.INQUIRY_CLOSED,
    "prevented": ChargebackState.PREVENTED,
    "needs_response": ChargebackState.NEEDS_RESPONSE,
    "under_review": ChargebackState.UNDER_REVIEW,
    "won": ChargebackState.WON,
    "lost": ChargebackState.LOST,
}
MOST_COUNTED = 2**31 - 1


class NamedDispute(NamedTuple):
    """A dispute, by its id and its payment's."""

    id: str
    charge: str | None
    payment_intent: str | None


@dataclass(frozen=True, slots=True)
class SeenDispute:
    """A dispute as Stripe shows it. ``amount_minor`` is in ``currency``; what was withdrawn,
    reinstated and taken as a fee is in ``settled_currency``, both in upper case.
    """

    id: str
    charge: str | None
    payment_intent: str | None
    state: ChargebackState
    is_appeal: bool
    amount_minor: int
    currency: str
    reason: str
    opened_at: datetime
    due_by: datetime | None
    submissions: int
    transactions: tuple[BalanceTransaction, ...]
    settled_currency: str | None
    withdrawn_minor: int
    reinstated_minor: int
    fee_minor: int

    @property
    def movements(self) -> int:
        return len(self.transactions)

    def gone_of(self, disputed_minor: int, currency: str) -> int:
        """What of the disputed amount is gone, in the currency that was paid.

        Where Stripe settles in another, a withdrawal is of all of it, at its own day's rate: a win
        that was taken back, say, withdraws it anew. What gives back more than half of that counts
        as giving back all, for the rate is another by then.
        """
        if self.settled_currency in (None, currency):
            return max(self.withdrawn_minor - self.reinstated_minor, 0)
        taken_minor = given_minor = 0
        for each in sorted(self.transactions, key=lambda moved: moved.created_at):
            taken_minor += max(-each.amount_minor, 0)
            given_minor += max(each.amount_minor, 0)
            if 2 * given_minor > taken_minor:
                taken_minor = given_minor = 0
        return disputed_minor * (taken_minor - given_minor) // taken_minor if taken_minor else 0

    def is_older_than(self, known: Chargeback) -> bool:
        """Whether Stripe has said since what is known. By what both say, not by when we heard it:
        balance transactions only grow, evidence within them, and a deadline is only put off.
        """
        said, knew = (self.movements, self.submissions), (known.movements, known.submissions)
        if said != knew:
            return said < knew
        if self.due_by and known.due_by and self.due_by != known.due_by:
            return self.due_by < known.due_by
        asks_anew = self.is_appeal and self.state is ChargebackState.NEEDS_RESPONSE
        if asks_anew and not known.is_appeal:
            return False  # nothing is appealed against before it was lost
        return CHARGEBACK_RANK[self.state] < CHARGEBACK_RANK[known.state]


def parse_named_dispute(dispute: Object) -> NamedDispute:
    """Raises Unreadable."""
    return NamedDispute(
        text(dispute, "id"), id_of(dispute, "charge"), id_of(dispute, "payment_intent")
    )


def parse_dispute(dispute: Object) -> SeenDispute:
    """Raises Unreadable."""
    moved = [parse_balance_transaction(each) for each in parts(dispute, "balance_transactions")]
    amount_minor, evidence = minor(dispute, "amount"), part(dispute, "evidence_details")
    if amount_minor < 0:
        raise Unreadable(f"dispute.amount is {amount_minor}")
    status = text(dispute, "status")
    return SeenDispute(
        id=text(dispute, "id"),
        charge=id_of(dispute, "charge"),
        payment_intent=id_of(dispute, "payment_intent"),
        state=state_of(status),
        is_appeal=status.startswith(APPEAL),
        amount_minor=amount_minor,
        currency=text(dispute, "currency").upper(),
        reason=optional_text(dispute, "reason") or "",
        opened_at=time_of(dispute.get("created")),
        # 0 where the network lets nobody answer.
        due_by=time_of(evidence["due_by"]) if evidence.get("due_by") else None,
        submissions=_count(evidence),
        transactions=tuple(moved),
        settled_currency=_currency_of(moved),
        withdrawn_minor=_sum(-each.amount_minor for each in moved if each.amount_minor < 0),
        reinstated_minor=_sum(each.amount_minor for each in moved if each.amount_minor > 0),
        fee_minor=_sum(each.fee_minor for each in moved),
    )


def state_of(status: str) -> ChargebackState:
    """A status that is not known yet is of a dispute that is not decided: it freezes."""
    if status.startswith("warning_"):
        return STATES.get(status, ChargebackState.INQUIRY)
    return STATES.get(status.removeprefix(APPEAL), ChargebackState.UNDER_REVIEW)


def _count(evidence: Object) -> int:
    if evidence.get("submission_count") is None:
        return 0
    count = minor(evidence, "submission_count")
    if not 0 <= count <= MOST_COUNTED:
        raise Unreadable(f"evidence_details.submission_count is {count}")
    return count


def _currency_of(moved: Iterable[BalanceTransaction]) -> str | None:
    currencies = {each.currency for each in moved}
    if len(currencies) > 1:
        raise Unreadable(f"a dispute in {', '.join(sorted(currencies))}")
    return currencies.pop() if currencies else None


def _sum(amounts: Iterable[int]) -> int:
    total = sum(amounts)
    if total not in INT64:
        raise Unreadable(f"{total} is not an amount")
    return total
