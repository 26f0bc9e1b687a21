"""The verbs of a release: what is refused for years is still asked for every day."""

from datetime import timedelta

from service.aggregates.escrow import EscrowCase
from service.aggregates.release import (
    FIRST_TRANSFER_RETRY,
    LONGEST_TRANSFER_RETRY,
    transfer_rejected,
)
from service.domain.call import Party
from service.domain.records.effect import EffectKind
from service.domain.records.release import Release
from service.domain.states.milestone import MilestoneState
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PaymentState
from service.domain.states.release import ReleaseState
from service.store.tables import EscrowRecords
from tests.records import (
    NOW,
    new_effect,
    new_escrow,
    new_milestone,
    new_payee,
    new_payer,
    new_payment,
    new_release,
    new_unit,
)


def releasing(refusals: int = 0) -> tuple[EscrowCase, Release]:
    """All of a milestone was released, and its transfer is under way."""
    payer, payee = new_payer(), new_payee(state=PayeeState.ACTIVE)
    escrow = new_escrow(payer, payee)
    payment = new_payment(escrow, state=PaymentState.SUCCEEDED, stripe_charge="ch_1")
    milestone = new_milestone(
        escrow,
        state=MilestoneState.RELEASING,
        payment_id=payment.payment_id,
        funded_minor=100_00,
        released_minor=100_00,
    )
    release = new_release(
        milestone, escrow, payment, state=ReleaseState.IN_FLIGHT, refusals=refusals
    )
    records = EscrowRecords(
        escrow=escrow,
        payer=payer,
        payee=payee,
        milestones=[milestone],
        payments=[payment],
        releases=[release],
    )
    return EscrowCase(new_unit(party=Party.STRIPE), records), release


def pause_after(refusals: int) -> timedelta:
    """How long a release waits that has been refused so often before."""
    case, release = releasing(refusals)
    effect = new_effect(kind=EffectKind.CREATE_TRANSFER, subject_id=release.release_id)

    transfer_rejected(case, release, effect, "insufficient_capabilities_for_transfer")

    assert (release.state, release.refusals) == (ReleaseState.WAITING, refusals + 1)
    assert release.refusal_code == "insufficient_capabilities_for_transfer"
    return release.transfer_at - NOW


def test_pauses_grow_and_stay_bounded_after_ten_thousand_refusals() -> None:
    pauses = [pause_after(refusals) for refusals in (*range(20), 64, 1_023, 1_024, 9_999, 2**31)]

    assert pauses[0] == FIRST_TRANSFER_RETRY
    assert pauses == sorted(pauses)
    assert set(pauses[10:]) == {LONGEST_TRANSFER_RETRY}
    assert timedelta(minutes=1) < pauses[3] < LONGEST_TRANSFER_RETRY
