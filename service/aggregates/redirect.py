"""What was to go to a payee who cannot be paid goes to another."""

from __future__ import annotations

from collections.abc import Sequence

from service.aggregates.deadlines import limit_anew
from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import NOT_OF_STRIPE
from service.aggregates.split import payees_of
from service.domain import ids
from service.domain.errors import NothingToRedirect, PayeeReady, ReleaseNetted
from service.domain.fees import fee_part
from service.domain.journal import Part, Source
from service.domain.money import charge_step_minor
from service.domain.postings import JournalKind
from service.domain.records.escrow import Milestone, MilestonePayee
from service.domain.records.parties import Payee
from service.domain.records.release import Release
from service.domain.states.payee import PayeeState
from service.domain.states.release import ReleaseState


def redirect(case: EscrowCase, milestone: Milestone, before: Payee, after: Payee) -> None:
    """Gives another payee what is left of a payee's part of a milestone, and what was released to
    them and has not been sent (posting 5r). What they were paid stays theirs.

    Raises:
        PayeeReady: they can be paid, and Stripe has not refused it.
        NothingToRedirect, ReleaseNetted.
    """
    waiting = [
        release
        for release in case.records.releases
        if release.milestone_id == milestone.milestone_id
        and release.payee_id == before.payee_id
        and release.state is ReleaseState.WAITING
        and not release.gives_back  # it is no part of the price
    ]
    refused = any(release.refusal_code not in NOT_OF_STRIPE for release in waiting)
    if before.state is PayeeState.ACTIVE and not refused:
        raise PayeeReady(payee_id=before.public_id)
    for release in waiting:
        if release.netted_minor:
            raise ReleaseNetted(release_id=release.public_id)
    theirs = [
        each
        for each in payees_of(case.records, milestone.milestone_id) or [_alone(case, milestone)]
        if each.payee_id == before.payee_id
    ]
    if not any(each.left_minor for each in theirs) and not waiting:
        raise NothingToRedirect(payee_id=before.public_id, milestone_id=milestone.public_id)
    case.touch()
    step_minor = charge_step_minor(case.escrow.currency)
    for each in theirs:
        if not each.left_minor:
            continue  # all of it has gone, or was given away before
        whole = each.amount_minor, 0, each.gone_minor
        fee_minor = each.payee_fee_minor - fee_part(
            each.payee_fee_minor, *whole, step_minor=step_minor
        )
        _give(case, each, after, each.left_minor, 0, fee_minor)
    for release in waiting:
        _give_release(case, theirs, release, after)
    limit_anew(case.unit, case.records, milestone)


def _alone(case: EscrowCase, milestone: Milestone) -> MilestonePayee:
    """The escrow's payee as the one payee of a milestone, who gets all of it."""
    alone = MilestonePayee(
        tenant_id=milestone.tenant_id,
        escrow_id=milestone.escrow_id,
        milestone_id=milestone.milestone_id,
        position=0,
        payee_id=case.escrow.payee_id,
        amount_minor=milestone.amount_minor,
        payee_fee_minor=milestone.payee_fee_minor,
        gone_minor=milestone.funded_minor - milestone.held_minor,
    )
    _add(case, alone)
    return alone


def _add(case: EscrowCase, payee: MilestonePayee) -> None:
    case.records.milestone_payees.append(payee)
    case.unit.put(payee)


def _give(
    case: EscrowCase,
    of: MilestonePayee,
    after: Payee,
    amount_minor: int,
    gone_minor: int,
    fee_minor: int,
) -> None:
    """A part of its own, so that what is taken of its fee starts anew."""
    if not amount_minor:
        return
    _add(
        case,
        MilestonePayee(
            tenant_id=of.tenant_id,
            escrow_id=of.escrow_id,
            milestone_id=of.milestone_id,
            position=len(payees_of(case.records, of.milestone_id)),
            payee_id=after.payee_id,
            amount_minor=amount_minor,
            payee_fee_minor=fee_minor,
            gone_minor=gone_minor,
            redirected_from=of.position,
        ),
    )
    of.amount_minor -= amount_minor
    of.gone_minor -= gone_minor
    of.payee_fee_minor -= fee_minor
    case.unit.put(of)


def _give_release(
    case: EscrowCase, theirs: Sequence[MilestonePayee], release: Release, after: Payee
) -> None:
    """Posting 5r. It waits for a transfer of its own, whatever became of the one before."""
    left_minor, fee_left_minor = release.amount_minor, release.payee_fee_minor
    for each in theirs:
        amount_minor = min(each.gone_minor, left_minor)
        # No part keeps a fee that is above its amount.
        least_minor = max(each.payee_fee_minor - (each.amount_minor - amount_minor), 0)
        fee_minor = max(least_minor, min(fee_left_minor, amount_minor, each.payee_fee_minor))
        _give(case, each, after, amount_minor, amount_minor, fee_minor)
        left_minor, fee_left_minor = left_minor - amount_minor, max(fee_left_minor - fee_minor, 0)
    position = case.records.milestone_payees[-1].position
    names = {
        "previous_payee": ids.show(ids.PAYEE, release.payee_id),
        "payee": after.public_id,
    }
    case.unit.post(
        JournalKind.REDIRECTED,
        Source("release", f"{release.public_id}:{position}"),
        release.currency,
        [Part(names, {"amount": release.unsent_minor})],
    )
    release.payee_id, release.effect_id, release.refusal_code = after.payee_id, None, None
    release.transfer_at = case.unit.now
    case.unit.put(release)
