"""Signed is not true: what an event says is held against what was asked, and against Stripe's API.

Each test is an attack or an accident that once moved money, or kept a worker busy for days.
"""

import copy
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.operations.marketplace import Event, Marketplace, usd
from tests.service.operations.transfers import TRANSFERS, accepted, created, lose_answer


def forged(event: Event, **changes: Any) -> Event:  # noqa: ANN401  any JSON
    """The same event under another id, its object changed, with a right signature."""
    other = copy.deepcopy(event)
    other["id"] = f"evt_{new_request_id()}"
    other["data"]["object"] |= changes
    return other


async def verdict(
    market: Marketplace, event: Event, endpoint: int | None = None
) -> tuple[str, str]:
    """What becomes of an event at its first attempt."""
    await market.tell(event, endpoint)
    await market.inbox.run_once()
    query = "SELECT state, reason, attempts FROM stripe_events WHERE event_id = $1"
    row = await market.owner.fetchrow(query, event["id"])
    assert row is not None
    assert row["attempts"] <= 1
    return row["state"], row["reason"]


async def paid_at_stripe(market: Marketplace) -> tuple[pb.Escrow, Event]:
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    return escrow, (await of_type(market, "payment_intent.succeeded"))[-1]


async def of_type(market: Marketplace, type_: str) -> list[Event]:
    return [event for event in await market.news() if event["type"] == type_]


async def held(market: Marketplace, escrow: pb.Escrow) -> int:
    return (await market.read(escrow)).milestones[0].held.amount_minor


# Which endpoint an event came to


async def test_an_event_without_account_at_the_connect_endpoint_funds_nothing(
    market: Marketplace,
) -> None:
    escrow, succeeded = await paid_at_stripe(market)

    state, reason = await verdict(market, succeeded, event_pb.STRIPE_ENDPOINT_CONNECT)

    assert (state, reason) == (
        "QUARANTINED",
        "an event of account None came to the endpoint CONNECT",
    )
    assert await held(market, escrow) == 0
    assert await market.books() == []


async def test_a_deauthorization_at_the_platform_endpoint_deauthorizes_nobody(
    market: Marketplace,
) -> None:
    payee = await market.new_payee()
    _, real = await paid_at_stripe(market)
    event = forged(real) | {
        "type": "account.application.deauthorized",
        "account": payee.stripe_account,
        "data": {"object": {"id": "ca_1", "object": "application"}},
    }

    state, _ = await verdict(market, event, event_pb.STRIPE_ENDPOINT_PLATFORM)

    assert state == "QUARANTINED"
    assert (await market.find_payee(payee)).state == party_pb.PAYEE_STATE_ACTIVE


# What an event says of a payment


async def test_a_charge_funds_one_payment(market: Marketplace) -> None:
    """The charge is real, of the right amount, and has funded another escrow already."""
    first, succeeded = await paid_at_stripe(market)
    await market.settle()
    assert await held(market, first) == 10_000
    second = await market.new_escrow()
    payment = await market.fund(second)
    (intent, *_) = await market.sandbox.objects("/v1/payment_intents")
    assert intent["metadata"]["payment"] == payment.id
    books = await market.books()

    forgery = forged(
        succeeded,
        **{name: intent[name] for name in ("id", "metadata", "customer", "transfer_group")},
    )
    state, reason = await verdict(market, forgery)

    assert state == "SUSPENSE"
    assert reason.startswith("Contradiction: it names an object of Stripe that another record")
    assert await held(market, second) == 0
    assert await market.books() == books


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 7_700, "currency": "gbp"},
        {"amount": 7_700},
        {"currency": "gbp"},
        {"customer": "cus_of_somebody_else"},
        {"customer": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("status", ["requires_payment_method", "processing", "succeeded"])
async def test_an_intent_that_we_did_not_ask_for_takes_no_payment_over(
    market: Marketplace, changes: dict[str, Any], status: str
) -> None:
    """A Checkout payment knows its intent from events: the first that fits, and no other."""
    escrow = await market.new_escrow()
    payment = await market.fund(escrow, method=pb.PAYMENT_METHOD_CHECKOUT)
    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    path = f"checkout/sessions/{session['id']}/pay"
    await market.sandbox.control(path, payment_method="pm_card_visa")
    real = (await of_type(market, "payment_intent.succeeded"))[-1]

    forgery = forged(real, id="pi_foreign", status=status, **changes)
    state, reason = await verdict(market, forgery)

    assert (state, reason[:15]) == ("SUSPENSE", "Contradiction: ")
    await market.settle()
    assert await held(market, escrow) == 10_000
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]
    found = await market.read_payment(payment)
    assert found.stripe_payment_intent == real["data"]["object"]["id"]


