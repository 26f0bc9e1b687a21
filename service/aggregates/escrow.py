"""An escrow under decision: its records, the unit of work, and the verbs that change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from service.aggregates.deadlines import keep_time
from service.domain import ids
from service.domain.errors import (
    EscrowMissing,
    MilestoneMissing,
    PaymentMissing,
    ProposalMissing,
    StaleEtag,
)
from service.domain.journal import Part, Source
from service.domain.policy import Policy
from service.domain.policy_default import DEFAULT_POLICY
from service.domain.postings import JournalKind
from service.domain.records.effect import Effect
from service.domain.records.escrow import Milestone
from service.domain.records.parties import Payee
from service.domain.records.payment import Payment
from service.domain.records.proposal import Proposal, ProposalKind
from service.domain.records.refund import Refund
from service.domain.records.release import Release
from service.domain.states.escrow import escrow_event
from service.domain.states.milestone import MilestoneEvent
from service.domain.states.payment import PAYMENT_ENDED
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.store.escrows import BY_ESCROW
from service.store.tables import EscrowRecords


class EscrowCase:
    """The records of one escrow, and what an operation collects to change of them."""

    def __init__(
        self, unit: UnitOfWork, records: EscrowRecords, policy: Policy = DEFAULT_POLICY
    ) -> None:
        self.unit = unit
        self.records = records
        self.escrow = records.escrow
        self.policy = policy  # the one that it is pinned to
        # The kind of the journal that booked the transfer's movement before it was known as ours;
        # None where no journal has.
        self.booked_as: JournalKind | None = None
        # The balance transactions that had been booked before anybody knew what they were for.
        self.explained: frozenset[str] = frozenset()

    def milestone(self, milestone_id: UUID) -> Milestone:
        for milestone in self.records.milestones:
            if milestone.milestone_id == milestone_id:
                return milestone
        raise MilestoneMissing

    def payment(self, payment_id: UUID | None) -> Payment:
        for payment in self.records.payments:
            if payment.payment_id == payment_id:
                return payment
        raise PaymentMissing

    def payee(self, payee_id: UUID) -> Payee:
        return self.records.payees[payee_id]

    def release_of(self, release_id: UUID) -> Release:
        return next(r for r in self.records.releases if r.release_id == release_id)

    def refund_of(self, refund_id: UUID) -> Refund:
        return next(r for r in self.records.refunds if r.refund_id == refund_id)

    def proposal(self, proposal_id: UUID, kind: ProposalKind) -> Proposal:
        """Raises ProposalMissing: also of another kind."""
        for proposal in self.records.proposals:
            if proposal.proposal_id == proposal_id and proposal.kind is kind:
                return proposal
        raise ProposalMissing

    def open_payment(self, milestone: Milestone) -> Payment | None:
        """The payment that may still fund the milestone, if there is one."""
        if milestone.payment_id is None:
            return None
        payment = self.payment(milestone.payment_id)
        return None if payment.state in PAYMENT_ENDED else payment

    def touch(self) -> None:
        """Makes this operation a change of the escrow: everything below it is guarded by it."""
        self.unit.put(self.escrow)

    def advance(self, milestone: Milestone, event: MilestoneEvent) -> None:
        """Moves a milestone, and the escrow and its deadlines to where its milestones now are."""
        self.unit.advance(milestone, event)
        self.unit.advance(self.escrow, escrow_event(m.state for m in self.records.milestones))
        self.keep_time()

    def keep_time(self) -> None:
        """Begins and ends what runs against time, and what is asked, by what there is now."""
        keep_time(self.unit, self.records, self.policy.periods)

    def post(
        self,
        kind: JournalKind,
        source: Source,
        release: Release,
        amounts: Mapping[str, int],
        *,
        settled_currency: str = "",
    ) -> None:
        """Adds a journal in the names of a release's milestone and payee, in its currency."""
        self.touch()  # before it posts: a journal of the escrow
        names = {
            "milestone": ids.show(ids.MILESTONE, release.milestone_id),
            "payee": ids.show(ids.PAYEE, release.payee_id),
        }
        self.unit.post(
            kind,
            source,
            release.currency,
            [Part(names, amounts)],
            settled_currency=settled_currency,
        )


def effect_source(effect: Effect) -> Source:
    """What the journals of a transfer or reversal are of: one generation of its effect."""
    return Source("effect", f"{effect.public_id}:{effect.generation}")


async def open_case(
    runtime: Runtime,
    unit: UnitOfWork,
    name: UUID | str,
    *,
    by: str = BY_ESCROW,
    effect_id: UUID | None = None,
    etag: str = "",
    missing: Callable[[], Exception] = EscrowMissing,
) -> EscrowCase:
    """Loads an escrow for a change, in one round trip.

    Raises:
        EscrowMissing (or what ``missing`` makes), StaleEtag.
        Answered, RequestIdReused: the operation was done before.
    """
    records = await runtime.load_escrow(unit, name, by=by, effect_id=effect_id)
    if records is None:
        raise missing()
    if etag and etag != str(records.escrow.version):
        raise StaleEtag(etag=records.escrow.version)
    policy = await runtime.policies.get(unit.call.tenant_id, records.escrow.policy_version)
    return EscrowCase(unit, records, policy)


async def load_case_of_effect(
    runtime: Runtime, unit: UnitOfWork, effect: Effect
) -> tuple[EscrowCase, Effect]:
    """The escrow that an effect belongs to, and the effect as it is now."""
    assert effect.escrow_id is not None
    case = await open_case(runtime, unit, effect.escrow_id, effect_id=effect.effect_id)
    if case.records.effect is None:
        raise EscrowMissing
    return case, case.records.effect
