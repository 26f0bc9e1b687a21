"""Who bears a lost chargeback: the rows of the accountant's table, line by line, and the profit."""

from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.depth import deeper
from tests.service.movements.strangers import Json, assert_same_as_stripe, charge_of, dispute, moved
from tests.service.movements.test_currencies import (
    assert_books_hold,
    entries_of,
    in_euro,
    position,
    settles_in_dollars,
)
from tests.service.operations.chargebacks.disputes import chargebacks, preview
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.operators.stuck import suspended
from tests.service.operations.refunds.money import receivables

PROFIT = """SELECT -sum(amount_minor)::bigint FROM entries
    WHERE account LIKE 'rev:%' OR account LIKE 'exp:%'"""
FROM_HELD = (
    "charged_back_from_held",
    {"liab:escrow:m1:held": 10_000, "liab:escrow:m1:fee_held": 500, "liab:disputed:cbk": -10_500},
)
SETTLED = ("chargeback_settled", {"liab:disputed:cbk": 10_500, "asset:dispute:cbk": -10_500})


def from_released(kind: str, account: str) -> tuple[str, dict[str, int]]:
    fees = {"rev:service_fee": 2_000, "rev:platform_fee": 500}
    return f"charged_back_from_{kind}", {account: 8_000, **fees, "liab:disputed:cbk": -10_500}


async def settle(
    market: Marketplace,
    known: pb.Chargeback,
    **more: Any,  # noqa: ANN401  fields of the request
) -> pb.SettleChargebackResponse:
    request = pb.SettleChargebackRequest(
        request_id=new_request_id(),
        chargeback_id=known.id,
        reason="The bank decided.",
        **more,
    )
    operator = market.client("operator", role="operator").chargebacks
    return await operator.SettleChargeback(request)


async def lose(market: Marketplace, escrow: escrow_pb.Escrow, **more: Any) -> Json:  # noqa: ANN401  JSON
    """A dispute of what paid the escrow that the bank decides for the payer."""
    made = await dispute(market, await charge_of(market, escrow), **more)
    await market.settle()
    await market.sandbox.control(f"disputes/{made['id']}/lose")
    await market.settle()
    return made


async def only(market: Marketplace) -> pb.Chargeback:
    (found,) = await chargebacks(market)
    return found


async def arranged(market: Marketplace, where: str) -> escrow_pb.Escrow:
    """An escrow of 100.00 whose money is there."""
    payee = await market.new_payee(active=where != "payable")
    escrow = await market.delivered_escrow(payee=payee)
    if where == "held":
        return escrow
    await market.accept(escrow)
    await market.settle()
    if where == "paid out":
        await market.pay_out(payee, 8_000)
        await market.settle()
    return await market.read(escrow)


async def lines(market: Marketplace, escrow: escrow_pb.Escrow) -> list[tuple[str, dict[str, int]]]:
    """What was booked for chargebacks and debts, in order."""
    booked = await market.books(escrow)
    known = await only(market)
    kinds = ("charged_back", "chargeback_", "reversal", "taken_back", "written_off", "dispute_fee")
    plain = []
    for kind, entries in booked:
        if kind.startswith(kinds):
            short = {a.replace(known.id, "cbk"): m for a, m in entries.items()}
            plain.append((kind, short))
    return plain


async def assert_all_holds(market: Marketplace) -> None:
    """After another reading of all that Stripe has, which changes nothing."""
    await market.sweep()
    await market.settle()
    await assert_books_hold(market)
    await assert_same_as_stripe(market)
    for each in await chargebacks(market):
        assert each.unsettled or await market.balance(f"liab:disputed:{each.id}") == 0


async def profit(market: Marketplace) -> int:
    return int(await market.owner.fetchval(PROFIT))


