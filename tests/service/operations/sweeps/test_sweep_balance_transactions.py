"""A pass over an account: page by page, once, and whatever goes wrong in the middle of it."""

import asyncio
from datetime import timedelta

import pytest
import structlog

from escrow.v1 import party_service_pb2 as party_pb
from service import runtime
from service.domain.errors import StripeUnavailable
from service.operations.sweeps.sweep_balance_transactions import ACCOUNT_DELAY, OVERLAP
from service.runtime import Runtime
from tests.service.movements.strangers import (
    assert_same_as_stripe,
    charge_of,
    foreign_charge,
    freezes,
    moved,
    refund,
    rows,
)
from tests.service.operations.later import KEY_LIFETIME, Later
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.payouts.test_request_payout import payout_of, payout_under_way
from tests.service.operations.sweeps.passes import (
    TRANSACTIONS,
    TRIES,
    Json,
    at,
    failing,
    list_instead,
    pages_asked,
    read,
    sweep_of,
    transactions,
)
from tests.service.operations.transfers import TRANSFERS, accepted, annotate, lose_answer

A_PAGE = 100  # Stripe shows no more at once
PAYOUTS = "/v1/payouts"
A_DAY = int(timedelta(days=1).total_seconds())


async def kinds(market: Marketplace) -> list[str]:
    return [kind for kind, _ in await market.books()]


async def fees(market: Marketplace, count: int) -> None:
    for _ in range(count):
        await moved(market, "stripe_fee", -1)


async def kinds_of(market: Marketplace, account: str) -> dict[str, str]:
    """What booked each movement of an account, by the type that Stripe gives it."""
    found = (await rows(market)).values()
    return {row["type"]: row["kind"] for row in found if row["stripe_account"] == account}


# Pages


async def test_a_pass_reads_page_by_page_to_the_end(market: Marketplace) -> None:
    await fees(market, A_PAGE + 20)

    swept = await read(market)

    assert (swept.seen, swept.booked, swept.undecided) == (A_PAGE + 20, A_PAGE + 20, {})
    listed = [each["id"] for each in await transactions(market)]
    first, second = await pages_asked(market)
    assert "starting_after" not in first
    assert second["starting_after"] == listed[-1]
    assert len(await rows(market)) == A_PAGE + 20
    await assert_same_as_stripe(market)


async def interrupt_after_the_first_page(market: Marketplace) -> None:
    async with failing(market, TRANSACTIONS, after=1):
        with pytest.raises(StripeUnavailable):
            await read(market)


async def test_an_interrupted_pass_goes_on_where_it_was(market: Marketplace) -> None:
    await fees(market, A_PAGE + 20)
    (newest, *_, oldest_of_page) = await transactions(market)

    await interrupt_after_the_first_page(market)

    left = await sweep_of(market)
    assert len(await rows(market)) == A_PAGE
    assert (left.page_after, left.newest_at) == (oldest_of_page["id"], at(newest))
    assert left.swept_through is None  # below the page nothing has been read

    assert (await read(market)).seen == 20
    assert (await pages_asked(market))[-1]["starting_after"] == oldest_of_page["id"]
    done = await sweep_of(market)
    assert (done.swept_through, done.page_after) == (at(newest), None)
    await assert_same_as_stripe(market)


async def test_what_happens_during_an_interruption_is_read_by_the_pass_after_it(
    market: Marketplace,
) -> None:
    await fees(market, A_PAGE + 20)
    await interrupt_after_the_first_page(market)
    await market.sandbox.advance(3600)
    late = await moved(market, "stripe_fee", -700)

    await read(market)
    assert late["id"] not in await rows(market)  # it is newer than where the pass goes on
    await read(market)

    assert late["id"] in await rows(market)
    assert len(await rows(market)) == A_PAGE + 21


