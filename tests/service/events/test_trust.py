"""Signed is not true: what an event says is held against what was asked, and against Stripe's API.

Each test is an attack or an accident that once moved money, or kept a worker busy for days.
"""

from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.events.forgeries import forged, held, of_type, paid_at_stripe, verdict
from tests.service.operations.marketplace import Event, Marketplace
from tests.service.operations.transfers import accepted, created, lose_answer

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
    assert reason == (
        "Contradiction: the event tells SUCCEEDED, and Stripe's API REQUIRES_PAYMENT_METHOD"
    )
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


async def test_an_intent_that_stripe_does_not_know_is_set_aside_after_some_minutes(
    market: Marketplace,
) -> None:
    await paid_at_stripe(market)
    await market.sandbox.advance()
    updated = (await of_type(market, "charge.updated"))[-1]

    await given_up(market, forged(updated, payment_intent="pi_unknown"))


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


async def test_metadata_that_a_person_removed_stops_no_payment(market: Marketplace) -> None:
    escrow, succeeded = await paid_at_stripe(market)

    assert await verdict(market, forged(succeeded, metadata={})) == ("PROCESSED", "")

    assert await held(market, escrow) == 10_000


async def given_up(market: Marketplace, event: Event) -> None:
    """A moment may heal what Stripe does not know yet; some minutes do not."""
    state, reason = await verdict(market, event)
    assert (state, reason[:15]) == ("PARKED", "StripeRefused: ")
    for _ in range(7):
        await market.owner.execute(
            "UPDATE stripe_events SET due_at = now() - interval '1 s' WHERE state = 'PARKED'"
        )
        await market.inbox.run_once()
    query = "SELECT state, attempts FROM stripe_events WHERE event_id = $1"
    row = await market.owner.fetchrow(query, event["id"])
    assert row is not None
    assert tuple(row) == ("SUSPENSE", 8)


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

    await given_up(market, forged(real, id="tr_invented"))

    assert "transfer_confirmed" not in [kind for kind, _ in await market.books()]


@pytest.mark.parametrize("changes", [{"reversed": True}, {"amount_reversed": 8_000}], ids=str)
async def test_a_reversal_that_stripe_does_not_show_freezes_nothing(
    market: Marketplace, changes: dict[str, Any]
) -> None:
    """The transfer is fetched: it is there, and was not reversed."""
    real = await unknown_transfer(market)

    assert await verdict(market, forged(real, **changes)) == ("PROCESSED", "")

    assert (await market.books())[-1][0] == "transfer_confirmed"
    assert await market.owner.fetchval("SELECT count(*) FROM freezes") == 0
