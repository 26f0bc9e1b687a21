"""Refunds: /v1/refunds, and their later states.

A refund takes from the balance what the charge put there; Stripe's fee is not given back. Once the
charge's funds have become available, a refund that the available balance does not cover stays
pending and is tried again every day.

The payer gets back what was paid, in the currency it was paid in. Where the charge was converted,
the balance pays for that at the rate of the day the money moves, which is not the charge's.
"""

from stripe_sandbox import ledger, lists, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError, parameter_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.payments.payment_methods import card_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.settlement import Settled
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

LATER_S = 60
NEXT_TRY_S = 24 * 3600


@registry.post("/v1/refunds")
def create_refund(call: Call) -> StripeObject:
    """Refund a charge, or the charge of a payment intent, whole or in part."""
    charge = _charge_to_refund(call)
    refundable = charge["amount_captured"] - charge["amount_refunded"]
    amount = call.params.amount(currency=charge["currency"]) or refundable
    _must_be_refundable(charge, amount, refundable)
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
            "metadata": call.params.merge_metadata(),
            "payment_intent": charge["payment_intent"],
            "reason": call.params.text("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending",
            "transfer_reversal": None,
        }
    )
    before = private_copy(charge)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    if card_of(charge).refund == "pends":
        refund["pending_reason"] = "processing"
        call.schedule(LATER_S, "try_refund", refund=refund["id"])
    else:
        _try(call, refund, charge)
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


def _must_be_refundable(charge: StripeObject, amount: int, refundable: int) -> None:
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


def _try(call: Call, refund: StripeObject, charge: StripeObject) -> None:
    """Debit the balance if it covers the refund; otherwise keep it pending and retry later."""
    waiting_for = _obstacle(call, refund, charge)
    if waiting_for is not None:
        refund["pending_reason"] = waiting_for
        soon = waiting_for == "charge_pending"
        delay_s = call.state.capture_delay_s if soon else NEXT_TRY_S
        call.schedule(delay_s, "try_refund", refund=refund["id"])
        return
    charged = call.require("balance_transaction", charge["balance_transaction"])
    taken = _settled(call, refund, charged)
    posted = ledger.post(
        call,
        "refund" if charge["payment_method_details"]["type"] == "card" else "payment_refund",
        refund["id"],
        -taken.amount,
        taken.currency,
        exchange_rate=taken.exchange_rate,
        # A refund from pending funds settles on the same day as they do.
        available_on=charged["available_on"] if charged["status"] == "pending" else None,
        description=charge["description"],
    )
    refund["balance_transaction"] = posted["id"]
    refund["status"] = "succeeded"
    if refund["destination_details"] is not None:
        refund["destination_details"]["card"]["type"] = "refund"
    refund.pop("pending_reason", None)
    if card_of(charge).refund == "fails":
        call.schedule(LATER_S, "fail_refund", refund=refund["id"])


def _obstacle(call: Call, refund: StripeObject, charge: StripeObject) -> str | None:
    if charge["balance_transaction"] is None:
        return "charge_pending"
    charged = call.require("balance_transaction", charge["balance_transaction"])
    if charged["status"] == "pending":
        return None  # it comes out of the charge's own pending funds
    taken = _settled(call, refund, charged)
    lacking = ledger.available(call, taken.currency) < taken.amount
    return "insufficient_funds" if lacking else None


def _settled(call: Call, refund: StripeObject, charged: StripeObject) -> Settled:
    """The refund at today's rate, in the currency its charge has settled in."""
    return settlement.convert(call, refund["amount"], refund["currency"], charged["currency"])


@registry.task("try_refund")
def try_refund(call: Call, refund: str) -> None:
    """Try a pending refund again."""
    pending = call.require("refund", refund)
    if pending["status"] != "pending":
        return
    before = private_copy(pending)
    _try(call, pending, call.require("charge", pending["charge"]))
    if pending["status"] != before["status"]:
        _announce(call, pending, before)


@registry.task("fail_refund")
def fail_refund(call: Call, refund: str) -> None:
    """The customer's bank sends a refund back: the money returns to the balance."""
    failed = call.require("refund", refund)
    charge = call.require("charge", failed["charge"])
    before = private_copy(failed)
    charged = call.require("balance_transaction", charge["balance_transaction"])
    returned = _settled(call, failed, charged)
    posted = ledger.post(
        call,
        "refund_failure",
        failed["id"],
        returned.amount,
        returned.currency,
        exchange_rate=returned.exchange_rate,
    )
    failed["status"] = "failed"
    failed["failure_reason"] = "unknown"
    failed["failure_balance_transaction"] = posted["id"]
    charge["amount_refunded"] -= failed["amount"]
    charge["refunded"] = False
    call.emit("refund.failed", failed, before=before)
    _announce(call, failed, before)


def _announce(call: Call, refund: StripeObject, before: StripeObject) -> None:
    call.emit("refund.updated", refund, before=before)
    call.emit("charge.refund.updated", refund, before=before)


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
        _announce(call, refund, before)
    return refund


@registry.post("/v1/refunds/{id}/cancel")
def cancel_refund(call: Call) -> StripeObject:
    """Only refunds that wait for the customer's bank details can be canceled; a card's never do."""
    refund = retrieve_refund(call)
    raise RefusedError(
        f"This refund has a status of {refund['status']}. Only a refund with the status "
        "requires_action can be canceled."
    )


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
