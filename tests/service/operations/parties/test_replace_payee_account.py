"""ReplacePayeeAccount: who lost their account gets another, and their money follows there."""

import asyncio
from typing import Any, TypeAlias

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from service.operations.operators.verify_books import verify_books
from tests.service.operations.later import PAUSE, Later
from tests.service.operations.marketplace import AN_ID, Entries, Marketplace, usd
from tests.service.operations.parties.test_create_onboarding_link import link_for
from tests.service.operations.parties.test_create_payee import APIS
from tests.service.operations.parties.test_update_payee import change
from tests.service.operations.parties.test_update_payer import REFUSED, effects
from tests.service.operations.payouts.test_request_payout import payout_of

Api: TypeAlias = party_pb.AccountApi.ValueType
V1, V2 = party_pb.ACCOUNT_API_V1, party_pb.ACCOUNT_API_V2
DEAUTHORIZED, REJECTED = party_pb.PAYEE_STATE_DEAUTHORIZED, party_pb.PAYEE_STATE_REJECTED
ONBOARDING, ACTIVE = party_pb.PAYEE_STATE_ONBOARDING, party_pb.PAYEE_STATE_ACTIVE
LOSSES = [DEAUTHORIZED, REJECTED]
WORDS = {
    DEAUTHORIZED: "another account of the payee's, who has taken access to this one away"
    " (ReplacePayeeAccount)",
    REJECTED: "another account of the payee's, for Stripe has rejected this one"
    " (ReplacePayeeAccount)",
}
EVENT_STATE = "SELECT state FROM stripe_events WHERE event_id = $1"


def replacement(payee: party_pb.Payee, **more: str) -> party_pb.ReplacePayeeAccountRequest:
    return party_pb.ReplacePayeeAccountRequest(
        request_id=new_request_id(), payee_id=payee.id, **more
    )


async def replace(market: Marketplace, payee: party_pb.Payee) -> party_pb.Payee:
    return (await market.payee.parties.ReplacePayeeAccount(replacement(payee))).payee


async def reject(market: Marketplace, payee: party_pb.Payee) -> None:
    """Stripe rejects the account, and has not told yet."""
    path = f"/v1/accounts/{payee.stripe_account}/reject"
    await market.sandbox.stripe(path, reason="fraud_other")


async def lose(
    market: Marketplace, payee: party_pb.Payee, loss: party_pb.PayeeState.ValueType
) -> party_pb.Payee:
    """The payee takes access away, or Stripe rejects the account; and Stripe tells."""
    if loss == DEAUTHORIZED:
        return await market.deauthorize(payee)
    await reject(market, payee)
    await market.settle()
    return await market.find_payee(payee)


async def transfers(market: Marketplace) -> list[tuple[str, int]]:
    """What Stripe has sent, newest first: (destination, minor)."""
    found = await market.sandbox.objects("/v1/transfers")
    return [(each["destination"], each["amount"]) for each in found]


async def of_transfers(market: Marketplace, old: str, new: str) -> Entries:
    """The journals of transfers, and what each did to the two accounts and to payable."""
    journals = []
    for kind, entries in await market.books():
        if kind.startswith("transfer_"):
            named = {
                name.replace(old, "old").replace(new, "new"): minor
                for name, minor in entries.items()
                if name.startswith("conn:") or name.endswith(":payable")
            }
            plain = {
                "payable" if name.endswith(":payable") else name: minor
                for name, minor in named.items()
            }
            journals.append((kind, plain))
    return journals


async def is_right(market: Marketplace) -> None:
    """The books hold together, and are Stripe's."""
    report = await verify_books(market.running.runtime.pool)
    assert report.clean, report
    await market.sweep()
    compared = await market.compare()
    assert all(each.clean for each in compared), compared


