"""Charges: one attempt to take money from a card, and its settlement in the books."""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.ids import new_id, token
from stripe_sandbox.payments import bank_debits
from stripe_sandbox.payments.cards import Decline
from stripe_sandbox.payments.payment_methods import card_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

AUTHORIZATION_S = 7 * 24 * 3600


def create(
    call: Call,
    intent: StripeObject,
    method: StripeObject,
    *,
    decline: Decline | None = None,
    authenticated: bool = False,
) -> StripeObject:
    """Record an attempt of a payment intent: authorized, or declined for a reason."""
    manual = intent["capture_method"] == "manual"
    succeeded = decline is None
    charge: StripeObject = {
        "id": new_id("ch" if method["type"] == "card" else "py"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if succeeded and not manual else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": intent["statement_descriptor"] or "SANDBOX",
        "captured": succeeded and not manual,
        "created": call.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": intent["on_behalf_of"],
        "outcome": _outcome(decline),
        "paid": succeeded,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(call, intent, method, authenticated=authenticated),
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "succeeded" if succeeded else "failed",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
        "_charged_back": False,
    }
    if "_number" in method:
        charge["_number"] = method["_number"]
    return call.add(private_copy(charge))


def _outcome(decline: Decline | None) -> StripeObject:
    if decline is None:
        return {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return {
        "advice_code": "try_again_later",
        "network_advice_code": None,
        "network_decline_code": "05",
        "network_status": "declined_by_network",
        "reason": decline.decline_code or decline.code,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def _details(
    call: Call, intent: StripeObject, method: StripeObject, *, authenticated: bool
) -> StripeObject:
    kind = method["type"]
    match kind:
        case "card":
            shown = _card_details(call, intent, method, authenticated=authenticated)
        case "sepa_debit":
            shown = bank_debits.shown_on_charge(method)
        case _:
            shown = {}
    return {"type": kind, kind: shown}


def _card_details(
    call: Call, intent: StripeObject, method: StripeObject, *, authenticated: bool
) -> StripeObject:
    card = method["card"]
    shown = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    details = {name: card[name] for name in (*shown, "last4", "wallet")}
    details |= {
        "amount_authorized": intent["amount"],
        "authorization_code": token(6).upper(),
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": token(15),
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": _three_d_secure() if authenticated else None,
    }
    if intent["capture_method"] == "manual":
        details["capture_before"] = call.now + AUTHORIZATION_S
    return details


def _three_d_secure() -> StripeObject:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": token(20),
        "version": "2.2.0",
    }


def settle(call: Call, charge: StripeObject) -> StripeObject:
    """Post a captured charge: what was captured less Stripe's fee, pending for two days.

    The fee is Stripe's on the settled amount, in its currency.
    """
    at_once = card_of(charge).available_at_once
    settled = settlement.of_charge(call, charge)
    kind = charge["payment_method_details"]["type"]
    posted = ledger.post(
        call,
        "charge" if kind == "card" else "payment",
        charge["id"],
        settled.amount,
        settled.currency,
        fee=ledger.payment_fee(kind, settled.amount),
        exchange_rate=settled.exchange_rate,
        available_on=call.now if at_once else call.now + ledger.SETTLEMENT_S,
        description=charge["description"],
    )
    charge["balance_transaction"] = posted["id"]
    return posted


def settle_later(call: Call, charge: StripeObject) -> None:
    """The asynchronous capture: the balance transaction is created shortly after the success."""
    settlement.fix_charge(call, charge)
    call.schedule(call.state.capture_delay_s, "settle_charge", charge=charge["id"])


@registry.task("settle_charge")
def settle_charge(call: Call, charge: str) -> None:
    """The end of an asynchronous capture; `charge.updated` has the balance transaction."""
    captured = call.require("charge", charge)
    before = private_copy(captured)
    settle(call, captured)
    call.emit("charge.updated", captured, before=before)


@registry.get("/v1/charges")
def list_charges(call: Call) -> StripeObject:
    """Charges by customer, payment intent, transfer group or time."""
    wanted = {
        name: call.params.text(name)
        for name in ("customer", "payment_intent", "transfer_group")
        if call.params.is_set(name)
    }
    return call.page(
        "charge", lambda charge: all(charge[name] == value for name, value in wanted.items())
    )


@registry.get("/v1/charges/{id}")
def retrieve_charge(call: Call) -> StripeObject:
    """One charge."""
    return call.require("charge", call.path["id"])


@registry.post("/v1/charges/{id}")
def update_charge(call: Call) -> StripeObject:
    """Change the descriptive fields of a charge; its amounts cannot be changed."""
    charge = retrieve_charge(call)
    before = private_copy(charge)
    for name in ("description", "receipt_email", "transfer_group", "customer"):
        if name in call.params:
            charge[name] = call.params.text(name)
    if "fraud_details" in call.params:
        charge["fraud_details"] |= dict(call.params.hash("fraud_details"))
    charge["metadata"] = call.params.merge_metadata(charge["metadata"])
    if charge != before:
        call.emit("charge.updated", charge, before=before)
    return charge
