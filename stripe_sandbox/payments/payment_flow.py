"""What happens to a PaymentIntent: confirm, authenticate, charge, decline, capture, cancel.

    requires_payment_method -> requires_confirmation -> requires_action -> succeeded
             ^                        |                       |         -> requires_capture
             +------------------------+-----------------------+            -> succeeded

There is no state "failed": a decline goes back to requires_payment_method and may be tried again.
A bank debit is `processing` between confirmation and its end; a bank transfer `requires_action`.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError, StripeError
from stripe_sandbox.ids import new_id
from stripe_sandbox.payments import bank_debits, cash_balances, charges, payment_methods
from stripe_sandbox.payments.cards import AUTHENTICATION_REQUIRED, Decline
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy, public

registry = Registry()

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*CONFIRMABLE, "requires_capture", "processing")
AUTHENTICATION_FAILED = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or "
    "a new PaymentMethod to attempt to fulfill this PaymentIntent again."
)


def unexpected_state(intent: StripeObject, message: str) -> RefusedError:
    """The refusal when an intent's status does not allow a request; it contains the intent."""
    return RefusedError(
        message, code="payment_intent_unexpected_state", payment_intent=public(intent)
    )


def must_be_confirmable(intent: StripeObject) -> None:
    """Refuse to confirm an intent that is paid, canceled or processing."""
    if intent["status"] not in CONFIRMABLE:
        raise unexpected_state(
            intent,
            f"This PaymentIntent's status is {intent['status']}, so it cannot be confirmed. You "
            "can only confirm a PaymentIntent that requires a payment method, confirmation or "
            "action.",
        )


def confirm(
    call: Call,
    intent: StripeObject,
    *,
    return_url: str | None = None,
    off_session: bool = False,
    error_on_requires_action: bool = False,
) -> None:
    """Try to pay with the intent's payment method.

    Raises:
        RefusedError: 400, the intent is in no state to be confirmed.
        CardError: 402, declined, or it requires authentication and is off-session.
    """
    must_be_confirmable(intent)
    if intent["payment_method"] is None:
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
            "either update the PaymentIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
        )
    method = call.require("payment_method", intent["payment_method"], "payment_method")
    card = payment_methods.card_of(method)
    intent["next_action"] = None
    if method["type"] == "sepa_debit":
        _debit(call, intent, method)
    elif method["type"] == "customer_balance":
        collect_cash(call, intent)
    elif not card.requires_authentication:
        _charge(call, intent, method, card.decline)
    elif off_session or error_on_requires_action:
        _charge(call, intent, method, AUTHENTICATION_REQUIRED)
    else:
        _require_authentication(call, intent, return_url)


def _require_authentication(call: Call, intent: StripeObject, return_url: str | None) -> None:
    page = f"{call.state.public_url}/three_d_secure/{intent['id']}"
    intent["status"] = "requires_action"
    if return_url:
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": page},
        }
    else:
        intent["next_action"] = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "type": "three_d_secure_redirect",
                "source": new_id("src"),
                "stripe_js": page,
            },
        }
    call.emit("payment_intent.requires_action", intent)


def authenticate(call: Call, intent: StripeObject, *, succeeds: bool) -> None:
    """The customer passes or fails 3D Secure; a pass goes on to the charge."""
    if intent["status"] != "requires_action":
        raise unexpected_state(
            intent, f"This PaymentIntent's status is {intent['status']}; nothing to authenticate."
        )
    method = call.require("payment_method", intent["payment_method"], "payment_method")
    intent["next_action"] = None
    if succeeds:
        decline = payment_methods.card_of(method).decline
        _charge(call, intent, method, decline, authenticated=True)
        return
    error = StripeError(AUTHENTICATION_FAILED, code="payment_intent_authentication_failure")
    _fail(call, intent, method, error)


def _charge(
    call: Call,
    intent: StripeObject,
    method: StripeObject,
    decline: Decline | None,
    *,
    authenticated: bool = False,
) -> None:
    charge = charges.create(call, intent, method, decline=decline, authenticated=authenticated)
    intent["latest_charge"] = charge["id"]
    if decline is not None:
        call.emit("charge.failed", charge)
        error = payment_methods.declined(decline, charge=charge["id"])
        _fail(call, intent, method, error)
        error.details |= {"payment_intent": public(intent), "payment_method": public(method)}
        raise error
    intent["last_payment_error"] = None
    if intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach(call, method, intent["customer"])
    if intent["capture_method"] == "manual":
        _authorize(call, intent, charge)
        return
    if intent["capture_method"] == "automatic":
        charges.settle(call, charge)
    else:
        charges.settle_later(call, charge)
    call.emit("charge.succeeded", charge)
    _succeed(call, intent, charge)


