"""What is given up of what payees owe: rows 21 and 21x, and the way back."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.operations.operators.explain.waits import wait_of_receivable
from tests.service.movements.strangers import assert_same_as_stripe
from tests.service.movements.test_currencies import (
    assert_books_hold,
    entries_of,
    position,
)
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.refunds.money import platform, read_refund, receivables, refund
from tests.service.operations.refunds.test_currencies import now_at, transferred_in_euro
from tests.service.operations.refunds.test_failed_refunds import FAILS, resolve
from tests.service.operations.transfers import TRANSFERS


async def write_off(market: Marketplace) -> None:
    (debt,) = await receivables(market, "state = OWED")
    request = refund_pb.WriteOffReceivableRequest(
        request_id=new_request_id(), receivable_id=debt.id, reason="They are gone."
    )
    await market.client("operator", role="operator").refunds.WriteOffReceivable(request)


async def owed_in_euro(market: Marketplace, card: str = "") -> tuple[pb.Escrow, refund_pb.Refund]:
    """The payee has been paid out, and half is refunded: 40.00 EUR are owed, 44.00 USD of them."""
    escrow = await transferred_in_euro(market, card)
    await market.sandbox.advance(3 * 86_400)  # the card's money is available by then
    await market.pay_out(party_pb.Payee(id=escrow.payee_id), 8_800)
    await now_at(market, 1.15)
    asked = await refund(market, escrow, 5_000)
    await market.settle()
    return escrow, asked


async def test_of_a_converted_payment_nothing_is_left_in_the_position(market: Marketplace) -> None:
    """The platform bears what it gave the payee: 44.00 USD."""
    await owed_in_euro(market)
    (debt,) = await receivables(market)
    assert debt.converted
    waits = wait_of_receivable(debt).description
    assert "their account at Stripe" in waits
    assert "get next" not in waits

    await write_off(market)

    assert await entries_of(market, "written_off_converted") == [
        ("asset:exchange", "EUR", 4_000),
        ("exp:bad_debt", "USD", 4_400),
        ("asset:receivable:payee:*", "EUR", -4_000),
        ("asset:exchange", "USD", -4_400),
    ]
    assert await position(market) == {"EUR": 0, "USD": 0}
    await assert_books_hold(market)
    await assert_same_as_stripe(market)


@pytest.mark.parametrize("resolution", ["SEND_AGAIN", "PUT_BACK", "PAID_OUTSIDE"])
async def test_the_refund_fails_after_the_write_off(market: Marketplace, resolution: str) -> None:
    """Put back, the payee keeps what they have, and the platform has lost nothing."""
    escrow, asked = await owed_in_euro(market, FAILS)
    await write_off(market)
    await market.sandbox.advance(120)
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_FAILED
    await assert_books_hold(market)

    await resolve(market, asked, resolution)
    await market.settle()

    put_back = resolution == "PUT_BACK"
    assert await platform(market, "exp:bad_debt") == (0 if put_back else 4_400)
    assert await platform(market, "liab:refunds_in_flight", "EUR") == 0
    assert await position(market) == {"EUR": 0, "USD": 0}
    if put_back:
        assert await entries_of(market, "owed_again_converted") == [
            ("asset:receivable:payee:*", "EUR", 4_000),
            ("asset:exchange", "USD", 4_400),
            ("asset:exchange", "EUR", -4_000),
            ("exp:bad_debt", "USD", -4_400),
        ]
        released = (await market.read(escrow)).milestones[0].released
        assert released.amount_minor == 10_000
        assert len(await market.sandbox.objects(TRANSFERS)) == 1
    await assert_books_hold(market)
    await assert_same_as_stripe(market)
