"""What happens to a dispute.

    inquiry      warning_needs_response -> warning_under_review -> warning_closed
                          |                        |  (the bank escalates)
                          v                        v
    chargeback        needs_response   ->     under_review      -> won | lost
                                                   |                ^
                                                   v                |
    appeal       appeal_needs_response -> appeal_under_review ------+

A late win makes a lost one won, and a bank can take a win back. What is `prevented` never becomes a
chargeback: it was blocked, or resolved by a refund that Stripe makes by itself. What each step does
to the balance is in `dispute_money.py`.
"""

from collections.abc import Callable

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError, parameter_invalid
from stripe_sandbox.payments import dispute_fees, dispute_money
from stripe_sandbox.payments.dispute_objects import due_by
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

INQUIRY_ENDS_S = 120 * 24 * 3600
# Stripe's test mode decides after some seconds when the evidence has one of its texts.
DECISION_S = 2

WAITS = ("needs_response", "warning_needs_response", "appeal_needs_response")
UNDECIDED = (*WAITS, "under_review", "warning_under_review", "appeal_under_review")
CLOSED = ("won", "lost", "warning_closed", "prevented")
ALREADY_CLOSED = "This dispute is already closed"

# How a dispute that is not stored yet begins: f(call, dispute).
Opening = Callable[[Call, StripeObject], None]


def is_inquiry(dispute: StripeObject) -> bool:
    """Whether the dispute is still an inquiry."""
    return str(dispute["status"]).startswith("warning_")


def open_inquiry(call: Call, dispute: StripeObject) -> None:
    """The bank only asks, for now: no money moves."""
    _begin(call, dispute)
    call.schedule(INQUIRY_ENDS_S, "inquiry_ends", dispute=dispute["id"])
    call.emit("charge.dispute.created", dispute)


def open_chargeback(call: Call, dispute: StripeObject) -> None:
    """A cardholder takes the money back, at once."""
    _begin(call, dispute)
    dispute_money.withdraw(call, dispute)
    _await_response(call, dispute)
    call.emit("charge.dispute.created", dispute)
    call.emit("charge.dispute.funds_withdrawn", dispute)


def open_lost(call: Call, dispute: StripeObject) -> None:
    """A chargeback that the network lets nobody answer: it is lost when it is first heard of."""
    _begin(call, dispute)
    dispute_money.withdraw(call, dispute)
    dispute["evidence_details"]["due_by"] = 0
    dispute["status"] = "lost"
    call.emit("charge.dispute.created", dispute)
    call.emit("charge.dispute.funds_withdrawn", dispute)
    call.emit("charge.dispute.closed", dispute)


def open_prevented(call: Call, dispute: StripeObject) -> None:
    """It was blocked before it became a chargeback, or resolved by a refund."""
    _begin(call, dispute)
    dispute["status"] = "prevented"
    call.emit("charge.dispute.created", dispute)


def _begin(call: Call, dispute: StripeObject) -> None:
    call.add(dispute)
    call.require("charge", dispute["charge"])["disputed"] = True


def _await_response(call: Call, dispute: StripeObject) -> None:
    """Until the end of the last day; the bank decides against silence in the second after it."""
    dispute["evidence_details"]["due_by"] = due_by(call.now)
    delay_s = dispute["evidence_details"]["due_by"] + 1 - call.state.clock.now()
    call.schedule(delay_s, "dispute_response_due", dispute=dispute["id"])


def submit(call: Call, dispute: StripeObject) -> None:
    """Hand the staged evidence to the bank, which works once for each stage."""
    details = dispute["evidence_details"]
    details["submission_count"] += 1
    details["submission_method"] = "manual"
    stage = dispute["status"].removesuffix("needs_response")
    dispute["status"] = f"{stage}under_review"
    if stage == "":
        dispute_fees.counter(call, dispute)
    if stage != "appeal_":
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
    """A chargeback that was not answered in time is lost, and so is one not appealed in time."""
    due = call.require("dispute", dispute)
    late = call.now > due["evidence_details"]["due_by"]
    if late and due["status"] in ("needs_response", "appeal_needs_response"):
        lose(call, due)


@registry.task("inquiry_ends")
def inquiry_ends(call: Call, dispute: str) -> None:
    """Close an inquiry that the bank did not escalate in time."""
    inquiry = call.require("dispute", dispute)
    if is_inquiry(inquiry) and inquiry["status"] in UNDECIDED:
        lose(call, inquiry)