@pytest.mark.parametrize("account_api", APIS)
@pytest.mark.parametrize("loss", LOSSES)
async def test_the_money_that_waits_goes_to_the_new_account(
    market: Marketplace, loss: party_pb.PayeeState.ValueType, account_api: Api
) -> None:
    payee = await market.new_payee(account_api=account_api)
    escrow = await market.delivered_escrow(payee=payee)
    lost = await lose(market, payee, loss)
    assert lost.state == loss
    waiting = await market.accept(escrow)
    assert waiting.milestones[0].waiting_for == WORDS[loss]
    async with market.refuses("ACCOUNT_LOST"):
        await market.payee.parties.CreateOnboardingLink(link_for(payee))
    async with market.refuses("ACCOUNT_LOST"):
        await market.payee.parties.RequestPayout(payout_of(payee, usd(1_000)))

    replaced = await replace(market, payee)

    assert replaced.state == ONBOARDING
    assert replaced.stripe_account not in ("", payee.stripe_account)
    assert replaced.requirements_due
    assert (await market.payee.parties.CreateOnboardingLink(link_for(replaced))).url
    assert (await market.read(escrow)).milestones[0].waiting_for == "the payee to finish onboarding"
    assert await market.balance(f"liab:payee:{payee.id}:payable") == 8_000

    ready = await market.onboard(replaced)
    await market.settle()

    assert ready.state == ACTIVE
    assert await transfers(market) == [(replaced.stripe_account, 8_000)]
    state = (await market.read(escrow)).milestones[0].state
    assert state == pb.MILESTONE_STATE_RELEASED
    assert await of_transfers(market, payee.stripe_account, replaced.stripe_account) == [
        ("transfer_requested", {"payable": 8_000}),
        ("transfer_confirmed", {"conn:new:balance": 8_000, "conn:new:owner": -8_000}),
    ]
    assert await market.balance(f"liab:payee:{payee.id}:payable") == 0
    (previous,) = (await market.find_payee(payee)).previous_accounts
    assert (previous.stripe_account, previous.state) == (payee.stripe_account, loss)
    assert list(previous.connected) == []
    await is_right(market)


@pytest.mark.parametrize("loss", LOSSES)
async def test_what_is_in_the_old_account_stays_there(
    market: Marketplace, loss: party_pb.PayeeState.ValueType
) -> None:
    payee = await market.paid_payee()
    await lose(market, payee, loss)
    replaced = await market.onboard(await replace(market, payee))
    escrow = await market.delivered_escrow(5_000, payee=replaced)
    await market.accept(escrow)
    await market.settle()

    found = await market.find_payee(payee)

    (balance,) = found.balances
    assert balance.connected == usd(4_000)
    (previous,) = found.previous_accounts
    assert list(previous.connected) == [usd(8_000)]
    assert await transfers(market) == [
        (replaced.stripe_account, 4_000),
        (payee.stripe_account, 8_000),
    ]
    await is_right(market)


async def test_a_transfer_that_was_sent_and_not_answered_is_decided_where_it_went(
    market: Marketplace,
) -> None:
    """Stripe has made it: it is booked to the old account, and never sent to the new one."""
    payee = await market.new_payee()
    await market.accept(await market.delivered_escrow(payee=payee))
    await market.sandbox.fail_next("/v1/transfers", "cut_after_effect", times=3)
    await market.effects.run_once()
    await reject(market, payee)
    replaced = await replace(market, payee)
    assert ("create_transfer", "UNKNOWN", 1) in await effects(market)

    await market.patience()
    await market.onboard(replaced)
    later = Later(market)
    for _ in range(3):
        await later.ask_again()

    assert await transfers(market) == [(payee.stripe_account, 8_000)]
    assert await of_transfers(market, payee.stripe_account, replaced.stripe_account) == [
        ("transfer_requested", {"payable": 8_000}),
        ("transfer_confirmed", {"conn:old:balance": 8_000, "conn:old:owner": -8_000}),
    ]
    (previous,) = (await market.find_payee(payee)).previous_accounts
    assert list(previous.connected) == [usd(8_000)]
    await is_right(market)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("sent", [False, True])