@pytest.mark.parametrize(
    ("where", "expected", "profit_minor"),
    [
        ("held", [FROM_HELD, SETTLED], -1_835),
        ("payable", [from_released("payable", "liab:payee:payee:payable"), SETTLED], -1_835),
        ("sent", [from_released("payee", "asset:receivable:payee:payee"), SETTLED], -1_835),
        ("paid out", [from_released("payee", "asset:receivable:payee:payee"), SETTLED], -9_835),
    ],
)
async def test_a_loss_is_settled_line_by_line(
    market: Marketplace, where: str, expected: list[tuple[str, dict[str, int]]], profit_minor: int
) -> None:
    await moved(market, "topup", 1_000_000)
    escrow = await arranged(market, where)
    await lose(market, escrow)
    known = await only(market)
    assert (known.state, known.unsettled) == (pb.CHARGEBACK_STATE_LOST, True)

    answer = await settle(market, known)
    await market.settle()

    booked = await lines(market, escrow)
    assert [each for each in booked if each[0].startswith(("charged_back", "chargeback_set"))] == (
        expected
    )
    assert not answer.chargeback.unsettled
    assert answer.taken.state == refund_pb.REFUND_STATE_CHARGED_BACK
    (milestone,) = (await market.read(escrow)).milestones
    assert (milestone.state, milestone.charged_back.amount_minor) == (
        escrow_pb.MILESTONE_STATE_REFUNDED,
        10_000,
    )
    owed = await receivables(market)
    if where == "sent":
        assert [(d.owed.amount_minor, d.reversed.amount_minor) for d in owed] == [(0, 8_000)]
    if where == "paid out":
        assert [d.owed.amount_minor for d in owed] == [8_000]
        request = refund_pb.WriteOffReceivableRequest(
            request_id=new_request_id(), receivable_id=owed[0].id, reason="They are gone."
        )
        operator = market.client("operator", role="operator")
        await operator.refunds.WriteOffReceivable(request)
    assert await profit(market) == profit_minor
    await assert_all_holds(market)
    assert (await market.read(escrow)).milestones[0].freezes == []


@pytest.mark.parametrize("where", ["held", "payable", "sent", "paid out"])
async def test_a_loss_that_is_won_after_all_is_as_if_nothing_had_been(
    market: Marketplace, where: str
) -> None:
    """The exact reverse, and the payee has their share, at the account that they have now."""
    await moved(market, "topup", 1_000_000)
    escrow = await arranged(market, where)
    made = await lose(market, escrow)
    await settle(market, await only(market))
    await market.settle()

    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()

    known = await only(market)
    assert (known.state, known.unsettled) == (pb.CHARGEBACK_STATE_WON, False)
    assert not known.HasField("settle_time")
    per_account: dict[str, int] = {}
    for kind, entries in await lines(market, escrow):
        if not kind.startswith("reversal"):
            for account, minor in entries.items():
                per_account[account] = per_account.get(account, 0) + minor
    fee_minor = per_account.pop("exp:dispute_fee")
    assert per_account.pop("asset:stripe") == -fee_minor
    moved_minor = {account: minor for account, minor in per_account.items() if minor}
    # What had come back from the payee was sent to them once more.
    came = where == "sent"
    assert moved_minor == (
        {"asset:receivable:payee:payee": 8_000, "liab:payee:payee:payable": -8_000} if came else {}
    )
    (milestone,) = (await market.read(escrow)).milestones
    assert milestone.charged_back.amount_minor == 0
    if where in ("held", "payable"):
        if where == "held":
            await market.accept(escrow)
        else:
            await market.onboard(await market.find_payee(party_pb.Payee(id=escrow.payee_id)))
        await market.settle()
    (milestone,) = (await market.read(escrow)).milestones
    assert milestone.state == escrow_pb.MILESTONE_STATE_RELEASED
    assert await profit(market) == 665
    assert not [d for d in await receivables(market) if d.owed.amount_minor]
    await assert_all_holds(market)