async def test_what_is_undecided_on_an_earlier_page_is_not_forgotten_by_an_interruption(
    market: Marketplace,
) -> None:
    made = await planned_and_made(market)
    await market.sandbox.advance(600)
    await fees(market, A_PAGE - 1)  # the transfer is the last of the first page
    await interrupt_after_the_first_page(market)

    await read(market)

    assert made["id"] not in await rows(market)
    assert set((await read(market)).undecided) == {made["id"]}


async def test_what_was_seen_is_not_read_again(market: Marketplace) -> None:
    """But for a short while, for Stripe's list may show a transaction late."""
    await fees(market, 3)
    await market.sandbox.advance(3600)
    second = await moved(market, "stripe_fee", -2)
    await read(market)
    await market.sandbox.advance(3600)
    await moved(market, "stripe_fee", -3)

    swept = await read(market)

    assert (swept.seen, swept.booked) == (2, 1)
    asked = (await pages_asked(market))[-1]
    assert int(asked["created"]["gte"]) == second["created"] - OVERLAP.total_seconds()


async def test_a_pass_over_what_is_known_writes_nothing_but_that_it_was_made(
    market: Marketplace,
) -> None:
    await market.funded_escrow()
    await read(market)
    before = await market.contents()

    assert (await read(market)).booked == 0

    after = await market.contents()
    assert [name for name, now in after.items() if now != before[name]] == ["sweeps"]


async def test_an_empty_account_is_read_to_its_end(market: Marketplace) -> None:
    swept = await read(market)

    assert (swept.seen, swept.booked) == (0, 0)
    assert (await sweep_of(market)).swept_through is None


# What is undecided


async def planned_and_made(market: Marketplace) -> Json:
    """A transfer that names an effect which was never sent; its balance transaction."""
    payee = await accepted(market)
    effect = await market.owner.fetchval(
        "SELECT 'eff_' || replace(effect_id::text, '-', '') FROM effects"
        " WHERE kind = 'create_transfer'"
    )
    await foreign_charge(market, 20_000)  # so that there is money to go
    await market.sandbox.stripe(
        TRANSFERS,
        amount="8000",
        currency="usd",
        destination=payee.stripe_account,
        **{"metadata[effect]": effect},
    )
    return next(each for each in await transactions(market) if each["type"] == "transfer")


async def test_what_is_undecided_holds_nothing_up(market: Marketplace) -> None:
    made = await planned_and_made(market)
    await market.sandbox.advance(3600)
    later = await moved(market, "stripe_fee", -200)

    swept = await read(market)

    assert swept.undecided == {made["id"]: "the transfer's effect is PLANNED"}
    assert (await sweep_of(market)).swept_through == at(later)
    await wait_for_undecided(market, hours=1)
    assert set((await read(market)).undecided) == {made["id"]}  # it was looked at again
    assert (await sweep_of(market)).swept_through == at(later)
    found = await rows(market)
    assert made["id"] not in found
    assert later["id"] in found
    (compared, *_) = await market.compare()
    assert compared.clean, compared
    assert dict(compared.on_its_way) == {"USD": -8_000}


async def test_what_a_sent_effect_did_not_make_is_unexplained_at_once(market: Marketplace) -> None:
    """Nobody has to wait a day: our transfer was made, and this is another."""
    made = await planned_and_made(market)
    await read(market)
    await market.work()

    swept = await read(market)

    assert swept.undecided == {}
    assert (await rows(market))[made["id"]]["kind"] == "taken_unexplained"
    assert (await kinds(market)).count("transfer_confirmed") == 1
    assert [each[:2] for each in await freezes(market)] == [("UNEXPLAINED", made["id"])]


async def wait_for_undecided(market: Marketplace, *, hours: int) -> None:
    await market.owner.execute(
        "UPDATE undecided_transactions SET due_at = now() - interval '1 s',"
        " first_seen_at = first_seen_at - $1::interval",
        timedelta(hours=hours),
    )


