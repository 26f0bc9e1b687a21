"""Escrows of which somebody asks why they wait."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.movements.strangers import charge_of, dispute
from tests.service.operations.agreements.amending import amended, asked
from tests.service.operations.agreements.asking import cancellation, extension
from tests.service.operations.agreements.test_amended_dates import dated_escrow
from tests.service.operations.approvals.waiting import held_refund
from tests.service.operations.deadlines.test_act_on_deadline import freeze
from tests.service.operations.disputes.disputing import contested, offer, opened
from tests.service.operations.escrows.split import share, split_escrow
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.refunds.money import refund, stocked, transferred
from tests.service.operations.refunds.reversals import reverse
from tests.service.operations.refunds.test_failed_refunds import FAILS, failed, funded_by


async def unpaid(market: Marketplace) -> pb.Escrow:
    return await market.new_escrow(6_000)


async def dated(market: Marketplace) -> pb.Escrow:
    return await dated_escrow(market)


async def being_paid(market: Marketplace) -> pb.Escrow:
    escrow = await market.new_escrow(6_000, 4_000)
    await market.fund(escrow)
    return await market.read(escrow)


async def paid_in_part(market: Marketplace) -> pb.Escrow:
    escrow = await market.new_escrow(6_000, 4_000)
    await market.pay(await market.fund(escrow, escrow.milestones[0]))
    await market.settle()
    return await market.read(escrow)


async def partly_frozen(market: Marketplace) -> pb.Escrow:
    escrow = await market.delivered_escrow(10_000)
    await freeze(market, escrow, 2_000)
    return await market.read(escrow)


async def disputed(market: Marketplace) -> pb.Escrow:
    escrow = await market.delivered_escrow(10_000)
    await dispute(market, await charge_of(market, escrow))
    await market.settle()
    return await market.read(escrow)


async def lost(market: Marketplace) -> pb.Escrow:
    escrow = await market.delivered_escrow(10_000)
    made = await dispute(market, await charge_of(market, escrow))
    await market.sandbox.control(f"disputes/{made['id']}/lose")
    await market.settle()
    return await market.read(escrow)


async def reversed_at_stripe(market: Marketplace) -> pb.Escrow:
    await stocked(market)
    escrow = await transferred(market, 10_000)
    await reverse(market)
    return await market.read(escrow)


async def half_ready(market: Marketplace) -> pb.Escrow:
    """Of two payees one has not finished onboarding."""
    ann, bob = await market.new_payee(), await market.new_payee(active=False)
    escrow = await split_escrow(market, [share(ann), share(bob, basis=2_500)], 10_000)
    await market.accept(escrow)
    await market.settle()
    return await market.read(escrow)


async def owing(market: Marketplace) -> pb.Escrow:
    """Refunded after its payee had the money and spent it."""
    await stocked(market)
    payee = await market.paid_payee(10_000)
    escrow = await transferred(market, 10_000, payee=payee)
    await market.pay_out(payee, 16_000)
    await refund(market, escrow, 5_000)
    await market.settle()
    return await market.read(escrow)


async def refund_failed(market: Marketplace) -> pb.Escrow:
    await stocked(market)
    escrow = await funded_by(market, FAILS)
    await failed(market, escrow)
    return await market.read(escrow)


async def asked_to_cancel(market: Marketplace) -> pb.Escrow:
    escrow = await market.delivered_escrow(10_000, payee=await market.new_payee())
    await market.payer.agreements.RequestCancellation(cancellation(escrow))
    return await market.read(escrow)


async def asked_for_time(market: Marketplace) -> pb.Escrow:
    escrow = await market.delivered_escrow(10_000)
    asked = extension(escrow, pb.DEADLINE_KIND_INSPECTION, timedelta(days=2))
    await market.payer.agreements.RequestExtension(asked)
    return await market.read(escrow)


async def asked_to_amend(market: Marketplace) -> pb.Escrow:
    escrow = await market.new_escrow(6_000, 4_000)
    await asked(market.payer, escrow, amended(escrow, price=7_000))
    return await market.read(escrow)


async def argued(market: Marketplace) -> pb.Escrow:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    await opened(market.payer, escrow, amount_minor=4_000)
    return await market.read(escrow)


async def negotiated(market: Marketplace) -> pb.Escrow:
    await stocked(market)
    escrow = await market.funded_escrow(10_000)
    await offer(market.payer, await contested(market, escrow), 4_000)
    return await market.read(escrow)


async def waiting_for_a_second_person(market: Marketplace) -> pb.Escrow:
    escrow = await market.funded_escrow(10_000)
    await held_refund(market, escrow)
    return await market.read(escrow)


AWKWARD: Mapping[str, Callable[[Marketplace], Awaitable[pb.Escrow]]] = {
    make.__name__: make
    for make in (
        unpaid,
        dated,
        being_paid,
        paid_in_part,
        partly_frozen,
        disputed,
        lost,
        reversed_at_stripe,
        half_ready,
        owing,
        refund_failed,
        asked_to_cancel,
        asked_for_time,
        asked_to_amend,
        argued,
        negotiated,
        waiting_for_a_second_person,
    )
}