async def test_a_transfer_that_never_reached_the_old_account_follows(
    market: Marketplace, sent: bool, loss: party_pb.PayeeState.ValueType
) -> None:
    """It was planned, or sent in vain; Stripe refuses it, and it goes to the new account."""
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    if sent:
        await market.sandbox.fail_next("/v1/transfers", "cut_before_effect", times=3)
        await market.effects.run_once()
    if loss == DEAUTHORIZED:
        await market.sandbox.control(f"accounts/{payee.stripe_account}/deauthorize")
    else:
        await reject(market, payee)
    replaced = await replace(market, payee)  # nobody has told yet: it is looked up
    state = "UNKNOWN" if sent else "PLANNED"
    assert ("create_transfer", state, 1) in await effects(market)

    await market.patience()
    await market.onboard(replaced)
    later = Later(market)
    for _ in range(3):
        await later.ask_again()
    await market.settle()

    assert await transfers(market) == [(replaced.stripe_account, 8_000)]
    assert await of_transfers(market, payee.stripe_account, replaced.stripe_account) == [
        ("transfer_requested", {"payable": 8_000}),
        ("transfer_refused", {"payable": -8_000}),
        ("transfer_requested", {"payable": 8_000}),
        ("transfer_confirmed", {"conn:new:balance": 8_000, "conn:new:owner": -8_000}),
    ]
    milestone = (await market.read(escrow)).milestones[0]
    assert milestone.state == pb.MILESTONE_STATE_RELEASED
    await is_right(market)


@pytest.mark.parametrize("account_api", APIS)
async def test_late_events_of_the_old_account_leave_the_new_one_alone(
    market: Marketplace, account_api: Api
) -> None:
    payee = await market.new_payee(account_api=account_api)
    path = f"accounts/{payee.stripe_account}/restrict"
    await market.sandbox.control(path)
    await market.sandbox.control(path, lifted=True)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/deauthorize")
    late = await market.news()
    assert {event["type"] for event in late} >= {"account.application.deauthorized"}
    market.told |= {event["id"] for event in late}
    replaced = await replace(market, payee)

    for event in late:  # while the new account is not onboarded
        await market.tell(event)
    await market.work()
    assert (await market.find_payee(payee)).state == ONBOARDING
    ready = await market.onboard(replaced)
    for event in late:  # and once more, each as another event
        await market.tell(event | {"id": f"{event['id']}again"})
    await market.work()

    found = await market.find_payee(payee)
    assert (found.state, found.stripe_account) == (ACTIVE, ready.stripe_account)
    for event in late:
        for event_id in (event["id"], f"{event['id']}again"):
            state = await market.owner.fetchval(EVENT_STATE, event_id)
            assert state == "IGNORED", event["type"]


async def test_a_hundred_at_once_are_one(market: Marketplace) -> None:
    payee = await market.lost_payee()

    answers = await asyncio.gather(
        *(market.payee.parties.ReplacePayeeAccount(replacement(payee)) for _ in range(100)),
        return_exceptions=True,
    )

    done = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(done) == 1
    found = await market.find_payee(payee)
    assert found.stripe_account == done[0].payee.stripe_account
    accounts = await market.sandbox.objects("/v1/accounts")  # the old one is not shown any more
    assert [each["id"] for each in accounts] == [found.stripe_account]
    assert [each.stripe_account for each in found.previous_accounts] == [payee.stripe_account]


