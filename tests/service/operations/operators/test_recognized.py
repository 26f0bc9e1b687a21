"""What an operator names turns out to be ours, after the sweep has booked it as somebody else's."""

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.movements.strangers import assert_same_as_stripe
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.operators.stuck import (
    as_asked,
    asked_for,
    never_arrived,
    open_effect,
    read_effect,
    settlement,
)
from tests.service.operations.transfers import TRANSFERS, TRIES, annotate
from tests.service.store.stories import assert_books_hold

CONNECTED = """
SELECT j.kind, split_part(e.account, ':', 3), e.currency, e.amount_minor FROM journals AS j
JOIN entries AS e USING (tenant_id, journal_id) WHERE e.book = 'connected'
ORDER BY j.created_at, j.ctid, e.line"""


async def test_a_transfer_made_by_hand_and_booked_as_another_products_is_recognized(
    market: Marketplace,
) -> None:
    """Ours never arrived, and somebody paid the payee in the dashboard: it bears no word of ours
    until an operator writes the effect's id into it.
    """
    effect = await never_arrived(market)
    made = await market.sandbox.stripe(TRANSFERS, **as_asked(await asked_for(market, effect)))
    await market.sweep()
    account = made["destination"]
    assert (await market.books())[-2:] == [
        ("other_business_took", {"asset:stripe": -8_000, "eq:other_business": 8_000}),
        ("external_brought", {f"conn:{account}:external": 8_000, f"conn:{account}:owner": -8_000}),
    ]
    await annotate(market, made, effect=effect.id)
    await market.patience()
    await market.effects.run_once()
    assert (await read_effect(market, effect)).needs_person  # the movement has its row

    await market.operator.operators.SettleEffect(settlement(effect, made["id"]))

    assert dict((await market.books())[-2:]) == {
        "transfer_recognized": {
            "liab:transfers_in_flight": 8_000,
            "eq:other_business": -8_000,
            f"conn:{account}:balance": 8_000,
            f"conn:{account}:owner": -8_000,
        },
        "external_brought_recognized": {
            f"conn:{account}:external": -8_000,
            f"conn:{account}:owner": 8_000,
        },
    }
    await market.sweep()
    await assert_same_as_stripe(market)
    await assert_books_hold(market.running.runtime.pool)
    assert await market.balance(f"conn:{account}:balance") == 8_000


async def test_a_payout_made_by_hand_and_booked_as_the_payees_own_is_recognized(
    market: Marketplace,
) -> None:
    payee = await market.paid_payee()
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(3_000)
    )
    await market.payee.parties.RequestPayout(request)
    await market.sandbox.fail_next("/v1/payouts", "cut_before_effect", times=100 * TRIES)
    await market.effects.run_once()
    await market.sandbox.control("faults", verb="DELETE")
    effect, account = await open_effect(market, "create_payout"), payee.stripe_account
    made = await market.sandbox.stripe("/v1/payouts", account, amount="3000", currency="usd")
    await market.sweep()
    assert (await market.books())[-1] == (
        "external_took",
        {f"conn:{account}:external": -3_000, f"conn:{account}:owner": 3_000},
    )
    await market.sandbox.stripe(
        f"/v1/payouts/{made['id']}", account, **{"metadata[effect]": effect.id}
    )

    await market.operator.operators.SettleEffect(settlement(effect, made["id"]))

    assert dict((await market.books())[-2:]) == {
        "payout_created": {
            f"conn:{account}:in_transit": 3_000,
            f"conn:{account}:balance": -3_000,
        },
        "external_took_recognized": {
            f"conn:{account}:external": 3_000,
            f"conn:{account}:owner": -3_000,
        },
    }
    await market.sweep()
    await assert_same_as_stripe(market)
    await assert_books_hold(market.running.runtime.pool)


async def test_a_payee_who_holds_another_currency_has_what_arrived(market: Marketplace) -> None:
    await market.sandbox.control("settings", accounts_settle_in="external_accounts")
    await market.sandbox.control("exchange_rates", eur=1.25)
    effect = await never_arrived(market, country="DE")
    made = await market.sandbox.stripe(TRANSFERS, **as_asked(await asked_for(market, effect)))
    await market.sweep()
    await annotate(market, made, effect=effect.id)

    await market.operator.operators.SettleEffect(settlement(effect, made["id"]))

    assert [tuple(row) for row in await market.owner.fetch(CONNECTED)] == [
        ("external_brought", "external", "EUR", 6_400),
        ("external_brought", "owner", "EUR", -6_400),
        ("external_brought_recognized", "owner", "EUR", 6_400),
        ("external_brought_recognized", "external", "EUR", -6_400),
        ("arrived_converted", "owner", "USD", 8_000),
        ("arrived_converted", "balance", "EUR", 6_400),
        ("arrived_converted", "balance", "USD", -8_000),
        ("arrived_converted", "owner", "EUR", -6_400),
        ("transfer_recognized", "balance", "USD", 8_000),
        ("transfer_recognized", "owner", "USD", -8_000),
    ]
    await market.sweep()
    await assert_same_as_stripe(market)
    await assert_books_hold(market.running.runtime.pool)