@pytest.mark.parametrize(("outcome", "profit_minor"), [("win", 665), ("lose", -1_835)])
async def test_a_precaution_before_the_outcome(
    market: Marketplace, outcome: str, profit_minor: int
) -> None:
    """What the payee has is called back while it is there. A win pays it anew, to the account that
    the payee has by then; after a loss nothing is left to do.
    """
    await moved(market, "topup", 1_000_000)
    escrow = await arranged(market, "sent")
    made = await dispute(market, await charge_of(market, escrow))
    await market.settle()
    await settle(market, await only(market), before_outcome=True)
    await market.settle()
    (debt,) = await receivables(market)
    assert debt.reversed.amount_minor == 8_000
    said = (await preview(market, await only(market))).evidence.fields
    told = {each.name: each.text for each in said}
    assert told["refund_refusal_explanation"].startswith("Nothing of this payment was refunded.")
    first = await market.find_payee(party_pb.Payee(id=escrow.payee_id))
    if outcome == "win":
        await market.deauthorize(first)
        await market.payee.parties.ReplacePayeeAccount(
            party_pb.ReplacePayeeAccountRequest(request_id=new_request_id(), payee_id=first.id)
        )
        await market.work()
        await market.onboard(await market.find_payee(first))

    await market.sandbox.control(f"disputes/{made['id']}/{outcome}")
    await market.settle()

    known = await only(market)
    assert not known.unsettled
    assert known.HasField("settle_time") == (outcome == "lose")
    (milestone,) = (await market.read(escrow)).milestones
    assert milestone.charged_back.amount_minor == (0 if outcome == "win" else 10_000)
    assert await profit(market) == profit_minor
    if outcome == "win":
        second = await market.find_payee(first)
        assert second.stripe_account != first.stripe_account
        assert await market.balance(f"conn:{second.stripe_account}:balance") == 8_000
        assert milestone.state == escrow_pb.MILESTONE_STATE_RELEASED
    await assert_all_holds(market)


@pytest.mark.parametrize("where", ["held", "sent"])
async def test_a_win_costs_the_fees_alone(market: Marketplace, where: str) -> None:
    escrow = await arranged(market, where)
    made = await dispute(market, await charge_of(market, escrow))
    await market.settle()
    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()
    if where == "held":
        await market.accept(await market.read(escrow))
        await market.settle()
    async with market.refuses("NOTHING_TO_SETTLE"):
        await settle(market, await only(market), before_outcome=True)
    assert await profit(market) == 665
    await assert_all_holds(market)