async def test_after_a_day_it_is_unexplained(market: Marketplace) -> None:
    made = await planned_and_made(market)
    await market.sandbox.advance(10 * A_DAY)  # what counts is since when it is known here
    await moved(market, "stripe_fee", -1)
    assert set((await read(market)).undecided) == {made["id"]}
    await wait_for_undecided(market, hours=23)
    assert set((await read(market)).undecided) == {made["id"]}
    await wait_for_undecided(market, hours=2)

    swept = await read(market)

    assert swept.undecided == {}
    assert (await rows(market))[made["id"]]["kind"] == "taken_unexplained"
    assert [each[:2] for each in await freezes(market)] == [("UNEXPLAINED", made["id"])]


async def test_after_a_day_it_is_unexplained_also_when_nothing_else_has_moved(
    market: Marketplace,
) -> None:
    """A payee's account may rest for months: nothing newer there says how old it is."""
    made = await planned_and_made(market)
    await read(market)
    a_day_later = market.alone.clock() + timedelta(days=1, minutes=1)
    house = Runtime(market.alone.pool, market.alone.stripe, lambda: a_day_later)

    swept = await read(market, house=house)

    assert swept.undecided == {}
    assert (await rows(market))[made["id"]]["kind"] == "taken_unexplained"


async def test_a_transfer_that_was_given_up_is_booked_when_it_is_found(market: Marketplace) -> None:
    """Somebody took our id out of its metadata for a day, and the look-up found nothing."""
    await accepted(market)
    later = Later(market)
    await lose_answer(market)
    await later.effects.run_once()
    (made,) = await market.sandbox.objects(TRANSFERS)
    await annotate(market, made, effect="")
    await later.pass_by(KEY_LIFETIME)
    await later.effects.run_once()
    await annotate(market, made, effect=made["metadata"]["effect"])

    swept = await read(market)
    assert list(swept.undecided.values()) == ["the transfer's effect is REJECTED"]
    await later.ask_again()
    swept = await read(market)

    assert swept.undecided == {}
    assert (await kinds(market)).count("transfer_confirmed") == 1
    assert (await rows(market))[made["balance_transaction"]]["kind"] == "transfer_confirmed"


async def test_what_the_payee_got_waits_until_the_transfer_is_known(market: Marketplace) -> None:
    payee = await accepted(market)
    await lose_answer(market)
    await market.effects.run_once()
    (got,) = await transactions(market, payee.stripe_account)

    swept = await read(market, payee.stripe_account)
    assert swept.undecided == {got["id"]: "the transfer's effect is UNKNOWN"}
    assert (await sweep_of(market, payee.stripe_account)).swept_through == at(got)
    await read(market)  # the platform's: it confirms the transfer
    swept = await read(market, payee.stripe_account)

    assert (swept.booked, swept.undecided) == (1, {})
    assert (await rows(market))[got["id"]]["kind"] == "transfer_confirmed"
    await assert_same_as_stripe(market)


async def test_while_stripe_does_not_answer_what_it_is_about_the_others_are_booked(
    market: Marketplace,
) -> None:
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    await market.sandbox.advance()
    fee = await moved(market, "stripe_fee", -200)
    (_, charge) = await transactions(market)

    async with failing(market, "/v1/payment_intents/"):
        swept = await read(market)

    assert set(swept.undecided) == {charge["id"]}
    assert set(await rows(market)) == {fee["id"]}
    assert (await read(market)).booked == 1
    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    await assert_same_as_stripe(market)


# What cannot be read, and what is not asked about


@pytest.mark.parametrize(
    "changes",
    [{"net": -1}, {"id": "txn:1"}, {"id": None}, {"created": "yesterday"}, {"fee": 0.5}],
    ids=str,
)
async def test_one_that_cannot_be_read_does_not_hold_the_others_up(
    market: Marketplace, changes: Json
) -> None:
    await moved(market, "stripe_fee", -200)
    await moved(market, "stripe_fee", -300)
    (newer, older) = await transactions(market)
    await list_instead(market, [newer | changes, older])

    with structlog.testing.capture_logs() as logs:
        swept = await read(market)

    assert (swept.seen, swept.booked) == (2, 1)
    assert set(await rows(market)) == {older["id"]}
    assert [log["event"] for log in logs] == ["balance transaction unreadable"]
    assert (await sweep_of(market)).swept_through == at(older)