async def test_an_event_is_not_believed_about_a_fee(market: Marketplace) -> None:
    """A fee comes with the charge's balance transaction, which is fetched."""
    _, succeeded = await paid_at_stripe(market)
    charge = succeeded["data"]["object"]["latest_charge"]
    balance = {"id": "txn_forged", "net": 10_500, "fee": 0, "currency": "usd", "created": 1}
    forgery = forged(succeeded, latest_charge={"id": charge, "balance_transaction": balance})

    assert await verdict(market, forgery) == ("PROCESSED", "")

    assert [kind for kind, _ in await market.books()] == ["payment_succeeded"]


async def test_an_event_of_one_payment_that_names_another_is_set_aside_at_once(
    market: Marketplace,
) -> None:
    """It was run again 60 times at each of 80 attempts."""
    _, succeeded = await paid_at_stripe(market)
    other = await market.fund(await market.new_escrow())
    metadata = succeeded["data"]["object"]["metadata"] | {"payment": other.id}

    state, reason = await verdict(market, forged(succeeded, metadata=metadata))

    assert (state, reason[:15]) == ("SUSPENSE", "Contradiction: ")


async def test_an_intent_that_stripe_does_not_know_is_set_aside_at_once(
    market: Marketplace,
) -> None:
    await paid_at_stripe(market)
    await market.sandbox.advance()
    updated = (await of_type(market, "charge.updated"))[-1]

    state, reason = await verdict(market, forged(updated, payment_intent="pi_unknown"))

    assert state == "SUSPENSE"
    assert reason.startswith("StripeRefused: ")


async def test_an_expanded_payment_intent_of_a_charge_is_understood(market: Marketplace) -> None:
    _, succeeded = await paid_at_stripe(market)
    await verdict(market, succeeded)
    await market.sandbox.advance()
    updated = (await of_type(market, "charge.updated"))[-1]
    expanded = forged(updated, payment_intent=succeeded["data"]["object"])

    assert await verdict(market, expanded) == ("PROCESSED", "")

    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]


@pytest.mark.parametrize(
    "type_", ["payment_intent.succeeded", "charge.updated", "checkout.session.completed"]
)
async def test_a_payment_of_another_product_is_ignored_at_once(
    market: Marketplace, type_: str
) -> None:
    escrow = await market.new_escrow()
    await market.fund(escrow, method=pb.PAYMENT_METHOD_CHECKOUT)
    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    path = f"checkout/sessions/{session['id']}/pay"
    await market.sandbox.control(path, payment_method="pm_card_visa")
    await market.sandbox.advance()
    real = (await of_type(market, type_))[-1]
    intent = "pi_foreign"
    foreign = {"id": intent} if type_.startswith("payment_intent") else {"payment_intent": intent}

    verdict_ = await verdict(market, forged(real, metadata={"order": "7"}, **foreign))

    assert verdict_ == ("IGNORED", "not ours: no payment")


async def test_a_version_with_a_suffix_is_quarantined_and_not_refused(market: Marketplace) -> None:
    _, succeeded = await paid_at_stripe(market)
    version = "2016-03-07; orders_beta=v3"

    state, reason = await verdict(market, forged(succeeded) | {"api_version": version})

    assert state == "QUARANTINED"
    assert version in reason


# Money leaves only on the word of Stripe's API


async def accepted_before_it_settled(
    market: Marketplace, succeeded: Event
) -> tuple[pb.Escrow, party_pb.Payee]:
    """Funded by an event, delivered and accepted; the fee is not known, so nothing was fetched."""
    escrow_id = succeeded["data"]["object"]["metadata"]["escrow"]
    assert await verdict(market, succeeded) == ("PROCESSED", "")
    escrow = await market.read(pb.Escrow(id=escrow_id))
    await market.deliver(escrow)
    await market.accept(await market.read(escrow))
    return await market.read(escrow), party_pb.Payee(id=escrow.payee_id)


