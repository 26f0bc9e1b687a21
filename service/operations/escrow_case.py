"""An escrow under decision: its records, the unit of work, and the verbs that change them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from service.domain import ids
from service.domain.errors import (
    AmountAboveHeld,
    EscrowMissing,
    FieldViolation,
    InvalidField,
    MilestoneMissing,
    PaymentMissing,
    StaleEtag,
)
from service.domain.ledger import Kind, Part, Source
from service.domain.lifecycle import (
    MILESTONE,
    PAYMENT_ENDED,
    RELEASE,
    MilestoneEvent,
    MilestoneState,
    PayeeState,
    ReleaseEvent,
    ReleaseState,
    escrow_state,
    follow,
)
from service.domain.model import Effect, EffectKind, Milestone, Payment, Release
from service.domain.money import charge_step_minor
from service.domain.policy import fee_part
from service.domain.unit import UnitOfWork
from service.operations.house import House
from service.operations.renew_effect import renew
from service.store.escrows import BY_ESCROW, EscrowRecords, load_escrow
from service.stripe import requests

FIRST_TRANSFER_RETRY = timedelta(minutes=1)
LONGEST_TRANSFER_RETRY = timedelta(hours=6)


class EscrowCase:
    """The verbs of an escrow. Each follows a line of the tables and collects what it changes."""

    def __init__(self, unit: UnitOfWork, records: EscrowRecords) -> None:
        self.unit = unit
        self.records = records
        self.escrow = records.escrow
        self.payee = records.payee

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

    def release_of(self, release_id: UUID) -> Release:
        return next(r for r in self.records.releases if r.release_id == release_id)

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
        before = milestone.state
        milestone.state = follow(MILESTONE, before, event, self.unit.call.party)
        self.touch()
        self.unit.put(milestone)
        self.unit.moved(ids.show(ids.MILESTONE, milestone.milestone_id), before, milestone.state)
        escrow_before = self.escrow.state
        self.escrow.state = escrow_state(m.state for m in self.records.milestones)
        self.unit.moved(
            ids.show(ids.ESCROW, self.escrow.escrow_id), escrow_before, self.escrow.state
        )

    def release(
        self,
        milestone: Milestone,
        amount_minor: int | None,
        *,
        whole: MilestoneEvent,
        part: MilestoneEvent,
    ) -> None:
        """Gives the payee a part of what is held (all that is not frozen when None).

        Postings 5 and 5p; and 7a at once when the payee can be paid, else the money waits.
        """
        amount = milestone.releasable_minor if amount_minor is None else amount_minor
        everything = amount == milestone.held_minor
        self.advance(milestone, whole if everything else part)
        if amount % charge_step_minor(self.escrow.currency):
            step_minor = charge_step_minor(self.escrow.currency)
            problem = f"must be a multiple of {step_minor} in {self.escrow.currency}"
            raise InvalidField(FieldViolation("amount_minor", problem))
        if not 0 < amount <= milestone.releasable_minor:
            raise AmountAboveHeld(
                held_minor=milestone.held_minor, frozen_minor=milestone.frozen_minor
            )
        release = self._split_off(milestone, amount)
        if release.payee_share_minor == 0:
            self._move_release(release, ReleaseEvent.NOTHING_TO_TRANSFER)
            self._end_when_transferred(milestone)
        elif self.payee.state is PayeeState.ACTIVE:
            self.request_transfer(release)

    def _split_off(self, milestone: Milestone, amount_minor: int) -> Release:
        gone = milestone.funded_minor - milestone.held_minor
        share = (milestone.amount_minor, gone, amount_minor)
        step_minor = charge_step_minor(self.escrow.currency)
        payer_fee_minor = fee_part(milestone.payer_fee_minor, *share, step_minor=step_minor)
        payee_fee_minor = fee_part(milestone.payee_fee_minor, *share, step_minor=step_minor)
        milestone.released_minor += amount_minor
        assert milestone.payment_id is not None  # held money came by a payment
        release = Release(
            tenant_id=self.escrow.tenant_id,
            release_id=self.unit.new_id(),
            escrow_id=self.escrow.escrow_id,
            milestone_id=milestone.milestone_id,
            payee_id=self.escrow.payee_id,
            payment_id=milestone.payment_id,
            amount_minor=amount_minor,
            payee_share_minor=amount_minor - payee_fee_minor,
            currency=self.escrow.currency,
            state=ReleaseState.WAITING,
            effect_id=None,
            transfer_at=self.unit.now,
            created_at=self.unit.now,
            updated_at=self.unit.now,
        )
        self.records.releases.append(release)
        self.unit.put(release)
        shown = ids.show(ids.RELEASE, release.release_id)
        self.unit.moved(shown, "", release.state)
        amounts = {
            "payee_share": release.payee_share_minor,
            "payee_fee": payee_fee_minor,
            "payer_fee": payer_fee_minor,
        }
        self._post(Kind.RELEASED, Source("release", shown), milestone.milestone_id, amounts)
        return release

    def request_transfer(self, release: Release, renewed: Effect | None = None) -> Effect:
        """Posting 7a, and the transfer as an effect; ``renewed`` is the effect that was rejected
        before, which goes on under its next generation's key.
        """
        self.touch()
        self._move_release(release, ReleaseEvent.REQUEST_TRANSFER)
        effect_id = renewed.effect_id if renewed else self.unit.new_id()
        generation = renewed.generation + 1 if renewed else 1
        charge = self.payment(release.payment_id).stripe_charge
        assert charge is not None  # a payment succeeds with its charge
        shown = ids.show(ids.EFFECT, effect_id)
        request = requests.transfer(release, self.payee, charge, shown, generation)
        if renewed:
            renew(self.unit, renewed)
            renewed.request = request
            effect = renewed
        else:
            effect = self.unit.plan(
                EffectKind.CREATE_TRANSFER,
                effect_id,
                subject_id=release.release_id,
                request=request,
                escrow_id=self.escrow.escrow_id,
                payee_id=self.escrow.payee_id,
            )
        release.effect_id = effect_id
        self._post_transfer(Kind.TRANSFER_REQUESTED, release, effect)
        return effect

    def transfer_succeeded(self, release: Release, effect: Effect, transfer: str) -> None:
        """Postings 7b and 7c."""
        self.touch()
        self._move_release(release, ReleaseEvent.TRANSFER_SUCCEEDED)
        release.stripe_transfer, release.refusal_code = transfer, None
        self._post_transfer(Kind.TRANSFER_CONFIRMED, release, effect)
        self._end_when_transferred(self.milestone(release.milestone_id))

    def transfer_rejected(self, release: Release, effect: Effect, code: str) -> None:
        """Posting 7d: the money goes back to payable, and is sent again later."""
        self.touch()
        self._move_release(release, ReleaseEvent.TRANSFER_REJECTED)
        pause = min(FIRST_TRANSFER_RETRY * 2 ** min(release.refusals, 10), LONGEST_TRANSFER_RETRY)
        release.refusals += 1
        release.refusal_code = code
        release.transfer_at = self.unit.now + pause
        self._post_transfer(Kind.TRANSFER_REFUSED, release, effect)

    def _move_release(self, release: Release, event: ReleaseEvent) -> None:
        before = release.state
        release.state = follow(RELEASE, before, event, self.unit.call.party)
        self.unit.put(release)
        self.unit.moved(ids.show(ids.RELEASE, release.release_id), before, release.state)

    def _end_when_transferred(self, milestone: Milestone) -> None:
        ours = [r for r in self.records.releases if r.milestone_id == milestone.milestone_id]
        if milestone.state is MilestoneState.RELEASING and all(
            release.state is ReleaseState.TRANSFERRED for release in ours
        ):
            self.advance(milestone, MilestoneEvent.TRANSFERRED)

    def _post_transfer(self, kind: Kind, release: Release, effect: Effect) -> None:
        shown = f"{ids.show(ids.EFFECT, effect.effect_id)}:{effect.generation}"
        amounts = {"amount": release.payee_share_minor}
        self._post(kind, Source("effect", shown), release.milestone_id, amounts)

    def _post(
        self, kind: Kind, source: Source, milestone_id: UUID, amounts: dict[str, int]
    ) -> None:
        names = {
            "milestone": ids.show(ids.MILESTONE, milestone_id),
            "payee": ids.show(ids.PAYEE, self.escrow.payee_id),
            "account": self.payee.stripe_account or "",
        }
        self.unit.post(kind, source, self.escrow.currency, [Part(names, amounts)])


async def open_case(
    house: House,
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
    records = await load_escrow(house.pool, unit, name, by=by, effect_id=effect_id)
    if records is None:
        raise missing()
    if etag and etag != str(records.escrow.version):
        raise StaleEtag(etag=records.escrow.version)
    return EscrowCase(unit, records)
