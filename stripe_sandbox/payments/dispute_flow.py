"""What happens to a dispute, and what it does to the balance.

    inquiry      warning_needs_response -> warning_under_review -> warning_closed
                          |                        |  (the bank escalates)
                          v                        v
    chargeback        needs_response   ->     under_review      -> won | lost     lost -> won

A chargeback takes the disputed amount and a fee from the balance the moment it is opened; a win
gives the amount back and Stripe keeps the fee. An inquiry moves no money. Where the charge was
converted, each of the two is converted at the rate of its own day.
"""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError
from stripe_sandbox.ids import new_id
from stripe_sandbox.payments.payment_methods import card_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

DAY_S = 24 * 3600
RESPONSE_S = 9 * DAY_S
INQUIRY_ENDS_S = 120 * DAY_S
# Stripe's test mode decides at once when the evidence has one of these texts.
DECISION_S = 2

DISPUTE_FEE = {"usd": 1500, "eur": 2000, "gbp": 2000, "cad": 1500, "aud": 2500, "jpy": 1300}
OTHER_DISPUTE_FEE = 1500

UNDECIDED = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
NETWORK_REASON_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}

EVIDENCE_TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_email_address", "customer_name", "customer_purchase_ip",
    "duplicate_charge_explanation", "duplicate_charge_id", "product_description",
    "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "shipping_address",
    "shipping_carrier", "shipping_date", "shipping_tracking_number", "uncategorized_text",
)  # fmt: skip
EVIDENCE_FILES = (
    "cancellation_policy", "customer_communication", "customer_signature",
    "duplicate_charge_documentation", "receipt", "refund_policy", "service_documentation",
    "shipping_documentation", "uncategorized_file",
)  # fmt: skip


def open_dispute(
    call: Call, charge: StripeObject, *, reason: str, amount: int, inquiry: bool
) -> StripeObject:
    """A cardholder disputes a charge; a chargeback takes the money at once.

    Args:
        call: acts on the account that took the payment.
        charge: the working copy of a captured charge whose funds are in the books.
        reason: Stripe's reason, such as `fraudulent`.
        amount: minor units of the charge's currency; it may be less or more than the charge.
        inquiry: whether the bank only asks, for now.
    """
    dispute = call.add(_new_dispute(call, charge, reason, amount))
    charge["disputed"] = True
    if inquiry:
        _mark_as_inquiry(dispute)
        call.schedule(INQUIRY_ENDS_S, "inquiry_ends", dispute=dispute["id"])
        call.emit("charge.dispute.created", dispute)
        return dispute
    _withdraw(call, dispute, charge)
    call.schedule(RESPONSE_S, "dispute_response_due", dispute=dispute["id"])
    call.emit("charge.dispute.created", dispute)
    call.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _new_dispute(call: Call, charge: StripeObject, reason: str, amount: int) -> StripeObject:
    network = charge["payment_method_details"]["card"]["network"]
    reason_code = NETWORK_REASON_CODES.get(reason, "13.7")
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys((*EVIDENCE_TEXTS, *EVIDENCE_FILES)), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": call.now + RESPONSE_S,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": reason_code,
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": network,
                "case_type": "chargeback",
                "network": network,
                "network_reason_code": reason_code,
            },
        },
        "reason": reason,
        "status": "needs_response",
    }


def _mark_as_inquiry(dispute: StripeObject) -> None:
    dispute["status"] = "warning_needs_response"
    dispute["is_charge_refundable"] = True
    dispute["payment_method_details"]["card"]["case_type"] = "inquiry"


def is_inquiry(dispute: StripeObject) -> bool:
    """Whether the dispute is still an inquiry."""
    return str(dispute["status"]).startswith("warning_")


def _withdraw(call: Call, dispute: StripeObject, charge: StripeObject) -> None:
    """Debit the disputed amount and the fee; pending funds settle with the charge's."""
    charged = call.require("balance_transaction", charge["balance_transaction"])
    currency = charged["currency"]
    taken = settlement.convert(call, dispute["amount"], dispute["currency"], currency)
    posted = ledger.post(
        call,
        "adjustment",
        dispute["id"],
        -taken.amount,
        currency,
        fee=DISPUTE_FEE.get(currency, OTHER_DISPUTE_FEE),
        fee_description="Dispute fee",
        exchange_rate=taken.exchange_rate,
        available_on=charged["available_on"] if charged["status"] == "pending" else None,
        description=f"Chargeback withdrawal for {charge['id']}",
        reporting_category="dispute",
    )
    dispute["balance_transactions"].append(private_copy(posted))
    charge["_charged_back"] = True


def submit(call: Call, dispute: StripeObject) -> None:
    """Hand the staged evidence to the bank, which works once."""
    details = dispute["evidence_details"]
    details["submission_count"] += 1
    details["submission_method"] = "manual"
    dispute["status"] = "warning_under_review" if is_inquiry(dispute) else "under_review"
    call.schedule(DECISION_S, "evidence_decides", dispute=dispute["id"])


@registry.task("evidence_decides")
def evidence_decides(call: Call, dispute: str) -> None:
    """Stripe's test texts decide a dispute; other evidence waits for a control."""
    decided = call.require("dispute", dispute)
    if decided["status"] not in ("under_review", "warning_under_review"):
        return
    match decided["evidence"]["uncategorized_text"]:
        case "winning_evidence":
            win(call, decided)
        case "losing_evidence":
            lose(call, decided)
        case "escalate_inquiry_evidence" if is_inquiry(decided):
            escalate(call, decided)