async def test_a_payment_is_confirmed_before_money_leaves_against_it(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow))
    succeeded = (await of_type(market, "payment_intent.succeeded"))[-1]
    escrow, _ = await accepted_before_it_settled(market, succeeded)
    assert escrow.milestones[0].state == pb.MILESTONE_STATE_RELEASING
    assert escrow.milestones[0].waiting_for == "Stripe to confirm the payment"
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "released"]

    await market.work()  # Stripe's API shows the same charge, settled or not

    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("transfer_confirmed") == 1
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED


async def test_a_payment_that_stripe_does_not_show_as_paid_pays_nobody(
    market: Marketplace,
) -> None:
    """Everything in the event fits, and at Stripe the payer has not paid."""
    payee = await market.new_payee()
    _, model = await paid_at_stripe(market)
    escrow = await market.new_escrow(payee=payee)
    await market.fund(escrow)
    (intent, *_) = await market.sandbox.objects("/v1/payment_intents")
    facts = {name: intent[name] for name in ("id", "metadata", "customer", "transfer_group")}
    forgery = forged(model, **facts, latest_charge="ch_invented")
    escrow, _ = await accepted_before_it_settled(market, forgery)

    await market.work()

    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "released"]
    assert await market.sandbox.objects(TRANSFERS) == []
    assert await market.owner.fetchval("SELECT state FROM releases") == "WAITING"
    pause = "SELECT transfer_at > now() + interval '30 seconds' FROM releases"
    assert await market.owner.fetchval(pause)


async def test_no_transfer_is_made_against_a_charge_of_another_product(
    market: Marketplace,
) -> None:
    """A forged success names it, then the payer really pays: the fee is of another charge."""
    payee = await market.new_payee()
    _, model = await paid_at_stripe(market)
    escrow = await market.new_escrow(payee=payee)
    payment = await market.fund(escrow)
    (intent, *_) = await market.sandbox.objects("/v1/payment_intents")
    facts = {name: intent[name] for name in ("id", "metadata", "customer", "transfer_group")}
    forgery = forged(model, **facts, latest_charge="ch_of_another_product")
    assert await verdict(market, forgery) == ("PROCESSED", "")
    await market.pay(payment)
    await market.settle()
    await market.deliver(await market.read(escrow))
    await market.accept(await market.read(escrow))

    await market.settle()

    assert await market.sandbox.objects(TRANSFERS) == []
    said = "SELECT reason FROM stripe_events WHERE state = 'SUSPENSE'"
    reasons = [row["reason"] for row in await market.owner.fetch(said)]
    assert any("and we know ch_of_another_product" in reason for reason in reasons)


async def test_metadata_that_a_person_removed_stops_no_payment(market: Marketplace) -> None:
    escrow, succeeded = await paid_at_stripe(market)

    assert await verdict(market, forged(succeeded, metadata={})) == ("PROCESSED", "")

    assert await held(market, escrow) == 10_000


async def test_a_payment_that_cannot_be_confirmed_leaves_the_escrow_as_it_is(
    market: Marketplace,
) -> None:
    """Each try was an operation of the escrow: a new etag and a line of its timeline."""
    payee = await market.new_payee()
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow))
    succeeded = (await of_type(market, "payment_intent.succeeded"))[-1]
    escrow, _ = await accepted_before_it_settled(market, succeeded)
    await market.sandbox.fail_next("/v1/payment_intents", method="GET", times=30)

    for _ in range(3):
        await market.owner.execute("UPDATE releases SET transfer_at = now()")
        await market.transfers.run_once()

    assert (await market.read(escrow)).etag == escrow.etag
    pause = "SELECT transfer_at > now() + interval '30 seconds' FROM releases"
    assert await market.owner.fetchval(pause)


async def test_a_release_is_taken_once_at_a_time(market: Marketplace) -> None:
    payee = await market.new_payee()
    await market.new_escrow(payee=payee)
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow))
    succeeded = (await of_type(market, "payment_intent.succeeded"))[-1]
    await accepted_before_it_settled(market, succeeded)

    (first,) = await market.transfers.take(16)
    assert await market.transfers.take(16) == []
    await market.transfers.do(first)

    assert await market.owner.fetchval("SELECT state FROM releases") == "IN_FLIGHT"


