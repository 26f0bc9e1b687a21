"""PaymentIntents: /v1/payment_intents, and what a customer does to them in a test."""

from stripe_sandbox.amount_limits import require_chargeable
from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError, parameter_invalid
from stripe_sandbox.ids import new_id, token
from stripe_sandbox.params import Params
from stripe_sandbox.payments import attempts, payment_flow, payment_methods
from stripe_sandbox.payments.customers import require_customer
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

CHANGEABLE_TEXTS = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
# The platform charges and transfers separately; a destination charge would have to move money.
UNSUPPORTED = ("transfer_data", "application_fee_amount", "confirmation_token")


NEVER_REDIRECT = {"card", "customer_balance", "sepa_debit"}


@registry.post("/v1/payment_intents")
def create_payment_intent(call: Call) -> StripeObject:
    """An intent to collect an amount; confirmed at once if asked."""
    intent = create(call, call.params)
    call.emit("payment_intent.created", intent)
    if call.params.boolean("confirm"):
        _confirm(call, intent)
    return intent


def create(call: Call, params: Params) -> StripeObject:
    """A new intent from parameters, without an event yet."""
    amount, currency = params.required_amount(), params.currency()
    for name in UNSUPPORTED:
        if params.is_set(name):
            raise parameter_invalid(name, f"The sandbox does not support {name}.")
    require_chargeable(call, amount, currency)
    # A card that is refused by its number leaves no intent behind, so it is read first.
    method = given_payment_method(call, params)
    intent_id = new_id("pi")
    types = params.array("allowed_payment_method_types")
    intent: StripeObject = {
        "id": intent_id,
        "object": "payment_intent",
        "allowed_payment_method_types": types or None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic_payment_methods(params),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.text("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{token(25)}",
        "confirmation_method": params.text("confirmation_method", "automatic"),
        "created": call.now,
        "currency": currency,
        "customer": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": params.text("on_behalf_of"),
        "payment_method": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": types or ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    call.add(intent)
    _apply(call, intent, params, method)
    return intent


def automatic_payment_methods(params: Params) -> StripeObject:
    """Payment methods are chosen by the dashboard, within the allowed types."""
    asked = params.hash("automatic_payment_methods")
    return {
        "allow_redirects": asked.text("allow_redirects", "always"),
        "enabled": asked.boolean("enabled", default=True),
    }


def _apply(call: Call, intent: StripeObject, params: Params, method: StripeObject | None) -> None:
    """The parameters that creation, update and confirmation have in common."""
    for name in CHANGEABLE_TEXTS:
        if name in params:
            intent[name] = params.text(name)
    if params.is_set("customer"):
        intent["customer"] = require_customer(call, params.required_text("customer"))["id"]
    if params.is_set("shipping"):
        intent["shipping"] = dict(params.hash("shipping"))
    intent["metadata"] = params.merge_metadata(intent["metadata"])
    if method is not None:
        _must_be_usable(intent, method)
        intent["payment_method"] = method["id"]
        if intent["status"] == "requires_payment_method":
            intent["status"] = "requires_confirmation"


def given_payment_method(call: Call, params: Params) -> StripeObject | None:
    """The payment method that a request names or describes, if it does."""
    if params.is_set("payment_method_data"):
        return payment_methods.create(call, params.hash("payment_method_data"))
    if params.is_set("payment_method"):
        return payment_methods.resolve(call, params.required_text("payment_method"))
    return None


def _must_be_usable(intent: StripeObject, method: StripeObject) -> None:
    if method["customer"] not in (None, intent["customer"]):
        raise InvalidRequestError(
            f"The provided PaymentMethod cannot be used: it belongs to Customer "
            f"{method['customer']}. Please include the Customer in the `customer` parameter on "
            "the PaymentIntent.",
            param="payment_method",
        )
    if intent["capture_method"] == "manual" and method["type"] != "card":
        raise InvalidRequestError(
            f"The payment method type {method['type']} does not support capture_method=manual.",
            param="capture_method",
        )
    allowed = intent["allowed_payment_method_types"]
    if allowed and method["type"] not in allowed:
        raise InvalidRequestError(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this "
            f"PaymentIntent, which takes {', '.join(allowed)}.",
            param="payment_method",
        )


@registry.post("/v1/payment_intents/{id}/confirm")
def confirm_payment_intent(call: Call) -> StripeObject:
    """Try to pay."""
    intent = retrieve_payment_intent(call)
    payment_flow.must_be_confirmable(intent)  # a refusal must not have changed anything
    _apply(call, intent, call.params, given_payment_method(call, call.params))
    if call.params.is_set("capture_method"):
        intent["capture_method"] = call.params.text("capture_method")
    _confirm(call, intent)
    return intent


def require_return_url(params: Params, intent: StripeObject) -> None:
    """Refuse to confirm without a return URL if the payment method may redirect."""
    redirects = intent["automatic_payment_methods"]["allow_redirects"]
    # Cards never leave the page, except to 3D Secure, which works without a return URL.
    types = intent["allowed_payment_method_types"]
    may_redirect = redirects != "never" and not (types and set(types) <= NEVER_REDIRECT)
    if may_redirect and not params.is_set("return_url") and not params.boolean("use_stripe_sdk"):
        kind = intent["object"].title().replace("_", "")
        raise InvalidRequestError(
            f"This {kind} is configured to accept payment methods enabled in your "
            "Dashboard. Because some of these payment methods might redirect your customer off of "
            "your page, you must provide a `return_url`. If you don't want to accept "
            "redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` "
            "and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup "
            "Intents and Payment Intents."
        )


def _confirm(call: Call, intent: StripeObject) -> None:
    params = call.params
    require_return_url(params, intent)
    payment_flow.confirm(
        call,
        intent,
        return_url=params.text("return_url"),
        # It is a boolean, or the kind of off-session payment.
        off_session=params.text("off_session", "false") != "false",
        error_on_requires_action=params.boolean("error_on_requires_action"),
    )


@registry.get("/v1/payment_intents")
def list_payment_intents(call: Call) -> StripeObject:
    """By customer or time."""
    customer = call.params.text("customer")
    return call.page("payment_intent", lambda intent: customer in (None, intent["customer"]))


@registry.get("/v1/payment_intents/{id}")
def retrieve_payment_intent(call: Call) -> StripeObject:
    """One intent."""
    return call.require("payment_intent", call.path["id"], "intent")


@registry.post("/v1/payment_intents/{id}")
def update_payment_intent(call: Call) -> StripeObject:
    """Change the given parameters; the amount only while the intent can be confirmed."""
    intent = retrieve_payment_intent(call)
    money = [name for name in ("amount", "currency", "payment_method") if name in call.params]
    if money and intent["status"] not in payment_flow.CONFIRMABLE:
        raise payment_flow.unexpected_state(
            intent,
            f"This PaymentIntent's {money[0]} could not be updated because it has a status of "
            f"{intent['status']}.",
        )
    intent["currency"] = call.params.currency() if "currency" in money else intent["currency"]
    intent["amount"] = call.params.amount(currency=intent["currency"]) or intent["amount"]
    require_chargeable(call, intent["amount"], intent["currency"])
    if call.params.is_set("capture_method"):
        intent["capture_method"] = call.params.text("capture_method")
    _apply(call, intent, call.params, given_payment_method(call, call.params))
    return intent


@registry.post("/v1/payment_intents/{id}/capture")
def capture_payment_intent(call: Call) -> StripeObject:
    """Take what was authorized."""
    intent = retrieve_payment_intent(call)
    intent["metadata"] = call.params.merge_metadata(intent["metadata"])
    amount = call.params.amount("amount_to_capture", currency=intent["currency"])
    payment_flow.capture(call, intent, amount)
    return intent


@registry.post("/v1/payment_intents/{id}/cancel")
def cancel_payment_intent(call: Call) -> StripeObject:
    """Cancel it."""
    intent = retrieve_payment_intent(call)
    session_id = intent.get("_checkout_session")
    if session_id and call.require("checkout.session", session_id)["status"] == "open":
        raise payment_flow.unexpected_state(
            intent,
            "You cannot cancel this PaymentIntent because it is associated with an open Checkout "
            "Session. Expire the Checkout Session instead.",
        )
    payment_flow.cancel(call, intent, call.params.text("cancellation_reason"))
    return intent


@registry.control("POST", "/_sandbox/payment_intents/{id}/pay")
def pay_payment_intent(call: Call) -> StripeObject:
    """A customer pays in the browser: {"payment_method": "pm_card_visa", "return_url": "..."}.

    Answers the intent; after a decline it has last_payment_error.
    """
    intent = retrieve_payment_intent(call)
    method = payment_methods.resolve(call, call.params.text("payment_method") or "pm_card_visa")
    attempts.pay_as_customer(call, intent, method, call.params.text("return_url"))
    return intent


@registry.control("POST", "/_sandbox/payment_intents/{id}/fail")
def fail_payment_intent(call: Call) -> StripeObject:
    """A customer tries with a card that is declined; {"payment_method": ...} chooses which."""
    intent = retrieve_payment_intent(call)
    chosen = call.params.text("payment_method") or "pm_card_visa_chargeDeclined"
    attempts.pay_as_customer(call, intent, payment_methods.resolve(call, chosen), None)
    return intent


@registry.control("POST", "/_sandbox/payment_intents/{id}/authenticate")
def authenticate_payment_intent(call: Call) -> StripeObject:
    """A customer passes 3D Secure, or fails it: {"succeeds": false}."""
    intent = retrieve_payment_intent(call)
    succeeds = call.params.boolean("succeeds", default=True)
    attempts.authenticate_as_customer(call, intent, succeeds=succeeds)
    return intent
