"""Payment methods: cards, made from test numbers, tokens or the `pm_card_...` names; bank debits
from test IBANs; and the customer's cash balance.
"""

from datetime import UTC, datetime

from stripe_sandbox.call import Call
from stripe_sandbox.errors import CardError, InvalidRequestError, resource_missing
from stripe_sandbox.ids import new_id, token
from stripe_sandbox.params import Params
from stripe_sandbox.payments import bank_debits
from stripe_sandbox.payments.cards import (
    BY_ALIAS,
    BY_NUMBER,
    BY_TOKEN,
    EXPIRED,
    INCORRECT_NUMBER,
    LIVE_CARD,
    PLAIN_CARD,
    Card,
    Decline,
    passes_luhn,
)
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

EMPTY_ADDRESS = {
    "city": None,
    "country": None,
    "line1": None,
    "line2": None,
    "postal_code": None,
    "state": None,
}


@registry.post("/v1/payment_methods")
def create_payment_method(call: Call) -> StripeObject:
    """A card from its number or a token."""
    return create(call, call.params)


def create(call: Call, data: Params) -> StripeObject:
    """A payment method from `payment_method_data` or the like: type, card, billing_details."""
    method = _create_by_type(call, data)
    details = data.hash("billing_details")
    for name in ("email", "name", "phone"):
        method["billing_details"][name] = details.text(name)
    method["billing_details"]["address"] = EMPTY_ADDRESS | dict(details.hash("address"))
    method["metadata"] = data.merge_metadata()
    return method


def _create_by_type(call: Call, data: Params) -> StripeObject:
    kind = data.required_text("type")
    match kind:
        case "card":
            data.require("card")
            return _from_card(call, *_read_card(call, data.hash("card")))
        case "sepa_debit":
            iban, shown = bank_debits.read_details(data.hash(kind))
            return call.add(_new_method(call, kind, shown) | {"_iban": iban})
        case "customer_balance":
            return call.add(_new_method(call, kind, {}))
    raise InvalidRequestError(
        f"The sandbox takes card, sepa_debit and customer_balance, not {kind}.",
        param=data.name_of("type"),
    )


def _new_method(call: Call, kind: str, shown: StripeObject) -> StripeObject:
    """A payment method of any type; `shown` is the hash that bears the type's name."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict(EMPTY_ADDRESS),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        kind: shown,
        "created": call.now,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }


def _read_card(call: Call, card: Params) -> tuple[Card, int, int]:
    """The test card behind a token or a number, with its expiry (month, year)."""
    year_now = datetime.fromtimestamp(call.now, UTC).year
    if card.is_set("token"):
        token_id = card.required_text("token")
        if token_id not in BY_TOKEN:
            raise resource_missing("token", token_id, card.name_of("token"))
        return BY_TOKEN[token_id], 12, year_now + 4
    card.require("number", "exp_month", "exp_year")
    number = "".join(card.required_text("number").split())
    month, year = card.integer("exp_month") or 0, card.integer("exp_year") or 0
    year += 2000 if year < 100 else 0
    _must_be_valid(call, number, month, year, card)
    return BY_NUMBER[number], month, year


def _must_be_valid(call: Call, number: str, month: int, year: int, card: Params) -> None:
    now = datetime.fromtimestamp(call.now, UTC)
    if not number.isdecimal() or not number.isascii() or not passes_luhn(number):
        raise declined(INCORRECT_NUMBER, param=card.name_of("number"))
    if not 1 <= month <= 12:
        invalid = Decline("invalid_expiry_month", None, "Your card's expiration month is invalid.")
        raise declined(invalid, param=card.name_of("exp_month"))
    if year > now.year + 50 or year < now.year:
        invalid = Decline("invalid_expiry_year", None, "Your card's expiration year is invalid.")
        raise declined(invalid, param=card.name_of("exp_year"))
    if (year, month) < (now.year, now.month):
        raise declined(EXPIRED, param=card.name_of("exp_month"))
    if number not in BY_NUMBER:
        raise declined(LIVE_CARD)


def declined(decline: Decline, *, param: str | None = None, charge: str | None = None) -> CardError:
    """The error of a decline, before the bank was asked or (then with a charge) after."""
    details = {"decline_code": decline.decline_code, "charge": charge}
    return CardError(
        decline.message,
        code=decline.code,
        param=param,
        status=None,
        **{name: value for name, value in details.items() if value is not None},
    )


def _from_card(call: Call, card: Card, exp_month: int, exp_year: int) -> StripeObject:
    shown = {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": token(16),
        "funding": "debit" if card.alias.endswith("debit") else "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return call.add(_new_method(call, "card", shown) | {"_number": card.number})


def resolve(call: Call, method_id: str, param: str = "payment_method") -> StripeObject:
    """The payment method a request names; a `pm_card_...` name makes a new one each time."""
    card = BY_ALIAS.get(method_id)
    if card is not None:
        return _from_card(call, card, 12, datetime.fromtimestamp(call.now, UTC).year + 4)
    found = call.find("payment_method", method_id)
    if found is None:
        raise resource_missing("PaymentMethod", method_id, param)
    return found


def card_of(method: StripeObject) -> Card:
    """The test card behind a payment method or a charge; the plain one where there is no card."""
    return BY_NUMBER.get(method.get("_number", ""), PLAIN_CARD)


def attach(call: Call, method: StripeObject, customer: str) -> None:
    """Give a payment method to a customer; once given it stays with that customer."""
    if method["customer"] == customer:
        return
    if method["customer"] is not None:
        raise InvalidRequestError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    method["customer"] = customer
    call.emit("payment_method.attached", method)


@registry.get("/v1/payment_methods")
def list_payment_methods(call: Call) -> StripeObject:
    """The payment methods attached to a customer."""
    customer, kind = call.params.text("customer"), call.params.text("type")
    return call.page(
        "payment_method",
        lambda pm: (
            pm["customer"] is not None
            and customer in (None, pm["customer"])
            and kind in (None, pm["type"])
        ),
    )


@registry.get("/v1/payment_methods/{id}")
def retrieve_payment_method(call: Call) -> StripeObject:
    """One payment method, or a new one for a `pm_card_...` name."""
    return resolve(call, call.path["id"])


@registry.post("/v1/payment_methods/{id}")
def update_payment_method(call: Call) -> StripeObject:
    """Change the billing details or the metadata of an attached payment method."""
    method = resolve(call, call.path["id"])
    before = private_copy(method)
    details = call.params.hash("billing_details")
    for name in ("email", "name", "phone"):
        if name in details:
            method["billing_details"][name] = details.text(name)
    method["billing_details"]["address"] |= dict(details.hash("address"))
    method["metadata"] = call.params.merge_metadata(method["metadata"])
    call.emit("payment_method.updated", method, before=before)
    return method


@registry.post("/v1/payment_methods/{id}/attach")
def attach_payment_method(call: Call) -> StripeObject:
    """Attach to a customer."""
    customer = call.require("customer", call.params.required_text("customer"), "customer")
    method = resolve(call, call.path["id"])
    card = card_of(method)
    if card.decline and card.declined_when_attached and not card.requires_authentication:
        raise declined(card.decline)
    attach(call, method, customer["id"])
    return method


@registry.post("/v1/payment_methods/{id}/detach")
def detach_payment_method(call: Call) -> StripeObject:
    """Detach from its customer, for good."""
    method = resolve(call, call.path["id"])
    if method["customer"] is None:
        raise InvalidRequestError(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    before = private_copy(method)
    method["customer"] = None
    call.emit("payment_method.detached", method, before=before)
    return method