def escalate(call: Call, dispute: StripeObject) -> None:
    """Make an inquiry a chargeback: debit the money, and accept evidence again."""
    _must_be(dispute, "escalated", "warning_needs_response", "warning_under_review")
    before = private_copy(dispute)
    dispute["status"] = "needs_response"
    dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    dispute["evidence_details"] |= {"submission_count": 0, "submission_method": "not_submitted"}
    dispute_money.withdraw(call, dispute)
    _await_response(call, dispute)
    call.emit("charge.dispute.updated", dispute, before=before)
    call.emit("charge.dispute.funds_withdrawn", dispute)


def offer_appeal(call: Call, dispute: StripeObject) -> None:
    """The bank has decided against the account, which may appeal for another eight days."""
    _must_be(dispute, "appealed", "under_review", "lost")
    before = private_copy(dispute)
    dispute["status"] = "appeal_needs_response"
    _await_response(call, dispute)
    call.emit("charge.dispute.updated", dispute, before=before)


def win(call: Call, dispute: StripeObject) -> None:
    """The bank decides for the account, even after it decided against it."""
    _must_be(dispute, "won", *UNDECIDED, "lost")
    if is_inquiry(dispute):
        _close(call, dispute, "warning_closed")
        return
    dispute_money.reinstate(call, dispute, dispute["_outstanding"], won=True)
    dispute_fees.return_counter(call, dispute)
    _make_refundable(call, dispute)
    dispute["status"] = "won"
    call.emit("charge.dispute.funds_reinstated", dispute)
    call.emit("charge.dispute.closed", dispute)


def _make_refundable(call: Call, dispute: StripeObject) -> None:
    """The charge can be refunded again, unless another dispute still holds its money."""
    others = call.select("dispute", lambda other: other["charge"] == dispute["charge"])
    held = any(other["id"] != dispute["id"] and other["_outstanding"] for other in others)
    call.require("charge", dispute["charge"])["_charged_back"] = held
    dispute["is_charge_refundable"] = not held


def lose(call: Call, dispute: StripeObject, returned: int = 0) -> None:
    """The bank decides for the cardholder, or the account accepts; an inquiry just ends.

    Args:
        call: acts on the account that took the payment.
        dispute: the working copy.
        returned: what the bank gives back all the same, in minor units of the dispute's currency:
            the part that had been refunded before.
    """
    if dispute["status"] not in UNDECIDED:
        raise RefusedError(ALREADY_CLOSED)
    if returned and not 0 < returned < dispute["_outstanding"]:
        raise parameter_invalid("returned", "A bank that returns all it took has lost.")
    if returned:
        dispute_money.reinstate(call, dispute, returned, won=False)
    dispute["status"] = "warning_closed" if is_inquiry(dispute) else "lost"
    if returned:
        call.emit("charge.dispute.funds_reinstated", dispute)
    call.emit("charge.dispute.closed", dispute)


def overturn(call: Call, dispute: StripeObject) -> None:
    """The bank takes a win back, and the money with it."""
    _must_be(dispute, "overturned", "won")
    dispute_money.withdraw(call, dispute, again=True)
    dispute_fees.take_counter_again(call, dispute)
    dispute["status"] = "lost"
    call.emit("charge.dispute.funds_withdrawn", dispute)
    call.emit("charge.dispute.closed", dispute)


def adjust(call: Call, dispute: StripeObject, amount: int) -> None:
    """The bank corrects what it took, in minor units of the balance's currency."""
    if not dispute["balance_transactions"]:
        raise RefusedError("This dispute has moved no money that could be corrected.")
    before = private_copy(dispute)
    dispute_money.adjust(call, dispute, amount)
    call.emit("charge.dispute.updated", dispute, before=before)


def _must_be(dispute: StripeObject, verb: str, *statuses: str) -> None:
    if dispute["status"] not in statuses:
        raise RefusedError(f"A dispute that is {dispute['status']} cannot be {verb}.")


def _close(call: Call, dispute: StripeObject, status: str) -> None:
    dispute["status"] = status
    call.emit("charge.dispute.closed", dispute)


@registry.reaction("charge.refunded")
def refund_ends_inquiries(call: Call, charge: StripeObject) -> None:
    """Close the inquiries of a charge that is fully refunded."""
    if not charge["refunded"]:
        return
    for found in call.select("dispute", lambda dispute: dispute["charge"] == charge["id"]):
        if is_inquiry(found) and found["status"] in UNDECIDED:
            lose(call, call.require("dispute", found["id"]))


@registry.reaction("charge.dispute.updated", "charge.dispute.closed")
def tell_of_charge(call: Call, dispute: StripeObject) -> None:
    """Stripe says of the charge that it was updated, too, although nothing of it shows that."""
    charge = call.require("charge", dispute["charge"])
    call.emit("charge.updated", charge, before=private_copy(charge))