async def test_balance_transactions_of_other_balance_types_are_left_alone(
    market: Marketplace,
) -> None:
    await moved(market, "stripe_fee", -200)
    await moved(market, "adjustment", -300)
    (other, fee) = await transactions(market)
    await list_instead(market, [other | {"balance_type": "issuing"}, fee])

    with structlog.testing.capture_logs() as logs:
        swept = await read(market)

    assert (swept.seen, swept.booked, swept.undecided) == (2, 1, {})
    assert set(await rows(market)) == {fee["id"]}
    assert logs == []


async def test_a_refund_on_the_page_of_its_charge_freezes_what_nobody_has_heard_of(
    market: Marketplace,
) -> None:
    """Both are new, and are booked side by side: whichever comes first, the money is held."""
    escrow = await market.new_escrow()
    await moved(market, "topup", 1_000)  # the charge brought less than it takes back
    await market.pay(await market.fund(escrow))
    await market.sandbox.advance()
    (charge,) = await market.sandbox.objects("/v1/charges")
    made = await refund(market, charge)

    for _ in range(2):  # what is undecided is read again
        await read(market)

    assert sorted(await kinds(market)) == [
        "charge_settled",
        "payment_succeeded",
        "taken_unexplained",
        "topped_up",
    ]
    assert {each[:3] for each in await freezes(market)} == {("REFUND", made["id"], "OPEN")}
    found = (await market.read(escrow)).milestones[0]
    assert (found.held.amount_minor, found.frozen.amount_minor) == (10_000, 10_000)
    await assert_same_as_stripe(market)


# Twice at once


async def sweep_twice_at_once(market: Marketplace, account: str = "") -> None:
    with structlog.testing.capture_logs() as logs:
        swept = await asyncio.gather(*(read(market, account) for _ in range(2)))
    assert [each.undecided for each in swept] == [{}, {}]
    assert [log for log in logs if log["log_level"] == "error"] == []


async def test_charges_that_are_read_twice_at_once_are_booked_once(market: Marketplace) -> None:
    for _ in range(6):
        await market.pay(await market.fund(await market.new_escrow()))
    await market.sandbox.advance()

    await sweep_twice_at_once(market)

    found = await kinds(market)
    assert (found.count("payment_succeeded"), found.count("charge_settled")) == (6, 6)
    assert len(found) == 12
    await assert_same_as_stripe(market)


async def test_transfers_that_are_read_twice_at_once_are_booked_once(market: Marketplace) -> None:
    payees = [await market.new_payee() for _ in range(4)]
    escrows = [await market.delivered_escrow(payee=payee) for payee in payees]
    for escrow in escrows:
        await market.accept(escrow)
    await market.sandbox.fail_next(TRANSFERS, "cut_after_effect", times=4 * TRIES)
    await market.effects.run_once()
    assert (await kinds(market)).count("transfer_confirmed") == 0

    await sweep_twice_at_once(market)
    for payee in payees:
        await sweep_twice_at_once(market, payee.stripe_account)

    found = await kinds(market)
    assert found.count("transfer_confirmed") == 4
    assert {kind for kind in found if "external" in kind or "unexplained" in kind} == set()
    assert await freezes(market) == []
    await assert_same_as_stripe(market)


