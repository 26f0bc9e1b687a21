"""SetupIntents: /v1/setup_intents, a payment method made ready for later, without a payment.

requires_payment_method -> requires_confirmation -> requires_action -> succeeded
^                        |                       |
+------------------------+-----------------------+   declined, or not authenticated
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import CardError, RefusedError, StripeError
from stripe_sandbox.ids import new_id, token
from stripe_sandbox.payments import payment_intents, payment_methods
from stripe_sandbox.payments.customers import require_customer
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, public

registry = Registry()

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
NOT_AUTHENTICATED = (
    "We are unable to authenticate your payment method. Please choose a different payment method "
    "and try again."
)


@registry.post("/v1/setup_intents")
def create_setup_intent(call: Call) -> StripeObject:
    """An intent to save a payment method; confirmed at once if asked."""
    intent_id = new_id("seti")
    types = call.params.array("allowed_payment_method_types")
    intent: StripeObject = call.add(
        {
            "id": intent_id,
            "object": "setup_intent",
            "allowed_payment_method_types": types or None,
            "application": None,
            "automatic_payment_methods": payment_intents.automatic_payment_methods(call.params),
            "cancellation_reason": None,
            "client_secret": f"{intent_id}_secret_{token(25)}",
            "created": call.now,
            "customer": None,
            "description": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "livemode": False,
            "mandate": None,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": call.params.text("on_behalf_of"),
            "payment_method": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": types or ["card"],
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": call.params.text("usage", "off_session"),
        }
    )
    _apply(call, intent)
    call.emit("setup_intent.created", intent)
    if call.params.boolean("confirm"):
        _confirm(call, intent)
    return intent


def _apply(call: Call, intent: StripeObject) -> None:
    """The parameters that creation, update and confirmation have in common."""
    params = call.params
    if "description" in params:
        intent["description"] = params.text("description")
    if params.is_set("customer"):
        intent["customer"] = require_customer(call, params.required_text("customer"))["id"]
    intent["metadata"] = params.merge_metadata(intent["metadata"])
    method = payment_intents.given_payment_method(call, params)
    if method is not None:
        intent["payment_method"] = method["id"]
        intent["status"] = "requires_confirmation"


@registry.get("/v1/setup_intents")
def list_setup_intents(call: Call) -> StripeObject:
    """By customer, payment method or time."""
    wanted = {
        name: call.params.text(name)
        for name in ("customer", "payment_method")
        if call.params.is_set(name)
    }
    return call.page(
        "setup_intent", lambda intent: all(intent[name] == value for name, value in wanted.items())
    )


@registry.get("/v1/setup_intents/{id}")
def retrieve_setup_intent(call: Call) -> StripeObject:
    """One intent."""
    return call.require("setup_intent", call.path["id"], "intent")


@registry.post("/v1/setup_intents/{id}")
def update_setup_intent(call: Call) -> StripeObject:
    """Change what is given while it is open."""
    intent = retrieve_setup_intent(call)
    _must_be_open(intent, "updated")
    _apply(call, intent)
    return intent


@registry.post("/v1/setup_intents/{id}/confirm")
def confirm_setup_intent(call: Call) -> StripeObject:
    """Make the payment method ready."""
    intent = retrieve_setup_intent(call)
    _must_be_open(intent, "confirmed")
    _apply(call, intent)
    _confirm(call, intent)
    return intent


@registry.post("/v1/setup_intents/{id}/cancel")
def cancel_setup_intent(call: Call) -> StripeObject:
    """Cancel it."""
    intent = retrieve_setup_intent(call)
    _must_be_open(intent, "canceled")
    intent |= {
        "status": "canceled",
        "cancellation_reason": call.params.text("cancellation_reason"),
        "next_action": None,
    }
    call.emit("setup_intent.canceled", intent)
    return intent


def _must_be_open(intent: StripeObject, action: str) -> None:
    if intent["status"] not in OPEN:
        raise RefusedError(
            f"This SetupIntent cannot be {action} because it has a status of {intent['status']}.",
            code="setup_intent_unexpected_state",
            setup_intent=public(intent),
        )


def _confirm(call: Call, intent: StripeObject) -> None:
    if intent["payment_method"] is None:
        raise RefusedError(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the "
            "SetupIntent with a payment method and then confirm it again.",
            code="setup_intent_unexpected_state",
            setup_intent=public(intent),
        )
    payment_intents.require_return_url(call.params, intent)
    method = call.require("payment_method", intent["payment_method"], "payment_method")
    card = payment_methods.card_of(method)
    if card.requires_authentication:
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "source": new_id("src")},
        }
        call.emit("setup_intent.requires_action", intent)
    elif card.decline and card.declined_when_attached:
        error = payment_methods.declined(card.decline)
        _fail(call, intent, method, error)
        error.details |= {"setup_intent": public(intent), "payment_method": public(method)}
        raise error
    else:
        _succeed(call, intent, method)


def _succeed(call: Call, intent: StripeObject, method: StripeObject) -> None:
    if intent["customer"]:
        payment_methods.attach(call, method, intent["customer"])
    intent |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    call.emit("setup_intent.succeeded", intent)


def _fail(call: Call, intent: StripeObject, method: StripeObject, error: StripeError) -> None:
    """Back to requires_payment_method, with the reason kept on the intent."""
    intent |= {"status": "requires_payment_method", "payment_method": None, "next_action": None}
    intent["last_setup_error"] = error.body()["error"] | {"payment_method": public(method)}
    call.emit("setup_intent.setup_failed", intent)


@registry.control("POST", "/_sandbox/setup_intents/{id}/authenticate")
def authenticate_setup_intent(call: Call) -> StripeObject:
    """A customer passes 3D Secure, or fails it: {"succeeds": false}."""
    intent = retrieve_setup_intent(call)
    if intent["status"] != "requires_action":
        raise RefusedError(f"This SetupIntent is {intent['status']}; nothing to authenticate.")
    method = call.require("payment_method", intent["payment_method"], "payment_method")
    if call.params.boolean("succeeds", default=True):
        _succeed(call, intent, method)
    else:
        code = "setup_intent_authentication_failure"
        _fail(call, intent, method, CardError(NOT_AUTHENTICATED, code=code))
    return intent