async def test_a_thin_event_may_come_to_either_endpoint(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")
    for endpoint in (event_pb.STRIPE_ENDPOINT_CONNECT, event_pb.STRIPE_ENDPOINT_PLATFORM):
        thin: Event = {
            "id": f"evt_{new_request_id()}",
            "object": "v2.core.event",
            "livemode": False,
            "type": "v2.core.account[requirements].updated",
            "created": "2026-11-28T04:00:00Z",
            "context": payee.stripe_account,
            "related_object": {"id": payee.stripe_account, "type": "v2.core.account"},
        }
        assert await verdict(market, thin, endpoint) == ("PROCESSED", "")


# What an event says of a transfer


async def unknown_transfer(market: Marketplace) -> Event:
    """A transfer whose answer was lost; its event has not come."""
    await accepted(market)
    await lose_answer(market)
    await market.effects.run_once()
    return await created(market)


@pytest.mark.parametrize(
    "changes",
    [
        {"reversed": True},
        {"amount_reversed": 1},
        {"source_transaction": "ch_of_somebody_else"},
        {"transfer_group": "another"},
        {"metadata": "without our effect"},
    ],
    ids=str,
)
async def test_a_transfer_that_was_not_asked_for_settles_nothing(
    market: Marketplace, changes: dict[str, Any]
) -> None:
    real = await unknown_transfer(market)
    if "metadata" in changes:
        changes = {"metadata": real["data"]["object"]["metadata"] | {"effect": f"eff_{'0' * 32}"}}

    state, _ = await verdict(market, forged(real, **changes))

    assert state in ("SUSPENSE", "PARKED")
    assert "transfer_confirmed" not in [kind for kind, _ in await market.books()]
    assert await market.owner.fetchval("SELECT state FROM effects WHERE kind LIKE '%transfer'") == (
        "UNKNOWN"
    )


async def test_a_transfer_that_stripe_does_not_know_settles_nothing(market: Marketplace) -> None:
    """Everything fits, and there is no such transfer."""
    real = await unknown_transfer(market)

    state, reason = await verdict(market, forged(real, id="tr_invented"))

    assert state == "SUSPENSE"
    assert reason.startswith("StripeRefused: ")
    assert "transfer_confirmed" not in [kind for kind, _ in await market.books()]


# What Stripe's API answers


async def test_an_answer_that_is_no_json_is_looked_up_and_pays_once(market: Marketplace) -> None:
    """A proxy's page was taken for a refusal, and asking again paid the payout twice."""
    payee = await market.paid_payee()
    await market.sandbox.fail_next("/v1/payouts", "page_after_effect")
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(3_000)
    )
    payout = (await market.payee.parties.RequestPayout(request)).payout
    await market.effects.run_once()
    assert await market.owner.fetchval("SELECT state FROM payouts") == "REQUESTED"

    await market.patience()
    await market.settle()

    made = await market.sandbox.objects("/v1/payouts", payee.stripe_account)
    assert len(made) == 1
    assert made[0]["metadata"]["payout"] == payout.id
    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("payout_created") == 1


@pytest.mark.parametrize("answer", [{"id": None}, {"id": ""}, {"id": 7}], ids=str)
async def test_an_answer_without_an_id_is_looked_up(
    market: Marketplace, answer: dict[str, Any]
) -> None:
    await accepted(market)
    await market.sandbox.fail_next(TRANSFERS, "altered", answer=answer)
    await market.effects.run_once()
    assert "transfer_confirmed" not in [kind for kind, _ in await market.books()]

    await market.patience()
    await market.work()

    assert [kind for kind, _ in await market.books()].count("transfer_confirmed") == 1
    assert len(await market.sandbox.objects(TRANSFERS)) == 1


async def test_another_account_than_the_payees_is_never_stored(market: Marketplace) -> None:
    """Reading an account once answered another id, which was stored, and paid."""
    payee = await market.new_payee(active=False)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")
    path = f"/v2/core/accounts/{payee.stripe_account}"
    altered = {"id": "acct_of_somebody_else"}
    await market.sandbox.fail_next(path, "altered", method="GET", answer=altered)

    found = await market.find_payee(payee)

    assert found.stripe_account == payee.stripe_account
    assert found.state == party_pb.PAYEE_STATE_ONBOARDING
    assert (await market.find_payee(payee)).state == party_pb.PAYEE_STATE_ACTIVE
