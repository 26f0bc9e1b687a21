"""Fees, and books that notice when a balance is not the sum of its transactions."""

import pytest

from stripe_sandbox import ledger
from stripe_sandbox.app import full_registry
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import Store


@pytest.mark.parametrize(
    ("amount", "fee"), [(10_000, 320), (10_500, 335), (50, 31), (1_017, 59), (1_035, 60), (1, 30)]
)
def test_charge_fee_rounds_half_up(amount: int, fee: int) -> None:
    assert ledger.charge_fee(amount) == fee


def test_post_moves_pending_money_when_its_time_has_come() -> None:
    sandbox = Sandbox(full_registry(), Store())
    later = int(sandbox.clock.now()) + 100
    posted = sandbox.execute(
        sandbox.platform,
        lambda call: ledger.post(call, "charge", "ch_1", 1_000, "usd", fee=59, available_on=later),
    )
    assert (posted["net"], posted["status"]) == (941, "pending")
    assert sandbox.execute(sandbox.platform, lambda call: ledger.available(call, "usd")) == 0
    sandbox.execute(
        sandbox.platform, lambda call: ledger.make_available(call, transaction=posted["id"])
    )
    assert sandbox.execute(sandbox.platform, lambda call: ledger.available(call, "usd")) == 941
    assert ledger.books(sandbox.state)["balanced"]


def test_the_books_notice_a_balance_that_is_wrong() -> None:
    sandbox = Sandbox(full_registry(), Store())
    sandbox.execute(
        sandbox.platform, lambda call: ledger.post(call, "charge", "ch_1", 1_000, "usd")
    )
    sandbox.execute(
        sandbox.platform, lambda call: ledger.balance(call)["available"].update(usd=1_001)
    )
    assert not ledger.books(sandbox.state)["balanced"]
