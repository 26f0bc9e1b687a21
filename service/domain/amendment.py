"""What an amendment changes: the terms of milestones before and after, and when that is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.cancellation import CANCELABLE
from service.domain.fees import Fees
from service.domain.records.escrow import Milestone
from service.domain.records.proposal import Proposal
from service.domain.states.escrow import EscrowState, escrow_state
from service.domain.states.milestone import MilestoneState

MOST_MILESTONES = 50
"""Of one escrow, as CreateEscrow takes them."""
ENDED = frozenset({EscrowState.COMPLETED, EscrowState.CANCELED, EscrowState.REFUNDED})


@dataclass(frozen=True, slots=True)
class PayeePart:
    """What one of several payees gets of a price, their part of the fee included."""

    payee_id: UUID
    amount_minor: int
    payee_fee_minor: int
    basis_points: int | None = None

    @property
    def net_minor(self) -> int:
        return self.amount_minor - self.payee_fee_minor

    def document(self) -> list[Any]:
        return [str(self.payee_id), self.amount_minor, self.payee_fee_minor, self.basis_points]

    @staticmethod
    def read(document: Sequence[Any]) -> PayeePart:
        payee_id, amount_minor, fee_minor, basis_points = document
        return PayeePart(UUID(payee_id), amount_minor, fee_minor, basis_points)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed of a milestone. No ``parts`` where the escrow's payee gets all of it."""

    fees: Fees
    due_at: datetime | None
    parts: tuple[PayeePart, ...] = ()

    def document(self) -> dict[str, Any]:
        fees = self.fees
        return {
            "fees": [fees.amount_minor, fees.payer_fee_minor, fees.payee_fee_minor],
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "parts": [part.document() for part in self.parts],
        }

    @staticmethod
    def read(document: Mapping[str, Any]) -> Terms:
        due_at = document["due_at"]
        return Terms(
            Fees(*document["fees"]),
            datetime.fromisoformat(due_at) if due_at else None,
            tuple(map(PayeePart.read, document["parts"])),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """Both versions of a milestone. Without ``before`` it is added."""

    milestone_id: UUID
    title: str
    before: Terms | None
    after: Terms

    @property
    def of_price(self) -> bool:
        before, after = self.before, self.after
        return before is not None and before.fees.amount_minor != after.fees.amount_minor

    @property
    def of_due_date(self) -> bool:
        return self.before is not None and self.before.due_at != self.after.due_at

    def takes_time(self, since: datetime) -> bool:
        """Whether what is agreed already would be due earlier, or at all: the payee has to agree. A
        date that was not after ``since`` nobody can miss: that is when it was paid for, or now.
        """
        was, now = self.before.due_at if self.before else None, self.after.due_at
        return self.of_due_date and (was is None or was <= since or now is None or now < was)

    def favors_payees(self, since: datetime) -> bool:
        """Whether it takes nothing from any payee: none earns less or has less time. ``since`` is
        that of ``takes_time``.
        """
        if self.before is None:
            return self.after.due_at is None
        nets = zip(_nets(self.before), _nets(self.after), strict=True)
        return not self.takes_time(since) and all(before <= after for before, after in nets)

    def document(self) -> dict[str, Any]:
        return {
            "milestone_id": str(self.milestone_id),
            "title": self.title,
            "before": self.before.document() if self.before else None,
            "after": self.after.document(),
        }

    @staticmethod
    def read(document: Mapping[str, Any]) -> Change:
        before = document["before"]
        return Change(
            UUID(document["milestone_id"]),
            document["title"],
            Terms.read(before) if before else None,
            Terms.read(document["after"]),
        )


def _nets(terms: Terms) -> list[int]:
    """What each payee gets, and what they get together."""
    fees = terms.fees
    whole_minor = fees.amount_minor - fees.payee_fee_minor
    return [whole_minor, *(part.net_minor for part in terms.parts)]


def changes_of(proposal: Proposal) -> list[Change]:
    """What it asks; nothing where it is no amendment."""
    return [Change.read(each) for each in proposal.changes]


def new_due_dates(changes: Iterable[Change]) -> Iterator[datetime]:
    """When it is too late to agree to it."""
    for change in changes:
        due_at = change.after.due_at
        if due_at and (change.before is None or change.of_due_date):
            yield due_at


def never_fits(changes: Iterable[Change], milestones: Iterable[Milestone]) -> bool:
    """Whether the milestones have moved on so that all of it together cannot be done any more."""
    states = {each.milestone_id: each.state for each in milestones}
    if escrow_state(states.values()) in ENDED:
        return True
    return any(
        (each.of_price and states[each.milestone_id] is not MilestoneState.AWAITING_FUNDS)
        or (each.of_due_date and states[each.milestone_id] not in CANCELABLE)
        for each in changes
    )
