"""Money in suspense: listed with whose it is and what to do, and applied to what awaits as much."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.strangers import charge_of, dispute, moved, refund
from tests.service.operations.marketplace import Marketplace, transitions
from tests.service.operations.operators.stuck import REASON, application, suspended
from tests.service.operations.refunds.money import stocked
from tests.service.operations.refusals import read_refusal
from tests.service.operations.transfers import TRANSFERS


async def listed(market: Marketplace) -> list[op.SuspenseItem]:
    return list((await market.operator.operators.ListSuspense(op.ListSuspenseRequest())).suspense)


async def apply(market: Marketplace, request: op.ApplySuspenseRequest) -> pb.Escrow:
    return (await market.operator.operators.ApplySuspense(request)).escrow


async def test_it_is_listed_with_its_owner_its_age_and_what_to_do(market: Marketplace) -> None:
    escrow, payment = await suspended(market)

    (item,) = await listed(market)

    assert item.account == f"liab:suspense:{payment.id}"
    assert (item.amount.amount_minor, item.amount.currency) == (5_250, "USD")
    assert (item.payment_id, item.escrow_id, item.payer_id) == (
        payment.id,
        escrow.id,
        escrow.payer_id,
    )
    assert item.stripe_object == (await charge_of(market, escrow))["id"]
    age = datetime.now(UTC) - item.create_time.ToDatetime(UTC)
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert item.what_to_do.startswith("ApplySuspense, if milestones of this escrow")


async def test_it_funds_the_milestone_that_awaits_as_much(market: Marketplace) -> None:
    escrow, payment = await suspended(market)

    after = await apply(market, application(payment, escrow.milestones[1]))

    second = after.milestones[1]
    assert (second.state, second.payment_id) == (pb.MILESTONE_STATE_FUNDED, payment.id)
    assert second.held.amount_minor == 5_000
    assert (await market.books(escrow, payment))[-1] == (
        "suspense_applied",
        {
            "liab:suspense:payment": 5_250,
            "liab:escrow:m2:held": -5_000,
            "liab:escrow:m2:fee_held": -250,
        },
    )
    assert await listed(market) == []
    last = (await market.timeline(escrow))[-1]
    assert (last.operation, last.actor) == ("apply_suspense", "operator")
    assert last.note == f"{payment.id}: {REASON}"
    assert ("mst", "AWAITING_FUNDS", "FUNDED") in transitions(last)


async def test_it_is_released_from_the_charge_of_that_payment(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow, payment = await suspended(market, payee=payee)
    await apply(market, application(payment, escrow.milestones[1]))

    await market.deliver(escrow, 2)
    await market.accept(escrow, 2)
    await market.settle()

    (made,) = await market.sandbox.objects(TRANSFERS)
    (charge,) = await market.sandbox.objects("/v1/charges")
    assert (made["source_transaction"], made["amount"]) == (charge["id"], 4_000)
    assert (await market.read(escrow)).milestones[1].state == pb.MILESTONE_STATE_RELEASED
    assert all(each.wrong == [] for each in await market.compare())


async def test_it_may_fund_several_that_come_to_as_much(market: Marketplace) -> None:
    escrow, payment = await suspended(market, 5_000, 2_000, 3_000)

    after = await apply(market, application(payment, *escrow.milestones[1:]))

    assert [m.held.amount_minor for m in after.milestones] == [0, 2_000, 3_000]
    assert await market.balance(f"liab:suspense:{payment.id}") == 0


@pytest.mark.parametrize("amounts", [(5_000, 4_999), (5_000, 5_001)], ids=str)
async def test_another_amount_is_refused_with_both(
    market: Marketplace, amounts: tuple[int, int]
) -> None:
    escrow, payment = await suspended(market, *amounts)

    async with market.refuses("SUSPENSE_DIFFERS") as refusal:
        await apply(market, application(payment, escrow.milestones[1]))

    assert refusal.metadata["suspense_minor"] == "5250"


async def test_what_is_being_paid_for_is_refused(market: Marketplace) -> None:
    escrow, payment = await suspended(market)
    other = await market.fund(escrow, escrow.milestones[1])

    async with market.refuses("PAYMENT_OPEN") as refusal:
        await apply(market, application(payment, escrow.milestones[1]))

    assert refusal.metadata["payment_id"] == other.id


async def test_a_payment_that_left_nothing_is_refused(market: Marketplace) -> None:
    escrow = await market.new_escrow(5_000, 5_000)
    payment = await market.fund(escrow, escrow.milestones[0])
    await market.pay(payment)
    await market.settle()

    async with market.refuses("NOTHING_IN_SUSPENSE"):
        await apply(market, application(payment, escrow.milestones[1]))


async def test_what_does_not_await_funds_is_refused(market: Marketplace) -> None:
    escrow, payment = await suspended(market)

    async with market.refuses("WRONG_STATE"):
        await apply(market, application(payment, escrow.milestones[0]))
    async with market.refuses("INVALID_FIELD"):
        await apply(market, application(payment, escrow.milestones[1], escrow.milestones[1]))
    stranger = (await market.new_escrow(5_000)).milestones[0]
    async with market.refuses("MILESTONE_MISSING"):
        await apply(market, application(payment, stranger))


async def test_what_a_bank_takes_back_funds_nothing(market: Marketplace) -> None:
    escrow, payment = await suspended(market)
    await dispute(market, await charge_of(market, escrow))
    await market.sweep()

    async with market.refuses("AMOUNT_FROZEN"):
        await apply(market, application(payment, escrow.milestones[1]))

    for freeze in [f for m in (await market.read(escrow)).milestones for f in m.freezes]:
        await market.operator.escrows.LiftFreeze(
            pb.LiftFreezeRequest(
                request_id=new_request_id(),
                escrow_id=escrow.id,
                freeze_id=freeze.id,
                reason="seen",
            )
        )
    async with market.refuses("AMOUNT_FROZEN"):  # lifting it brought nothing back
        await apply(market, application(payment, escrow.milestones[1]))


async def test_a_dry_run_writes_nothing(market: Marketplace) -> None:
    escrow, payment = await suspended(market)
    request = application(payment, escrow.milestones[1], validate_only=True)

    async with market.unchanged():
        shown = await apply(market, request)

    assert shown.milestones[1].state == pb.MILESTONE_STATE_FUNDED


async def test_a_hundred_at_once_apply_it_once(market: Marketplace) -> None:
    escrow, payment = await suspended(market, 5_000, 5_000, 5_000)

    async def ask(number: int) -> str:
        request = application(payment, escrow.milestones[1 + number % 2])
        try:
            await apply(market, request)
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)
        return "OK"

    answers = await asyncio.gather(*(ask(number) for number in range(100)))

    assert answers.count("OK") == 1
    assert set(answers) <= {"OK", "FAILED_PRECONDITION", "ABORTED"}
    held = [m.held.amount_minor for m in (await market.read(escrow)).milestones]
    assert sorted(held) == [0, 0, 5_000]
    assert [kind for kind, _ in await market.books()].count("suspense_applied") == 1


async def test_what_touches_an_escrow_is_listed_with_it(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    await stocked(market)
    await refund(market, await charge_of(market, escrow))
    await market.sweep()

    items = await listed(market)

    assert items
    assert all(item.account.startswith("asset:unexplained:txn_") for item in items)
    assert {item.escrow_id for item in items} == {escrow.id}
    assert all("LiftFreeze" in item.what_to_do for item in items)


async def test_what_nobody_owns_is_listed_as_that(market: Marketplace) -> None:
    await moved(market, "a_new_type", -700)
    await market.sweep()
    await market.owner.execute(
        "UPDATE undecided_transactions"
        " SET first_seen_at = now() - interval '2 days', due_at = now()"
    )
    await market.sweep()

    (item,) = await listed(market)

    assert (item.amount.amount_minor, item.escrow_id, item.payer_id) == (700, "", "")
    assert "nobody here owns it" in item.what_to_do


@pytest.mark.parametrize("other", ["refund", "application"])
async def test_two_take_of_it_at_once_and_one_is_told_that_nothing_is_left(
    market: Marketplace, other: str
) -> None:
    escrow, payment = await suspended(market)
    await moved(market, "topup", 100_000)

    def refund() -> Awaitable[object]:
        request = refund_pb.RefundSuspenseRequest(
            request_id=new_request_id(), payment_id=payment.id, reason=REASON
        )
        return market.client("operator", role="operator").refunds.RefundSuspense(request)

    second = (
        refund
        if other == "refund"
        else lambda: apply(market, application(payment, escrow.milestones[1]))
    )
    done = await asyncio.gather(refund(), second(), return_exceptions=True)

    (refused,) = [each for each in done if isinstance(each, grpc.aio.AioRpcError)]
    assert read_refusal(refused).reason in {"NOTHING_IN_SUSPENSE", "AMOUNT_FROZEN"}
    assert await market.balance(f"liab:suspense:{payment.id}") == 0
    taken = [kind for kind, _ in await market.books()]
    assert taken.count("refunded_from_suspense") + taken.count("suspense_applied") == 1
