import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.fees import FeeRule, FixedPer, fee_part

STEPS = st.sampled_from([1, 10, 100])  # the smallest amounts of USD, KWD and ISK
RULES = st.builds(
    FeeRule,
    basis_points=st.integers(0, 10_000),
    fixed_minor=st.integers(0, 500),
    fixed_per=st.sampled_from(FixedPer),
    least_minor=st.integers(0, 1_000),
    most_minor=st.none() | st.integers(1_000, 10_000),
)


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"), [(0, 0), (9, 0), (10, 1), (29, 1), (30, 2), (10_000, 500)]
)
def test_a_share_is_rounded_half_up(amount_minor: int, fee_minor: int) -> None:
    assert FeeRule(500).fee_minor(amount_minor) == fee_minor


@pytest.mark.parametrize(
    ("rule", "fee_minor"),
    [
        (FeeRule(300, fixed_minor=30), 3_30),
        (FeeRule(300, fixed_minor=30, fixed_per=FixedPer.PAYMENT), 3_00),
        (FeeRule(300, fixed_minor=30, least_minor=5_00), 5_00),
        (FeeRule(300, fixed_minor=30, most_minor=2_00), 2_00),
        (FeeRule(0), 0),
        (FeeRule(10_000), 100_00),
    ],
)
def test_a_fee_of_one_hundred(rule: FeeRule, fee_minor: int) -> None:
    assert rule.fee_minor(100_00) == fee_minor


@given(RULES, st.integers(1, 10**12), st.integers(0, 10**6))
def test_what_a_fee_leaves_grows_with_the_amount(rule: FeeRule, amount: int, more: int) -> None:
    """So that a linter need not look at any amount but the least."""
    left = amount - rule.fee_minor(amount)

    assert rule.fee_minor(amount + more) >= rule.fee_minor(amount)
    assert amount + more - rule.fee_minor(amount + more) >= left


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20), STEPS, st.integers(0, 10_000))
def test_parts_of_any_fee_add_up_and_never_exceed_their_part(
    steps: list[int], step_minor: int, basis_points: int
) -> None:
    parts = [count * step_minor for count in steps]
    amount_minor = sum(parts)
    fee_minor = FeeRule(basis_points).fee_minor(amount_minor, step_minor=step_minor)
    gone = total = 0
    for part in parts:
        share = fee_part(fee_minor, amount_minor, gone, part, step_minor=step_minor)
        assert 0 <= share <= part
        assert share % step_minor == 0
        gone, total = gone + part, total + share

    assert total == fee_minor