async def test_what_a_win_does_not_bring_back_is_the_platforms(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.sandbox.control(f"disputes/{made['id']}/adjust", amount=-123)
    await market.settle()

    answer = await settle(market, await only(market))

    assert answer.chargeback.borne_by_platform.amount_minor == 123
    assert not answer.HasField("taken")
    await assert_all_holds(market)


async def test_what_is_in_suspense_is_lost_from_there_and_won_back(market: Marketplace) -> None:
    escrow, payment = await suspended(market)
    made = await lose(market, escrow)

    answer = await settle(market, await only(market))

    suspense = f"liab:suspense:{payment.id}"
    assert [p.origin for p in answer.taken.parts] == [refund_pb.REFUND_ORIGIN_SUSPENSE]
    assert await market.balance(suspense) == 0
    await assert_all_holds(market)
    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()
    assert await market.balance(suspense) == 5_250
    await assert_all_holds(market)


async def test_the_platform_bears_what_the_policy_or_the_operator_says(
    market: Marketplace,
) -> None:
    """Nothing is taken from anybody: the escrow goes on. Then it is settled otherwise, in parts."""
    escrow = await market.delivered_escrow(6_000, 4_000)
    await lose(market, escrow)
    known = await only(market)

    dry = await settle(market, known, platform_minor=10_500, validate_only=True)
    assert (await only(market)).unsettled
    answer = await settle(market, known, platform_minor=10_500)

    assert (dry.chargeback.settled, dry.HasField("taken")) == (answer.chargeback.settled, False)
    assert answer.chargeback.borne_by_platform.amount_minor == 10_500
    borne = ("chargeback_borne", {"exp:bad_debt": 10_500, "asset:dispute:cbk": -10_500})
    assert (await lines(market, escrow))[-1] == borne
    assert all(m.held == m.amount and not m.freezes for m in answer.escrow.milestones)

    async with market.refuses("CHARGEBACK_SETTLED"):
        await settle(market, known)
    first, second = escrow.milestones
    source = pb.SettlementSource(milestone_id=second.id, amount_minor=3_000)
    answer = await settle(market, known, anew=True, platform_minor=7_350, sources=[source])
    assert answer.chargeback.borne_by_platform.amount_minor == 7_350
    assert [(p.milestone_id, p.price.amount_minor) for p in answer.taken.parts] == [
        (second.id, 3_000)
    ]
    assert [m.held.amount_minor for m in answer.escrow.milestones] == [6_000, 1_000]
    await market.deliver(escrow, 2)
    for number in (1, 2):
        await market.accept(await market.read(escrow), number)
    await market.settle()
    assert first.id != second.id
    await assert_all_holds(market)


async def test_what_does_not_add_up_or_is_not_lost_is_refused(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    await market.settle()
    known = await only(market)
    async with market.refuses("CHARGEBACK_UNDECIDED"):
        await settle(market, known)
    await market.sandbox.control(f"disputes/{made['id']}/lose")
    await market.settle()
    held = pb.SettlementSource(milestone_id=escrow.milestones[0].id, amount_minor=5_000)
    wrong: tuple[dict[str, Any], ...] = (
        {"platform_minor": 10_501},
        {"sources": [held]},
        {"sources": [held], "platform_minor": 1},
        {"sources": [held], "platform_minor": 10_500},
    )
    for more in wrong:
        async with market.refuses("SETTLEMENT_DOES_NOT_ADD_UP"):
            await settle(market, known, **more)
    async with market.refuses("INVALID_FIELD"):
        await settle(market, known, sources=[held, held])
    other = await market.funded_escrow()
    foreign = pb.SettlementSource(milestone_id=other.milestones[0].id, amount_minor=5_000)
    async with market.refuses("MILESTONE_MISSING"):
        await settle(market, known, sources=[foreign])
    async with market.refuses("CHARGEBACK_MISSING"):
        await settle(market, pb.Chargeback(id="cbk_" + "0" * 32))
    async with market.refuses("STALE_ETAG"):
        await settle(market, known, etag="old")


async def test_a_part_is_lost_and_another_refunded_and_the_payee_pays_each_once(
    market: Marketplace,
) -> None:
    """A refund before the dispute, which is of more than is left: the rest is the platform's."""
    await moved(market, "topup", 1_000_000)
    escrow = await arranged(market, "sent")
    request = refund_pb.RefundMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=6_000,
        reason="It was broken.",
    )
    await market.payee.refunds.RefundMilestone(request)
    await market.settle()
    await lose(market, escrow, amount=10_500)
    known = await only(market)
    async with market.refuses("SETTLEMENT_DOES_NOT_ADD_UP") as refused:
        await settle(market, known)
    assert refused.metadata["found_minor"] == "4200"

    answer = await settle(market, known, platform_minor=6_300)
    await market.settle()

    assert [p.price.amount_minor for p in answer.taken.parts] == [4_000]
    assert sum(d.reversed.amount_minor for d in await receivables(market)) == 8_000
    await assert_all_holds(market)


async def test_where_it_was_settled_in_another_currency(market: Marketplace) -> None:
    """Taken at 1.20 of a charge of 1.10: the difference is the platform's loss by the rate; won at
    1.30 the reverse, and what is left is its gain.
    """
    await moved(market, "topup", 1_000_000)
    await settles_in_dollars(market)
    escrow = await in_euro(market, 10_000)
    await market.accept(await market.deliver(escrow))
    await market.settle()
    await market.sandbox.control("exchange_rates", eur=1.20)
    made = await lose(market, escrow)
    await settle(market, await only(market))
    await market.settle()
    known = await only(market)
    assert await entries_of(market, "chargeback_settled_converted") == [
        (f"liab:disputed:{known.id}", "EUR", 10_500),
        ("asset:exchange", "USD", 12_600),
        ("exp:fx", "USD", 1_050),
        ("asset:exchange", "EUR", -10_500),
        (f"asset:dispute:{known.id}", "USD", -12_600),
        ("asset:exchange", "USD", -1_050),
    ]
    await market.sandbox.control("exchange_rates", eur=1.30)
    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()
    assert set((await position(market)).values()) == {0}
    known = await only(market)
    assert known.unsettled
    await settle(market, known)
    assert not (await only(market)).unsettled
    await assert_all_holds(market)

    # The win is taken back: what was settled of it was the rate alone.
    await market.sandbox.control(f"disputes/{made['id']}/overturn")
    await market.settle()
    assert (await only(market)).unsettled
    (freeze,) = (await market.read(escrow)).milestones[0].freezes
    assert freeze.beyond.amount_minor == 10_500
    await settle(market, await only(market))
    await market.settle()
    await assert_all_holds(market)
    assert set((await position(market)).values()) == {0}


@pytest.mark.parametrize("first", ["events", "sweep"])
async def test_what_the_bank_corrects_after_a_settlement_is_settled_anew(
    market: Marketplace, first: str
) -> None:
    """More than was paid is the platform's (15x); what comes back is given back."""
    escrow = await market.delivered_escrow(8_000)
    made = await lose(market, escrow, amount=5_000)
    await settle(market, await only(market))
    (milestone,) = (await market.read(escrow)).milestones
    held_minor = milestone.held.amount_minor
    for more_minor, excess_minor in ((1_000, 0), (5_000, 2_600), (-4_000, 0)):
        await market.sandbox.control(f"disputes/{made['id']}/adjust", amount=-more_minor)
        await (market.settle() if first == "events" else market.sweep())
        await (market.sweep() if first == "events" else market.settle())
        known = await only(market)
        assert known.unsettled
        (milestone,) = (await market.read(escrow)).milestones
        assert bool(milestone.freezes) == (more_minor > 0)

        answer = await settle(market, known)

        assert not answer.chargeback.unsettled
        await assert_all_holds(market)
        kind, entries = (await lines(market, escrow))[-1]
        assert (kind == "chargeback_excess") == bool(excess_minor)
        assert not excess_minor or entries["exp:fx"] == excess_minor
    (milestone,) = (await market.read(escrow)).milestones
    assert 0 < milestone.held.amount_minor < held_minor
    assert not milestone.freezes


async def test_what_paid_a_debt_out_of_another_escrow_is_sent_again_after_a_win(
    market: Marketplace,
) -> None:
    """From the platform's balance: the charge that was won has nothing left to be sent of."""
    await moved(market, "topup", 1_000_000)
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    await market.settle()
    await market.pay_out(payee, 8_000)
    made = await lose(market, escrow)
    await settle(market, await only(market))
    await market.settle()
    await market.accept(await market.delivered_escrow(payee=payee))
    await market.settle()
    assert [d.netted.amount_minor for d in await receivables(market)] == [8_000]

    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()

    assert await market.balance(f"conn:{payee.stripe_account}:balance") == 8_000
    (milestone,) = (await market.read(escrow)).milestones
    assert milestone.state == escrow_pb.MILESTONE_STATE_RELEASED
    await assert_all_holds(market)


@pytest.mark.parametrize("order", deeper(["last"], ["first", "last"]))
@pytest.mark.parametrize("split", deeper([(3_333, 7_167)], [(6_000, 4_500), (3_333, 7_167)]))
async def test_two_losses_of_a_payment_are_settled_in_any_order(
    market: Marketplace, split: tuple[int, int], order: str
) -> None:
    """Together they are all that is held, and a freeze is of whole cents of the price."""
    escrow = await market.delivered_escrow(6_000, 4_000)
    for amount_minor in split:
        await lose(market, escrow, amount=amount_minor)
    lost = await chargebacks(market)

    for known in sorted(lost, key=lambda each: each.id, reverse=order == "last"):
        answer = await settle(market, known)
        assert answer.taken.amount.amount_minor == known.amount.amount_minor
        await assert_all_holds(market)

    done = await market.read(escrow)
    assert [(m.held.amount_minor, len(m.freezes)) for m in done.milestones] == [(0, 0)] * 2
    assert done.state == escrow_pb.ESCROW_STATE_REFUNDED
    await assert_all_holds(market)