async def test_what_others_did_is_booked_once_when_it_is_read_twice_at_once(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow()
    await moved(market, "topup", 1_000)
    made = await refund(market, await charge_of(market, escrow))
    for _ in range(3):
        await refund(market, await foreign_charge(market), 700)
    await fees(market, 10)
    await moved(market, "adjustment", 0)

    await sweep_twice_at_once(market)

    found = await kinds(market)
    assert found.count("other_business_brought") == 3
    assert found.count("other_business_took") == 3
    assert (found.count("stripe_fee"), found.count("taken_unexplained")) == (10, 1)
    assert await freezes(market) == [("REFUND", made["id"], "OPEN", 10_000, 0)]
    await assert_same_as_stripe(market)


async def test_what_touches_one_escrow_is_booked_in_turn(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one escrow only one thing can be booked at a time. The others wait, and none races."""
    escrow = await market.funded_escrow()
    charge = await charge_of(market, escrow)
    made = {(await refund(market, charge, 100))["balance_transaction"] for _ in range(8)}
    monkeypatch.setattr(runtime, "MOST_RUNS", 1)

    with structlog.testing.capture_logs() as logs:
        first = await read(market)

    assert first.undecided == {}
    assert made <= set(await rows(market))
    assert [log for log in logs if log["log_level"] == "error"] == []
    assert (await market.read(escrow)).milestones[0].frozen.amount_minor == 800
    await assert_same_as_stripe(market)


async def test_an_event_and_a_pass_at_once_book_once(market: Marketplace) -> None:
    for _ in range(4):
        await market.pay(await market.fund(await market.new_escrow()))
    await market.sandbox.advance()
    for event in await market.news():
        await market.tell(event)

    await asyncio.gather(read(market), market.work())
    await read(market)

    assert (await kinds(market)).count("charge_settled") == 4
    assert len(await rows(market)) == 4
    await assert_same_as_stripe(market)


# The accounts of payees


async def test_the_account_of_a_payee_who_got_money_is_read_a_while_later(
    market: Marketplace,
) -> None:
    payee = await market.paid_payee()
    idle = await market.new_payee()
    before = market.alone.clock()

    await read(market)

    due = {
        row["stripe_account"]: row["due_at"]
        for row in await market.owner.fetch("SELECT stripe_account, due_at FROM sweeps")
    }
    assert idle.stripe_account not in due
    assert due[payee.stripe_account] - before >= ACCOUNT_DELAY


async def test_a_payee_who_got_money_again_is_read_sooner(market: Marketplace) -> None:
    payee = await market.paid_payee()
    await market.sweep()
    tomorrow = "UPDATE sweeps SET due_at = now() + interval '1 day'"
    await market.owner.execute(tomorrow)
    await accepted_of(market, payee)

    await read(market)

    due = "SELECT due_at - now() FROM sweeps WHERE stripe_account = $1"
    assert await market.owner.fetchval(due, payee.stripe_account) <= ACCOUNT_DELAY


async def accepted_of(market: Marketplace, payee: party_pb.Payee) -> None:
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    await market.settle()


async def test_a_payout_has_a_row_that_names_our_journal(market: Marketplace) -> None:
    payee, _ = await payout_under_way(market)

    await market.sweep()

    assert await kinds_of(market, payee.stripe_account) == {
        "payment": "transfer_confirmed",
        "payout": "payout_created",
    }
    await assert_same_as_stripe(market)


async def test_a_payout_that_was_paid_and_no_event_told_of(market: Marketplace) -> None:
    payee, payout = await payout_under_way(market)
    await market.sandbox.control(f"payouts/{payout.stripe_payout}/pay")

    await market.sweep()

    assert (await kinds(market))[-1] == "payout_paid"
    assert (await kinds_of(market, payee.stripe_account))["payout"] == "payout_created"
    await assert_same_as_stripe(market)


@pytest.mark.parametrize("paid_before", [False, True])
async def test_a_payout_that_failed_and_no_event_told_of(
    market: Marketplace, *, paid_before: bool
) -> None:
    payee, payout = await payout_under_way(market)
    if paid_before:
        await market.sandbox.control(f"payouts/{payout.stripe_payout}/pay")
        await market.settle()
    await market.sandbox.control(f"payouts/{payout.stripe_payout}/fail")

    await market.sweep()

    returned = "payout_returned_after_paid" if paid_before else "payout_returned"
    assert (await kinds(market)).count(returned) == 1
    assert await kinds_of(market, payee.stripe_account) == {
        "payment": "transfer_confirmed",
        "payout": "payout_created",
        "payout_failure": returned,
    }
    await market.settle()  # the event comes after all
    assert (await kinds(market)).count(returned) == 1
    await assert_same_as_stripe(market)


async def test_a_payout_of_which_neither_answer_nor_event_came(market: Marketplace) -> None:
    payee = await market.paid_payee()
    await market.sandbox.fail_next(PAYOUTS, "cut_after_effect", times=TRIES)
    await request_payout(market, payee)
    await market.effects.run_once()
    assert "payout_created" not in await kinds(market)

    await market.sweep()

    assert (await kinds_of(market, payee.stripe_account))["payout"] == "payout_created"
    await market.patience()
    await market.settle()
    assert (await kinds(market)).count("payout_created") == 1
    assert len(await market.sandbox.objects(PAYOUTS, payee.stripe_account)) == 1
    await assert_same_as_stripe(market)


async def request_payout(market: Marketplace, payee: party_pb.Payee) -> None:
    await market.payee.parties.RequestPayout(payout_of(payee, usd(3_000)))


async def test_payouts_that_are_read_twice_at_once_are_booked_once(market: Marketplace) -> None:
    payee, payout = await payout_under_way(market)
    await market.sandbox.control(f"payouts/{payout.stripe_payout}/fail")

    await sweep_twice_at_once(market, payee.stripe_account)

    found = await kinds(market)
    assert (found.count("payout_created"), found.count("payout_returned")) == (1, 1)
    assert not any("external" in kind for kind in found)
    await assert_same_as_stripe(market)


async def test_a_payout_that_was_made_without_us_is_external(market: Marketplace) -> None:
    payee = await market.paid_payee()
    await market.sandbox.stripe(PAYOUTS, payee.stripe_account, amount="500", currency="usd")

    await market.sweep()

    kind, entries = (await market.books(payee))[-1]
    assert kind == "external_took"
    assert entries == {"conn:account:external": -500, "conn:account:owner": 500}
    assert (await kinds_of(market, payee.stripe_account))["payout"] == "external_took"
    assert await freezes(market) == []
    await assert_same_as_stripe(market)


async def test_a_payout_that_only_claims_to_be_ours_is_external(market: Marketplace) -> None:
    """It names a payout of ours that is another one."""
    payee, payout = await payout_under_way(market)
    forged = {"metadata[payout]": payout.id, "metadata[payee]": payee.id}
    await market.sandbox.stripe(
        PAYOUTS, payee.stripe_account, amount="500", currency="usd", **forged
    )

    await market.sweep()

    found = await kinds(market)
    assert (found.count("payout_created"), found.count("external_took")) == (1, 1)
    await assert_same_as_stripe(market)


async def test_a_payee_whose_account_can_be_read_no_more_does_not_stop_the_others(
    market: Marketplace,
) -> None:
    gone, there = await market.paid_payee(), await market.paid_payee()
    await market.sandbox.stripe(PAYOUTS, there.stripe_account, amount="500", currency="usd")
    await market.sandbox.control(f"accounts/{gone.stripe_account}/deauthorize")

    with structlog.testing.capture_logs() as logs:
        await market.sweep()

    interrupted = {log["account"] for log in logs if log["event"] == "sweep interrupted"}
    assert interrupted == {gone.stripe_account}
    assert (await kinds(market))[-1] == "external_took"
    # The transfer was booked when the payee was read, before their account was lost.
    assert await kinds_of(market, gone.stripe_account) == {"payment": "transfer_confirmed"}
