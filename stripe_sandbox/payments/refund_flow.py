"""What happens to a refund after it was made, and what it does to the balance.

    pending  ->  succeeded  ->  failed          the payer's bank sends it back
        |    ->  failed                         the charge was disputed meanwhile
        v
    requires_action  ->  succeeded | failed
                     ->  canceled               by us, or after 45 days without bank details

A refund takes from the balance what the charge put there; Stripe's fee is not given back. Once the
charge's funds have become available, a refund that the available balance does not cover stays
pending and is tried again every day. What failed or was canceled after it had taken the money gives
it back by a balance transaction of its own. Where the charge was converted, each movement is
converted at the rate of its own day.
"""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError
from stripe_sandbox.payments.payment_methods import card_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.settlement import Settled
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

LATER_S = 60
DAY_S = 24 * 3600
DETAILS_S = 45 * DAY_S  # how long the payer may take to give their bank details
BY_REQUEST = "merchant_request"
DISPUTED = "charge_for_pending_refund_disputed"


def begin(call: Call, refund: StripeObject, charge: StripeObject) -> None:
    """Take a new refund as far as it goes at once."""
    if card_of(charge).refund == "pends":
        refund["pending_reason"] = "processing"
        call.schedule(LATER_S, "try_refund", refund=refund["id"])
    else:
        advance(call, refund, charge)


def advance(call: Call, refund: StripeObject, charge: StripeObject) -> None:
    """Debit the balance if it covers the refund; otherwise keep it pending and retry later."""
    waiting_for = _obstacle(call, refund, charge)
    if waiting_for is not None:
        refund["pending_reason"] = waiting_for
        soon = waiting_for == "charge_pending"
        delay_s = call.state.capture_delay_s if soon else DAY_S
        call.schedule(delay_s, "try_refund", refund=refund["id"])
        return
    _debit(call, refund, charge)
    if _needs_bank_details(charge):
        _ask_for_bank_details(call, refund)
    else:
        _pay(call, refund, charge)


def _needs_bank_details(charge: StripeObject) -> bool:
    """Stripe does not know where a bank transfer came from; it does of a card or a debit."""
    return bool(charge["payment_method_details"]["type"] == "customer_balance")


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


def _debit(call: Call, refund: StripeObject, charge: StripeObject) -> None:
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
    refund.pop("pending_reason", None)


def _ask_for_bank_details(call: Call, refund: StripeObject) -> None:
    refund["status"] = "requires_action"
    refund["next_action"] = {
        "type": "display_details",
        "display_details": {
            "email_sent": {
                "email_sent_at": call.now,
                "email_sent_to": refund.get("instructions_email") or "payer@example.com",
            },
            "expires_at": call.now + DETAILS_S,
        },
    }
    call.schedule(DETAILS_S, "expire_refund", refund=refund["id"])


def _pay(call: Call, refund: StripeObject, charge: StripeObject) -> None:
    refund["status"] = "succeeded"
    refund.pop("next_action", None)
    if refund["destination_details"] is not None:
        refund["destination_details"]["card"]["type"] = "refund"
    if card_of(charge).refund == "fails":
        call.schedule(LATER_S, "fail_refund", refund=refund["id"])


def succeed(call: Call, refund: StripeObject) -> None:
    """Stripe pays the payer now: what was pending, or has got its bank details.

    Raises:
        RefusedError: it has ended, or the balance does not cover it.
    """
    charge = call.require("charge", refund["charge"])
    before = private_copy(refund)
    _must_be(refund, "pending", "requires_action")
    if refund["status"] == "pending":
        _take(call, refund, charge)
    _pay(call, refund, charge)
    announce(call, refund, before)


def require_action(call: Call, refund: StripeObject) -> None:
    """Stripe asks the payer for their bank details.

    Raises:
        RefusedError: it is not pending, or the balance does not cover it.
    """
    charge = call.require("charge", refund["charge"])
    before = private_copy(refund)
    _must_be(refund, "pending")
    _take(call, refund, charge)
    _ask_for_bank_details(call, refund)
    announce(call, refund, before)


