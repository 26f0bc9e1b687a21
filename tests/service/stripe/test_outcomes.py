"""How a call ended, for everything that Stripe and the network can do: real answers over HTTP, read
by the real SDK.
"""

from dataclasses import replace
from typing import Any

import pytest
import stripe

from service.domain.records.effect import Effect, EffectKind
from service.effects.create_customer import CREATE_CUSTOMER
from service.stripe.gateway import StripeGateway
from service.stripe.outcomes import (
    CREDENTIALS_RETRY_S,
    RATE_LIMIT_RETRY_S,
    Lost,
    Postponed,
    Rejected,
    Succeeded,
    outcome_of,
)
from tests.records import new_effect
from tests.service.stripe.conftest import Stripe

CUSTOMERS = "/v1/customers"
TRIES = 3  # of the SDK itself


def creating_customer() -> Effect:
    return new_effect(kind=EffectKind.CREATE_CUSTOMER, request={"name": "Ada"})


async def test_what_stripe_did_is_told_as_plain_data(at_stripe: Stripe) -> None:
    effect = creating_customer()

    outcome = await at_stripe.send(effect)

    assert isinstance(outcome, Succeeded)
    assert type(outcome.object) is dict
    assert outcome.object["name"] == "Ada"
    assert await at_stripe.send(effect) == outcome  # the same key makes no second one


NOBODY_KNOWS: dict[str, tuple[dict[str, Any], str]] = {
    "cut before": ({"kind": "cut_before_effect", "times": TRIES}, "connection"),
    "cut after": ({"kind": "cut_after_effect", "times": TRIES}, "connection"),
    "a server error": ({"kind": "status", "status": 500, "times": TRIES}, "500 "),
    "a conflict": ({"kind": "status", "status": 409, "times": TRIES}, "409 lock_timeout"),
    "a twin is going on": ({"kind": "key_in_use", "times": TRIES}, "409 "),
}


@pytest.mark.parametrize("name", NOBODY_KNOWS)
async def test_what_nobody_knows_is_lost(at_stripe: Stripe, name: str) -> None:
    fault, reason = NOBODY_KNOWS[name]
    await at_stripe.arm(CUSTOMERS, **fault)

    outcome = await at_stripe.send(creating_customer())

    assert isinstance(outcome, Lost)
    assert outcome.reason.startswith(reason)
    assert not outcome.replayed


async def test_a_failure_that_stripe_has_stored_is_told_as_a_replay(at_stripe: Stripe) -> None:
    effect = creating_customer()
    await at_stripe.arm(CUSTOMERS, "stored_error", effect=False)

    first = await at_stripe.send(effect)
    again = await at_stripe.send(effect)

    assert isinstance(first, Lost)
    assert isinstance(again, Lost)
    assert again.replayed
    assert again.reason.startswith("500 ")
    renewed = await at_stripe.send(replace(effect, generation=2))
    assert isinstance(renewed, Succeeded)


async def test_a_key_with_other_parameters_is_never_taken_for_a_refusal(at_stripe: Stripe) -> None:
    """Under this key something has been made; to call it refused would make it twice."""
    effect = creating_customer()
    await at_stripe.send(effect)

    outcome = await at_stripe.send(replace(effect, request={"name": "Grace"}))

    assert outcome == Lost("400 the key was used with other parameters", strange=True)


async def test_a_rate_limit_is_waited_out(at_stripe: Stripe) -> None:
    effect = creating_customer()
    await at_stripe.arm(CUSTOMERS, "status", status=429, times=TRIES)

    assert await at_stripe.send(effect) == Postponed("rate limit", RATE_LIMIT_RETRY_S)
    await at_stripe.disarm()
    assert isinstance(await at_stripe.send(effect), Succeeded)


async def test_a_key_that_stripe_does_not_know_is_a_matter_for_people(at_stripe: Stripe) -> None:
    gateway = StripeGateway("sk_nonsense", environment="test", api_base=at_stripe.url)
    async with gateway:
        outcome = await gateway.send(creating_customer(), CREATE_CUSTOMER.send)

    assert outcome == Postponed("401: Stripe refuses our key", CREDENTIALS_RETRY_S)


REFUSED: dict[str, tuple[dict[str, Any], Rejected]] = {
    "an account that is not ours (403)": (
        {
            "kind": EffectKind.CREATE_PAYOUT,
            "stripe_account": "acct_nobody",
            "request": {"amount": 1_000, "currency": "usd"},
        },
        Rejected("account_invalid"),
    ),
    "a declined card (402)": (
        {
            "kind": EffectKind.CREATE_PAYMENT_INTENT,
            "request": {
                "amount": 1_000,
                "currency": "usd",
                "confirm": True,
                "payment_method": "pm_card_chargeDeclinedInsufficientFunds",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            },
        },
        Rejected("card_declined", decline_code="insufficient_funds"),
    ),
    "an amount below Stripe's least (400)": (
        {
            "kind": EffectKind.CREATE_PAYMENT_INTENT,
            "request": {"amount": 1, "currency": "usd"},
        },
        Rejected("amount_too_small"),
    ),
    "an object that is not there (404)": (
        {"kind": EffectKind.CAPTURE_PAYMENT, "request": {"payment_intent": "pi_nobody"}},
        Rejected("resource_missing"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_stripe_decided_against_is_told_with_its_code(
    at_stripe: Stripe, name: str
) -> None:
    fields, expected = REFUSED[name]

    outcome = await at_stripe.send(new_effect(**fields))

    assert isinstance(outcome, Rejected)
    assert outcome.message
    assert replace(outcome, message="") == expected


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        OSError("no route"),
        ValueError("no JSON"),
        stripe.APIError("<html>Bad gateway</html>"),
        stripe.APIError("", http_status=502),
        stripe.StripeError("of a kind that comes one day"),
    ],
    ids=repr,
)
def test_whatever_is_unknown_is_never_guessed(error: Exception) -> None:
    assert isinstance(outcome_of(error), Lost)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 429},
        {"kind": "cut_before_effect"},
    ],
    ids=str,
)
async def test_a_look_up_that_fails_has_found_neither_something_nor_nothing(
    at_stripe: Stripe, fault: dict[str, Any]
) -> None:
    effect = new_effect(request={"email": "ada@example.com", "metadata": {"effect": "eff_1"}})
    assert await at_stripe.find(effect) is None
    # The HTTP client, too, repeats a GET whose connection was cut.
    await at_stripe.arm(CUSTOMERS, method="GET", times=2 * TRIES, **fault)

    assert isinstance(await at_stripe.find(effect), Lost)
