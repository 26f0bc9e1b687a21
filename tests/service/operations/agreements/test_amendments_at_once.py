"""Amendments that meet others, and what is told of them afterwards."""

import asyncio

import grpc
import pytest

from escrow.client import reason_of
from escrow.v1 import escrow_service_pb2 as pb
from service.operations.operators.verify_books import verify_books
from tests.service.operations.agreements.amending import (
    added,
    agreed,
    amended,
    asked,
    costs,
    yes,
)
from tests.service.operations.agreements.asking import WHY
from tests.service.operations.agreements.test_cancellation import cancel
from tests.service.operations.marketplace import Marketplace, usd


async def reason(call: object) -> str:
    """Why it was refused; "" when it was not."""
    try:
        await call  # type: ignore[misc]  # a call of gRPC
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return ""


async def test_of_a_hundred_who_agree_one_does(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payer, escrow, amended(escrow, price=8_000), added(5_000))

    accept = market.payee.agreements.AcceptAmendment
    reasons = await asyncio.gather(*(reason(accept(yes(proposal, escrow))) for _ in range(100)))

    assert sorted(reasons) == ["", *["WRONG_STATE"] * 99]
    done = await market.read(escrow)
    assert [costs(m)[0] for m in done.milestones] == [8_000, 5_000]


@pytest.mark.parametrize("round_", range(5))
async def test_the_old_price_is_paid_or_the_new_one_agreed(
    market: Marketplace, round_: int
) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payer, escrow, amended(escrow, price=8_000))

    async def late(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return await reason(market.payee.agreements.AcceptAmendment(yes(proposal, escrow)))

    payment, refused = await asyncio.gather(market.fund(escrow), late(round_ / 500))

    assert refused in ("", "AMENDMENT_BLOCKED")
    paid = usd(10_500) if refused else usd(8_400)
    assert payment.amount == paid
    await market.pay(payment)
    await market.settle()
    held = (await market.read(escrow)).milestones[0].held
    assert held == (usd(10_000) if refused else usd(8_000))
    report = await verify_books(market.running.runtime.pool)
    assert report.clean, report


async def test_a_cancellation_and_an_agreement_at_once(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payer, escrow, added(5_000))

    reasons = await asyncio.gather(
        reason(market.payee.agreements.AcceptAmendment(yes(proposal, escrow))),
        reason(market.payer.escrows.CancelEscrow(cancel(escrow))),
    )

    assert tuple(reasons) in (("", ""), ("WRONG_STATE", ""))
    assert {m.state for m in (await market.read(escrow)).milestones} == {
        pb.MILESTONE_STATE_CANCELED
    }


async def test_the_timeline_has_both_versions(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000, 4_000)
    first = await asked(market.payee, escrow, amended(escrow, price=12_000), added(5_000))
    await market.payer.agreements.AcceptAmendment(yes(first, escrow))
    await agreed(market, escrow, amended(escrow, price=8_000))

    timeline = await market.timeline(escrow)

    created, proposed, accepted, _, last = timeline
    milestone = escrow.milestones[0].id
    price = {t.subject: t.amount for t in created.transitions}[milestone]
    assert price == usd(10_000)  # as it was then
    words = (
        f"{milestone}: price 120.00 USD, was 100.00 USD, payer's fee 6.00 USD, was 5.00 USD,"
        " payee's fee 24.00 USD, was 20.00 USD;"
        f" added {first.changes[1].milestone_id}: price 50.00 USD, payer's fee 2.50 USD,"
        " payee's fee 10.00 USD, due without a date"
    )
    assert (proposed.note, accepted.note) == (f"{words}: {WHY}", f"{words}: {WHY}")
    assert (list(proposed.changes), list(accepted.changes)) == ([], list(first.changes))
    assert [costs(c.before) for c in last.changes] == [(12_000, 600, 2_400)]
    assert [costs(c.after) for c in last.changes] == [(8_000, 400, 1_600)]
    new = {t.subject: t.amount for t in accepted.transitions}
    assert new[first.changes[1].milestone_id] == usd(5_000)


async def test_a_price_is_told_as_it_was_at_the_time(market: Marketplace) -> None:
    """Also on a page of its own, and after it was paid for at another price."""
    escrow = await market.new_escrow(10_000)
    await agreed(market, escrow, amended(escrow, price=12_000))
    await agreed(market, escrow, amended(escrow, price=8_000))
    await market.pay(await market.fund(escrow))
    await market.settle()

    told, token = [], ""
    while True:
        request = pb.ListTimelineRequest(escrow_id=escrow.id, page_size=1, page_token=token)
        page = await market.service.escrows.ListTimeline(request)
        told += [
            t.amount.amount_minor
            for entry in page.entries
            for t in entry.transitions
            if t.subject == escrow.milestones[0].id
        ]
        token = page.next_page_token
        if not token:
            break
    assert told == [10_000, 8_000]  # created, and paid for