def _debit(call: Call, intent: StripeObject, method: StripeObject) -> None:
    """Start a bank debit; the bank answers later."""
    charge = charges.create(call, intent, method)
    charge |= {"status": "pending", "paid": False}
    intent |= {"status": "processing", "latest_charge": charge["id"], "last_payment_error": None}
    delay_s = bank_debits.answer_delay_s(call, method)
    call.schedule(delay_s, "bank_answers_debit", intent=intent["id"])
    call.emit("charge.pending", charge)
    call.emit("payment_intent.processing", intent)


@registry.task("bank_answers_debit")
def bank_answers_debit(call: Call, intent: str) -> None:
    """The customer's bank pays, or refuses and the intent needs another payment method."""
    debited = call.require("payment_intent", intent)
    if debited["status"] != "processing":
        return
    charge = call.require("charge", debited["latest_charge"])
    method = call.require("payment_method", debited["payment_method"])
    before = private_copy(charge)
    error = bank_debits.refusal(method, charge["id"])
    if error is None:
        charge |= {"status": "succeeded", "paid": True}
        charges.settle(call, charge)
        call.emit("charge.succeeded", charge, before=before)
        _succeed(call, debited, charge)
        return
    charge |= {"status": "failed", "captured": False, "amount_captured": 0}
    charge |= {"failure_code": error.code, "failure_message": error.message}
    call.emit("charge.failed", charge, before=before)
    _fail(call, debited, method, error)


def collect_cash(call: Call, intent: StripeObject) -> None:
    """Take what the customer's cash balance holds; the customer must transfer the rest."""
    before = private_copy(intent)
    taken = cash_balances.apply_to_payment(call, intent)
    if intent["_cash_applied"] == intent["amount"]:
        method = call.require("payment_method", intent["payment_method"])
        intent["next_action"] = None
        _charge(call, intent, method, None)
        return
    intent["status"] = "requires_action"
    intent["next_action"] = cash_balances.transfer_instructions(call, intent)
    if before["status"] != "requires_action":
        call.emit("payment_intent.requires_action", intent)
    if taken:
        call.emit("payment_intent.partially_funded", intent, before=before)


def _fail(call: Call, intent: StripeObject, method: StripeObject, error: StripeError) -> None:
    """Back to requires_payment_method, with the reason kept on the intent."""
    intent["status"] = "requires_payment_method"
    intent["payment_method"] = None
    intent["last_payment_error"] = error.body()["error"] | {"payment_method": public(method)}
    call.emit("payment_intent.payment_failed", intent)


def _authorize(call: Call, intent: StripeObject, charge: StripeObject) -> None:
    intent["status"] = "requires_capture"
    intent["amount_capturable"] = intent["amount"]
    call.schedule(charges.AUTHORIZATION_S, "authorization_expires", intent=intent["id"])
    call.emit("charge.succeeded", charge)
    call.emit("payment_intent.amount_capturable_updated", intent)


def _succeed(call: Call, intent: StripeObject, charge: StripeObject) -> None:
    intent["status"] = "succeeded"
    intent["amount_capturable"] = 0
    intent["amount_received"] = charge["amount_captured"]
    call.emit("payment_intent.succeeded", intent)


def capture(call: Call, intent: StripeObject, amount: int | None) -> None:
    """Take an authorized amount or a part of it; the rest is released."""
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            intent,
            "This PaymentIntent could not be captured because it has a status of "
            f"{intent['status']}. Only a PaymentIntent with one of the following statuses may be "
            "captured: requires_capture.",
        )
    amount = intent["amount_capturable"] if amount is None else amount
    if amount > intent["amount_capturable"]:
        raise RefusedError(
            "The payment intent's amount_capturable is less than the amount to capture.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = call.require("charge", intent["latest_charge"])
    charge["captured"] = True
    charge["amount_captured"] = amount
    charges.settle(call, charge)
    call.emit("charge.captured", charge)
    _succeed(call, intent, charge)


def cancel(call: Call, intent: StripeObject, reason: str | None) -> None:
    """Cancel; an authorization is released."""
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. "
            "Only a PaymentIntent with one of the following statuses may be canceled: "
            "requires_payment_method, requires_capture, requires_confirmation, requires_action, "
            "processing.",
        )
    if intent["status"] == "requires_capture":
        event_type = "charge.expired" if reason == "automatic" else "charge.refunded"
        _release_authorization(call, intent, event_type)
    intent["status"] = "canceled"
    intent["amount_capturable"] = 0
    intent["canceled_at"] = call.now
    intent["cancellation_reason"] = reason
    intent["next_action"] = None
    call.emit("payment_intent.canceled", intent)


def _release_authorization(call: Call, intent: StripeObject, event_type: str) -> None:
    charge = call.require("charge", intent["latest_charge"])
    before = private_copy(charge)
    charge["amount_refunded"] = charge["amount"]
    charge["refunded"] = True
    call.emit(event_type, charge, before=before)


@registry.task("authorization_expires")
def authorization_expires(call: Call, intent: str) -> None:
    """Cancel an authorization that was not captured within seven days."""
    expiring = call.require("payment_intent", intent)
    if expiring["status"] == "requires_capture":
        cancel(call, expiring, "automatic")
