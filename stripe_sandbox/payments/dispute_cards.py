"""How a dispute begins: the cardholder's complaint, in person or by a test card's script."""

from stripe_sandbox.call import Call
from stripe_sandbox.payments import dispute_flow
from stripe_sandbox.payments.dispute_objects import new_dispute
from stripe_sandbox.payments.payment_methods import card_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


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
        dispute = new_dispute(
            call,
            charge,
            reason=script.reason,
            amount=charge["amount_captured"] // len(scripts),
            case_type="inquiry" if script.inquiry else "chargeback",
            code=None,
        )
        begin = dispute_flow.open_inquiry if script.inquiry else dispute_flow.open_chargeback
        begin(call, dispute)
