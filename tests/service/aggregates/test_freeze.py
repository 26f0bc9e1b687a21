"""What is frozen of a payment, whatever threatens it in whatever order, and what lifting leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import Cause, cover_more, freeze, lift, stops_transfers
from service.domain.call import Party
from service.domain.errors import FreezeMissing, PartyNotAllowed, WrongState
from service.domain.policy_default import DEFAULT_POLICY
from service.domain.records.freeze import FreezeReason
from service.domain.states.freeze import FreezeState
from service.domain.states.milestone import MilestoneState
from service.domain.states.payment import PaymentState
from service.domain.states.release import ReleaseState
from service.store.tables import EscrowRecords
from tests.records import (
    NOW,
    later,
    new_escrow,
    new_id,
    new_milestone,
    new_payee,
    new_payer,
    new_payment,
    new_release,
    new_unit,
)


def cause(source: str, reason: FreezeReason = FreezeReason.REFUND, fact: str = "told") -> Cause:
    return Cause(reason, source, fact)


def case_of(*amounts_minor: int, currency: str = "USD") -> EscrowCase:
    """A funded escrow of these milestones, paid at once."""
    payer, payee = new_payer(), new_payee()
    escrow = new_escrow(payer, payee, currency=currency)
    fees = DEFAULT_POLICY.quote(currency, amounts_minor)
    paid = sum(fee.amount_minor + fee.payer_fee_minor for fee in fees)
    payment = new_payment(escrow, amount_minor=paid, state=PaymentState.SUCCEEDED)
    milestones = [
        new_milestone(
            escrow,
            position=number,
            state=MilestoneState.FUNDED,
            amount_minor=fee.amount_minor,
            payer_fee_minor=fee.payer_fee_minor,
            payee_fee_minor=fee.payee_fee_minor,
            funded_minor=fee.amount_minor,
            payment_id=payment.payment_id,
        )
        for number, fee in enumerate(fees, start=1)
    ]
    records = EscrowRecords(
        escrow=escrow, payer=payer, payee=payee, milestones=milestones, payments=[payment]
    )
    return EscrowCase(new_unit(party=Party.OPERATOR), records)


def froze(case: EscrowCase) -> list[tuple[int, int]]:
    """What each freeze freezes, and what lies beyond."""
    return [(each.amount_minor, each.beyond_minor) for each in case.records.freezes]


def frozen(case: EscrowCase) -> list[int]:
    return [milestone.frozen_minor for milestone in case.records.milestones]


def test_all_that_is_held_covers_the_whole_payment() -> None:
    """The fee that the payer paid on top goes back with it."""
    case = case_of(10_000)
    (payment,) = case.records.payments

    assert freeze(case, payment, 10_500, cause("re_1"))

    assert froze(case) == [(10_000, 0)]
    assert frozen(case) == [10_000]


def test_a_source_freezes_once() -> None:
    case = case_of(10_000)
    (payment,) = case.records.payments
    freeze(case, payment, 4_200, cause("re_1"))

    assert not freeze(case, payment, 4_200, cause("re_1"))
    assert freeze(case, payment, 2_100, cause("re_2"))

    assert frozen(case) == [4_200 + 2_100]


def test_what_was_lifted_is_not_frozen_again_by_the_same_source() -> None:
    case = case_of(10_000)
    (payment,) = case.records.payments
    freeze(case, payment, 4_200, cause("re_1"))
    lift(case, case.records.freezes[0].freeze_id)

    assert not freeze(case, payment, 4_200, cause("re_1"))

    assert frozen(case) == [0]


def test_milestones_are_frozen_one_after_the_other() -> None:
    case = case_of(6_000, 4_000)
    (payment,) = case.records.payments

    freeze(case, payment, 6_300 + 2_000, cause("re_1"))

    assert froze(case) == [(6_000, 0), (2_000, 0)]
    assert frozen(case) == [6_000, 2_000]


def test_more_than_the_payment_is_all_of_it() -> None:
    """A dispute in another currency may be of more than was paid."""
    case = case_of(10_000)
    (payment,) = case.records.payments

    freeze(case, payment, 99_999, cause("du_1", FreezeReason.CHARGEBACK))

    assert froze(case) == [(10_000, 0)]


def test_what_was_released_lies_beyond_and_stops_transfers() -> None:
    case = case_of(10_000)
    (payment,), (milestone,) = case.records.payments, case.records.milestones
    milestone.released_minor, milestone.payer_fee_gone_minor = 6_000, 300

    freeze(case, payment, 10_500, cause("re_1"))

    assert froze(case) == [(4_000, 10_500 - 4_000 - 200)]
    assert stops_transfers(case.records, payment.payment_id)
    assert not stops_transfers(case.records, new_id())


def test_whole_steps_are_frozen_where_a_currency_has_them() -> None:
    """Else what remains could not be released: it has to be a multiple of the step, too."""
    case = case_of(100_000, currency="ISK")
    (payment,) = case.records.payments

    freeze(case, payment, 12_345, cause("re_1"))

    assert frozen(case) == [12_400]


def test_a_payment_that_came_too_late_for_its_milestone_is_shown_at_the_first() -> None:
    case = case_of(10_000)
    late = new_payment(case.escrow, amount_minor=10_500, state=PaymentState.SUCCEEDED)
    case.records.payments.append(late)

    freeze(case, late, 10_500, cause("re_1"))

    assert froze(case) == [(0, 10_500)]
    assert frozen(case) == [0]
    assert not stops_transfers(case.records, case.records.payments[0].payment_id)


def test_news_that_come_before_the_payment_freeze_what_it_funds_later() -> None:
    case = case_of(10_000)
    (payment,), (milestone,) = case.records.payments, case.records.milestones
    milestone.funded_minor = 0
    freeze(case, payment, 10_500, cause("re_1"))
    assert froze(case) == [(0, 10_500)]
    milestone.funded_minor = 10_000

    cover_more(case, payment.payment_id)

    assert frozen(case) == [10_000]
    assert sum(beyond for _, beyond in froze(case)) == 0


def test_what_was_lifted_freezes_again_when_more_is_known_of_it() -> None:
    """An inquiry became a chargeback, which was then paid out."""
    case = case_of(10_000)
    (payment,) = case.records.payments
    freeze(case, payment, 10_500, cause("du_1", fact="inquiry"))
    lift(case, case.records.freezes[0].freeze_id)

    assert not freeze(case, payment, 10_500, cause("du_1", fact="inquiry"))
    assert freeze(case, payment, 10_500, cause("du_1", fact="chargeback"))
    assert not freeze(case, payment, 10_500, cause("du_1", fact="txn_1"))

    assert frozen(case) == [10_000]


# Lifting


def test_lifting_leaves_the_milestone_as_it_was() -> None:
    case = case_of(6_000, 4_000)
    (payment,) = case.records.payments
    freeze(case, payment, 7_300, cause("re_1"))

    lift(case, case.records.freezes[0].freeze_id)  # and with it what its source froze elsewhere

    assert frozen(case) == [0, 0]
    assert {each.state for each in case.records.freezes} == {FreezeState.LIFTED}


def test_what_another_freeze_threatens_stays_frozen() -> None:
    """A warning and then a dispute are about the same money."""
    case = case_of(10_000)
    (payment,) = case.records.payments
    freeze(case, payment, 10_500, cause("issfr_1", FreezeReason.EARLY_FRAUD_WARNING))
    freeze(case, payment, 10_500, cause("du_1", FreezeReason.CHARGEBACK))
    assert froze(case) == [(10_000, 0), (0, 10_500)]

    lift(case, case.records.freezes[0].freeze_id)

    assert frozen(case) == [10_000]
    assert not stops_transfers(case.records, payment.payment_id)


def test_lifting_sends_what_was_released_on_its_way() -> None:
    case = case_of(10_000)
    (payment,), (milestone,) = case.records.payments, case.records.milestones
    milestone.released_minor = 10_000
    waiting = new_release(milestone, case.escrow, payment, transfer_at=later(hours=6))
    case.records.releases.append(waiting)
    freeze(case, payment, 10_500, cause("re_1"))

    lift(case, case.records.freezes[0].freeze_id)

    assert waiting.state is ReleaseState.WAITING
    assert waiting.transfer_at == NOW
    assert id(waiting) in case.unit.records


def test_only_an_operator_lifts_and_only_once() -> None:
    case = case_of(10_000)
    (payment,) = case.records.payments
    freeze(case, payment, 4_200, cause("re_1"))
    freeze_id = case.records.freezes[0].freeze_id
    payers = EscrowCase(new_unit(party=Party.PAYER), case.records)

    with pytest.raises(PartyNotAllowed):
        lift(payers, freeze_id)
    with pytest.raises(FreezeMissing):
        lift(case, new_id())
    lift(case, freeze_id)
    with pytest.raises(WrongState):
        lift(case, freeze_id)


# Whatever comes, in whatever order

ACTS = st.lists(st.tuples(st.sampled_from(["freeze", "lift", "release"]), st.integers(0, 20_000)))


@given(st.lists(st.integers(1_000, 9_000), min_size=1, max_size=3), ACTS)
def test_frozen_is_the_sum_of_open_freezes_and_never_more_than_is_held(
    amounts: list[int], acts: list[tuple[str, int]]
) -> None:
    case = case_of(*amounts)
    (payment,) = case.records.payments
    for number, (act, value) in enumerate(acts):
        is_open = [each for each in case.records.freezes if each.is_open]
        milestone = case.records.milestones[value % len(amounts)]
        if act == "freeze" and value:
            freeze(case, payment, value, cause(f"re_{number}"))
        elif act == "lift" and is_open:
            lift(case, is_open[value % len(is_open)].freeze_id)
        elif act == "release":
            milestone.released_minor += min(value, milestone.releasable_minor)
        for each in case.records.milestones:
            ours = [f for f in case.records.freezes if f.milestone_id == each.milestone_id]
            assert each.frozen_minor == sum(f.amount_minor for f in ours if f.is_open)
            assert 0 <= each.frozen_minor <= each.held_minor


@given(st.lists(st.integers(1_000, 9_000), min_size=1, max_size=3), st.integers(1, 30_000))
def test_what_is_frozen_and_what_lies_beyond_cover_what_is_threatened(
    amounts: list[int], threatened_minor: int
) -> None:
    case = case_of(*amounts)
    (payment,) = case.records.payments

    freeze(case, payment, threatened_minor, cause("re_1"))

    covered = sum(amount + beyond for amount, beyond in froze(case))
    fees = sum(milestone.payer_fee_minor for milestone in case.records.milestones)
    assert covered + fees >= min(threatened_minor, payment.amount_minor)