@registry.task("dispute_response_due")
def dispute_response_due(call: Call, dispute: str) -> None:
    """A chargeback that was not answered in time is lost."""
    due = call.require("dispute", dispute)
    if due["status"] == "needs_response":
        due["evidence_details"]["past_due"] = True
        lose(call, due)


@registry.task("inquiry_ends")
def inquiry_ends(call: Call, dispute: str) -> None:
    """Close an inquiry that the bank did not escalate in time."""
    inquiry = call.require("dispute", dispute)
    if is_inquiry(inquiry) and inquiry["status"] in UNDECIDED:
        lose(call, inquiry)


def escalate(call: Call, dispute: StripeObject) -> None:
    """Make an inquiry a chargeback: debit the money, and accept evidence again."""
    if not is_inquiry(dispute) or dispute["status"] not in UNDECIDED:
        raise RefusedError(f"A dispute that is {dispute['status']} cannot be escalated.")
    before = private_copy(dispute)
    dispute["status"] = "needs_response"
    dispute["is_charge_refundable"] = False
    dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    dispute["evidence_details"] |= {
        "due_by": call.now + RESPONSE_S,
        "submission_count": 0,
        "submission_method": "not_submitted",
    }
    _withdraw(call, dispute, call.require("charge", dispute["charge"]))
    call.schedule(RESPONSE_S, "dispute_response_due", dispute=dispute["id"])
    call.emit("charge.dispute.updated", dispute, before=before)
    call.emit("charge.dispute.funds_withdrawn", dispute, before=before)


def win(call: Call, dispute: StripeObject) -> None:
    """The bank decides for the account, even after it decided against it."""
    if dispute["status"] not in (*UNDECIDED, "lost"):
        raise RefusedError(f"A dispute that is {dispute['status']} cannot be won.")
    before = private_copy(dispute)
    if is_inquiry(dispute):
        _close(call, dispute, "warning_closed", before)
        return
    charge = call.require("charge", dispute["charge"])
    _close(call, dispute, "won", before)
    posted = _reinstate(call, dispute)
    reinstated_before = private_copy(dispute)
    dispute["balance_transactions"].append(private_copy(posted))
    dispute["is_charge_refundable"] = True
    charge["_charged_back"] = any(
        other["id"] != dispute["id"] and other["status"] not in ("won", "warning_closed")
        for other in call.select("dispute", lambda other: other["charge"] == charge["id"])
    )
    call.emit("charge.dispute.funds_reinstated", dispute, before=reinstated_before)


def _reinstate(call: Call, dispute: StripeObject) -> StripeObject:
    """Credit the disputed amount; it is not available before its withdrawal settles."""
    withdrawal = call.require("balance_transaction", dispute["balance_transactions"][0]["id"])
    currency = withdrawal["currency"]
    returned = settlement.convert(call, dispute["amount"], dispute["currency"], currency)
    return ledger.post(
        call,
        "adjustment",
        dispute["id"],
        returned.amount,
        currency,
        exchange_rate=returned.exchange_rate,
        available_on=max(call.now, int(withdrawal["available_on"])),
        description=f"Chargeback reversal for {dispute['charge']}",
        reporting_category="dispute_reversal",
    )


def lose(call: Call, dispute: StripeObject) -> None:
    """The bank decides for the cardholder or the account accepts; no money moves any more."""
    if dispute["status"] not in UNDECIDED:
        raise RefusedError(f"This dispute is already closed: it is {dispute['status']}.")
    outcome = "warning_closed" if is_inquiry(dispute) else "lost"
    _close(call, dispute, outcome, private_copy(dispute))


def _close(call: Call, dispute: StripeObject, status: str, before: StripeObject) -> None:
    dispute["status"] = status
    call.emit("charge.dispute.closed", dispute, before=before)


@registry.reaction("payment_intent.succeeded")
def dispute_paid_intent(call: Call, intent: StripeObject) -> None:
    """Dispute a payment by a test card that asks for it, once its funds are booked."""
    _follow_script(call, call.require("charge", intent["latest_charge"]))


@registry.reaction("charge.updated")
def dispute_settled_charge(call: Call, charge: StripeObject) -> None:
    """The same, where the capture was asynchronous."""
    if "_number" in charge:  # what a transfer pays into a connected account has no card
        _follow_script(call, charge)


def _follow_script(call: Call, charge: StripeObject) -> None:
    scripts = card_of(charge).disputes
    if charge["balance_transaction"] is None or charge["disputed"]:
        return
    for script in scripts:
        open_dispute(
            call,
            charge,
            reason=script.reason,
            amount=charge["amount_captured"] // len(scripts),
            inquiry=script.inquiry,
        )


@registry.reaction("charge.refunded")
def refund_ends_inquiries(call: Call, charge: StripeObject) -> None:
    """Close the inquiries of a charge that is fully refunded."""
    if not charge["refunded"]:
        return
    for found in call.select("dispute", lambda dispute: dispute["charge"] == charge["id"]):
        if is_inquiry(found) and found["status"] in UNDECIDED:
            lose(call, call.require("dispute", found["id"]))