@pytest.mark.parametrize("account_api", APIS)
@pytest.mark.parametrize(
    ("kind", "times"), [("cut_before_effect", 3), ("cut_after_effect", 3), ("status", 1)]
)
async def test_an_answer_that_is_lost_is_looked_up(
    market: Marketplace, kind: str, times: int, account_api: Api
) -> None:
    """And what is found is the new account, never the old one, though one effect made both."""
    payee = await market.new_payee(account_api=account_api)
    await lose(market, payee, REJECTED)  # it is still in Stripe's list
    request = replacement(payee)
    await market.sandbox.fail_next("/v", kind, times=times)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payee.parties.ReplacePayeeAccount(request)
    await market.patience()
    replaced = (await market.payee.parties.ReplacePayeeAccount(request)).payee

    new, old = await market.sandbox.objects("/v1/accounts")
    assert (replaced.stripe_account, payee.stripe_account) == (new["id"], old["id"])


async def test_a_process_that_dies_while_stripe_makes_the_account(market: Marketplace) -> None:
    payee = await market.new_payee()
    await lose(market, payee, REJECTED)
    await market.sandbox.fail_next("/v2/core/accounts", "cut_after_effect", times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payee.parties.ReplacePayeeAccount(replacement(payee))
    later = Later(market)
    await later.pass_by(PAUSE)
    await later.lease()  # and the worker dies

    await later.pass_by(PAUSE)
    await later.effects.run_once()

    found = await market.find_payee(payee)
    new, old = await market.sandbox.objects("/v1/accounts")
    assert (found.stripe_account, payee.stripe_account) == (new["id"], old["id"])
    assert found.state == ONBOARDING


async def test_an_answer_for_the_old_account_that_comes_very_late(market: Marketplace) -> None:
    """A worker that hung since the first account was made is not believed about the second."""
    payee = await market.new_payee()
    await lose(market, payee, REJECTED)
    await market.sandbox.fail_next("/v2/core/accounts", "cut_before_effect", times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payee.parties.ReplacePayeeAccount(replacement(payee))
    headers = {"Authorization": "Bearer sk_test_x"}
    url = f"{market.sandbox.url}/v2/core/accounts/{payee.stripe_account}"
    async with market.sandbox.http.get(url, headers=headers) as answer:
        old: dict[str, Any] = await answer.json()
    await market.sandbox.fail_next("/v2/core/accounts", "altered", answer=old)

    await market.patience()
    await market.effects.run_once()
    assert (await market.find_payee(payee)).stripe_account == ""
    assert ("create_account", "UNKNOWN", 2) in await effects(market)

    await market.patience()
    await market.effects.run_once()
    assert (await market.find_payee(payee)).stripe_account not in ("", payee.stripe_account)


async def test_a_replacement_that_stripe_refuses_is_corrected(market: Marketplace) -> None:
    payee = await market.lost_payee()
    await market.service.parties.UpdatePayee(change(payee.id, email=REFUSED))
    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.payee.parties.ReplacePayeeAccount(replacement(payee))
    assert refusal.metadata == {"payee_id": payee.id, "code": "email_invalid"}
    async with market.refuses("PAYEE_REFUSED"):
        await market.payee.parties.ReplacePayeeAccount(replacement(payee))

    request = change(payee.id, email="rob@example.com", country="DE")
    replaced = (await market.service.parties.UpdatePayee(request)).payee

    (shown,) = await market.sandbox.objects("/v1/accounts")
    assert (shown["id"], shown["country"]) == (replaced.stripe_account, "DE")
    assert shown["metadata"]["replaces"] == payee.stripe_account
    assert replaced.state == ONBOARDING


async def test_a_new_account_that_is_lost_is_replaced_in_turn(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    seen = [payee.stripe_account]
    for loss in (DEAUTHORIZED, REJECTED, DEAUTHORIZED):
        await lose(market, await market.find_payee(payee), loss)
        seen.append((await market.onboard(await replace(market, payee))).stripe_account)
    await market.accept(escrow)
    await market.settle()

    found = await market.find_payee(payee)
    assert [each.stripe_account for each in found.previous_accounts] == seen[:-1]
    assert found.stripe_account == seen[-1]
    assert await transfers(market) == [(seen[-1], 8_000)]
    await is_right(market)


async def test_a_payout_of_the_old_account_ends_in_its_book(market: Marketplace) -> None:
    payee = await market.paid_payee()
    await market.payee.parties.RequestPayout(payout_of(payee, usd(3_000)))
    await market.work()
    await reject(market, payee)
    replaced = await replace(market, payee)

    await market.sandbox.advance(5 * 24 * 3600)
    await market.settle()
    ready = await market.onboard(replaced)

    (listed,) = (
        await market.payee.parties.ListPayouts(party_pb.ListPayoutsRequest(payee_id=payee.id))
    ).payouts
    assert listed.state == party_pb.PAYOUT_STATE_PAID
    ours = [
        (kind, {name.split(":", 1)[1]: minor for name, minor in entries.items()})
        for kind, entries in await market.books()
        if kind.startswith("payout_")
    ]
    old = payee.stripe_account
    assert ours == [
        ("payout_created", {f"{old}:in_transit": 3_000, f"{old}:balance": -3_000}),
        ("payout_paid", {f"{old}:owner": 3_000, f"{old}:in_transit": -3_000}),
    ]
    (previous,) = (await market.find_payee(payee)).previous_accounts
    assert list(previous.connected) == [usd(5_000)]
    async with market.refuses("AMOUNT_ABOVE_BALANCE"):  # what is there is out of reach
        await market.payee.parties.RequestPayout(payout_of(ready, usd(1_000)))
    await is_right(market)


async def test_what_moved_the_old_account_is_booked_there(market: Marketplace) -> None:
    """The sweep still reads it: here a payout that was made past us, and seen only afterwards."""
    payee = await market.paid_payee()
    of_payee = payee.stripe_account
    await market.sandbox.stripe("/v1/payouts", of_payee, amount="1000", currency="usd")
    await reject(market, payee)
    await replace(market, payee)

    await is_right(market)

    external = "SELECT sum(amount_minor) FROM entries WHERE account = $1"
    assert await market.owner.fetchval(external, f"conn:{of_payee}:external") == -1_000


async def test_a_gone_account_is_not_set_up_for_ever(market: Marketplace) -> None:
    """The schedule of an account that was lost before it was set is left as it is."""
    payee = await market.new_payee(active=False)
    assert ("set_manual_payouts", "PLANNED", 1) in await effects(market)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/deauthorize")
    await replace(market, payee)

    await market.work()

    schedules = [state for kind, state, _ in await effects(market) if kind == "set_manual_payouts"]
    assert sorted(schedules) == ["REJECTED", "SUCCEEDED"]


@pytest.mark.parametrize("active", [True, False])
async def test_an_account_that_is_not_lost_stays(market: Marketplace, active: bool) -> None:
    payee = await market.new_payee(active=active)

    async with market.refuses("ACCOUNT_NOT_LOST") as refusal:
        await market.payee.parties.ReplacePayeeAccount(replacement(payee))
    assert refusal.metadata["payee_id"] == payee.id


async def test_it_is_recorded_who_asked_and_why(market: Marketplace) -> None:
    payee = await market.lost_payee()

    request = replacement(payee, reason="They closed it by mistake.")
    await market.operator.parties.ReplacePayeeAccount(request)

    asked = "SELECT party, note FROM operations WHERE kind = 'replace_payee_account'"
    (told,) = await market.owner.fetch(asked)
    assert tuple(told) == (
        "operator",
        f"{payee.id} {payee.stripe_account}: They closed it by mistake.",
    )


async def test_whoever_has_not_seen_the_last_change_is_refused(market: Marketplace) -> None:
    payee = await market.lost_payee()

    async with market.refuses("STALE_ETAG"):
        await market.payee.parties.ReplacePayeeAccount(replacement(payee, etag="1"))


async def test_there_is_no_such_payee(market: Marketplace) -> None:
    async with market.refuses("PAYEE_MISSING"):
        await market.payee.parties.ReplacePayeeAccount(
            replacement(party_pb.Payee(id=f"pye_{AN_ID}"))
        )
