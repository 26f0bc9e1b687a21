"""Refunds: /v1/refunds. What becomes of them later is in `refund_flow.py`.

The payer gets back what was paid, in the currency it was paid in.
"""

from stripe_sandbox import lists
from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError, parameter_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.payments import refund_flow
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()


@registry.post("/v1/refunds")
def create_refund(call: Call) -> StripeObject:
    """Refund a charge, or the charge of a payment intent, whole or in part."""
    charge = _charge_to_refund(call)
    amount = call.params.amount(currency=charge["currency"]) or _refundable(charge)
    _must_be_refundable(charge, amount)
    return issue(
        call,
        charge,
        amount,
        reason=call.params.text("reason"),
        metadata=call.params.merge_metadata(),
        email=_email_for_instructions(call, charge),
    )


def issue(
    call: Call,
    charge: StripeObject,
    amount: int,
    *,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    email: str | None = None,
) -> StripeObject:
    """Refund so much of a charge, in minor units; Stripe does it by itself, too."""
    _must_be_refundable(charge, amount)
    by_card = charge["payment_method_details"]["type"] == "card"
    refund = call.add(
        {
            "id": new_id("re" if by_card else "pyr"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "created": call.now,
            "currency": charge["currency"],
            "customer": charge["customer"],
            "destination_details": {"card": {"type": "pending"}, "type": "card"}
            if by_card
            else None,
            "metadata": metadata or {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending",
            "transfer_reversal": None,
        }
    )
    if email:
        refund["instructions_email"] = email
    before = private_copy(charge)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    refund_flow.begin(call, refund, charge)
    call.emit("refund.created", refund)
    call.emit("charge.refunded", charge, before=before)
    return refund


def _charge_to_refund(call: Call) -> StripeObject:
    if call.params.is_set("charge"):
        return call.require("charge", call.params.required_text("charge"), "charge")
    if not call.params.is_set("payment_intent"):
        raise parameter_missing("payment_intent")
    intent_id = call.params.required_text("payment_intent")
    intent = call.require("payment_intent", intent_id, "payment_intent")
    if intent["status"] != "succeeded":
        raise RefusedError(
            f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    return call.require("charge", intent["latest_charge"])


def _email_for_instructions(call: Call, charge: StripeObject) -> str | None:
    """Where Stripe asks the payer for their bank details; None where it needs none."""
    given = call.params.text("instructions_email")
    if given or charge["payment_method_details"]["type"] != "customer_balance":
        return given
    email = call.require("customer", charge["customer"])["email"]
    if not email:
        raise RefusedError(
            "The customer has no email address to which instructions for the refund can be sent. "
            "Update the customer, or give instructions_email.",
            param="instructions_email",
        )
    return str(email)


def _refundable(charge: StripeObject) -> int:
    return int(charge["amount_captured"] - charge["amount_refunded"])


def _must_be_refundable(charge: StripeObject, amount: int) -> None:
    refundable = _refundable(charge)
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise RefusedError(f"Charge {charge['id']} has not been captured.", param="charge")
    if charge.get("_charged_back"):
        raise RefusedError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if refundable == 0:
        raise RefusedError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if amount > refundable:
        raise RefusedError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge "
            f"({refundable}), in the smallest unit of {charge['currency']}.",
            param="amount",
        )


@registry.get("/v1/refunds")
def list_refunds(call: Call) -> StripeObject:
    """By charge, payment intent or time."""
    wanted = {
        name: call.params.text(name)
        for name in ("charge", "payment_intent")
        if call.params.is_set(name)
    }
    return call.page(
        "refund", lambda refund: all(refund[name] == value for name, value in wanted.items())
    )


@registry.get("/v1/refunds/{id}")
def retrieve_refund(call: Call) -> StripeObject:
    """One refund."""
    return call.require("refund", call.path["id"])


@registry.post("/v1/refunds/{id}")
def update_refund(call: Call) -> StripeObject:
    """Only the metadata of a refund can change."""
    refund = retrieve_refund(call)
    before = private_copy(refund)
    refund["metadata"] = call.params.merge_metadata(refund["metadata"])
    if refund != before:
        refund_flow.announce(call, refund, before)
    return refund


@registry.post("/v1/refunds/{id}/cancel")
def cancel_refund(call: Call) -> StripeObject:
    """Only refunds that wait for the payer's bank details can be canceled; a card's never do."""
    refund = retrieve_refund(call)
    refund_flow.cancel(call, refund, refund_flow.BY_REQUEST)
    return refund


@registry.post("/v1/test_helpers/refunds/{id}/expire")
def expire_refund(call: Call) -> StripeObject:
    """The payer has not given their bank details in time."""
    refund = retrieve_refund(call)
    refund_flow.cancel(call, refund)
    return refund


@registry.expansion("refund", "failure_balance_transaction")
def failure_of_refund(call: Call, refund: StripeObject) -> StripeObject | None:
    """A refund has the field only when it failed, and it can be expanded before."""
    failure = refund.get("failure_balance_transaction")
    return call.require("balance_transaction", failure) if failure else None


@registry.expansion("charge", "refunds")
def refunds_of_charge(call: Call, charge: StripeObject) -> StripeObject:
    """A charge's `refunds`, which exists only when expanded."""
    refunds = call.select("refund", lambda refund: refund["charge"] == charge["id"])
    url = f"/v1/charges/{charge['id']}/refunds"
    return lists.envelope(url, refunds[:10], has_more=len(refunds) > 10)
