"""A price among payees: whatever the shares and the parts, every unit is somebody's."""

from hypothesis import given
from hypothesis import strategies as st

from service.aggregates.split import Share, divide, price_shares
from service.domain.errors import FieldViolation
from service.domain.records.escrow import MilestonePayee
from service.store.tables import EscrowRecords
from tests.records import (
    new_escrow,
    new_id,
    new_milestone,
    new_milestone_payee,
    new_payee,
    new_payer,
)

STEPS = st.sampled_from([1, 10, 100])


@st.composite
def split_prices(draw: st.DrawFn) -> tuple[int, list[Share], int]:
    """Fixed amounts and basis points that leave something for a last payee."""
    step = draw(STEPS)
    basis = draw(st.lists(st.integers(1, 3_000), max_size=3))
    fixed = draw(st.lists(st.integers(1, 10**6), max_size=3))
    least = (sum(fixed) * 10_000 // (10_000 - sum(basis)) + 10) if fixed else 10
    price = draw(st.integers(max(least, 10_000), 10**9))
    shares = [
        *(Share(new_id(), each, None) for each in basis),
        *(Share(new_id(), None, each * step) for each in fixed),
        Share(new_id(), None, None),
    ]
    return price * step, draw(st.permutations(shares)), step


@given(split_prices())
def test_the_amounts_add_up_and_none_is_off_by_a_step(
    drawn: tuple[int, list[Share], int],
) -> None:
    price, shares, step = drawn

    amounts = price_shares(price, shares, step)

    if isinstance(amounts, FieldViolation):  # a share too small for a step
        assert "comes to nothing" in amounts.description
        return
    assert sum(amounts) == price
    for share, amount in zip(shares, amounts, strict=True):
        assert amount > 0
        assert amount % step == 0
        if share.amount_minor is not None:
            assert amount == share.amount_minor
        if share.basis_points is not None:
            assert abs(amount - price * share.basis_points / 10_000) < step


def records_of(amounts: list[int]) -> tuple[EscrowRecords, list[MilestonePayee]]:
    payer, payee = new_payer(), new_payee()
    escrow = new_escrow(payer, payee)
    milestone = new_milestone(escrow, amount_minor=sum(amounts))
    payees = [
        new_milestone_payee(milestone, position=place, amount_minor=amount)
        for place, amount in enumerate(amounts)
    ]
    records = EscrowRecords(
        escrow=escrow, payer=payer, payee=payee, milestones=[milestone], milestone_payees=payees
    )
    return records, payees


@given(
    st.lists(st.integers(1, 10**9), min_size=2, max_size=6),
    STEPS,
    st.lists(st.integers(1, 10**9), max_size=8),
)
def test_part_by_part_each_gets_all_of_theirs(
    amounts: list[int], step: int, wanted: list[int]
) -> None:
    records, payees = records_of([amount * step for amount in amounts])
    (milestone,) = records.milestones

    for part in [*wanted, 10**10]:
        left = sum(payee.left_minor for payee in payees)
        taken = min(part * step, left)
        if not taken:
            break
        divided = divide(records, milestone, taken, step)
        assert sum(minor for _, minor in divided) == taken
        for payee, minor in divided:
            assert payee is not None
            assert 0 < minor <= payee.left_minor
            assert abs(minor - payee.left_minor * taken / left) <= step
            payee.gone_minor += minor

    assert [payee.left_minor for payee in payees] == [0] * len(payees)