def _take(call: Call, refund: StripeObject, charge: StripeObject) -> None:
    waiting_for = _obstacle(call, refund, charge)
    if waiting_for is not None:
        raise RefusedError(f"The refund {refund['id']} waits: {waiting_for}.")
    _debit(call, refund, charge)


def cancel(call: Call, refund: StripeObject, reason: str | None = None) -> None:
    """The payer gives no bank details, or nobody wants them any more; the money returns.

    Raises:
        RefusedError: it does not wait for them.
    """
    if refund["status"] != "requires_action":
        raise RefusedError(
            f"This refund has a status of {refund['status']}. Only a refund with the status "
            "requires_action can be canceled."
        )
    before = private_copy(refund)
    _give_back(call, refund, "canceled", reason)
    announce(call, refund, before)


def fail(call: Call, refund: StripeObject, reason: str) -> None:
    """The payer's bank does not take a refund, or sends one back that had succeeded.

    Raises:
        RefusedError: it has ended otherwise.
    """
    _must_be(refund, "pending", "requires_action", "succeeded")
    before = private_copy(refund)
    _give_back(call, refund, "failed", reason)
    call.emit("refund.failed", refund, before=before)
    announce(call, refund, before)


def _must_be(refund: StripeObject, *statuses: str) -> None:
    if refund["status"] not in statuses:
        raise RefusedError(
            f"The refund {refund['id']} is {refund['status']}, not {' or '.join(statuses)}."
        )


def _give_back(call: Call, refund: StripeObject, status: str, reason: str | None) -> None:
    """The money returns to the balance if it has left, and can be refunded again."""
    charge = call.require("charge", refund["charge"])
    if refund["balance_transaction"] is not None:
        charged = call.require("balance_transaction", charge["balance_transaction"])
        returned = _settled(call, refund, charged)
        posted = ledger.post(
            call,
            "refund_failure",
            refund["id"],
            returned.amount,
            returned.currency,
            exchange_rate=returned.exchange_rate,
        )
        refund["failure_balance_transaction"] = posted["id"]
    refund["status"] = status
    if reason is not None:
        refund["failure_reason"] = reason
    refund.pop("pending_reason", None)
    refund.pop("next_action", None)
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False


def announce(call: Call, refund: StripeObject, before: StripeObject) -> None:
    """Tell what has changed of a refund."""
    call.emit("refund.updated", refund, before=before)
    call.emit("charge.refund.updated", refund, before=before)


@registry.task("try_refund")
def try_refund(call: Call, refund: str) -> None:
    """Try a pending refund again."""
    pending = call.require("refund", refund)
    if pending["status"] != "pending":
        return
    before = private_copy(pending)
    advance(call, pending, call.require("charge", pending["charge"]))
    if pending["status"] != before["status"]:
        announce(call, pending, before)


@registry.task("fail_refund")
def fail_refund(call: Call, refund: str) -> None:
    """The customer's bank sends a refund back."""
    succeeded = call.require("refund", refund)
    if succeeded["status"] == "succeeded":
        fail(call, succeeded, "unknown")


@registry.task("expire_refund")
def expire_refund(call: Call, refund: str) -> None:
    """The payer has never given their bank details."""
    waiting = call.require("refund", refund)
    if waiting["status"] == "requires_action":
        cancel(call, waiting)


@registry.reaction("charge.dispute.funds_withdrawn")
def fail_pending(call: Call, dispute: StripeObject) -> None:
    """The bank has taken the money itself: what waits to be refunded of the charge is not paid."""
    of_charge = call.select("refund", lambda refund: refund["charge"] == dispute["charge"])
    for found in of_charge:
        if found["status"] == "pending":
            fail(call, call.require("refund", found["id"]), DISPUTED)
