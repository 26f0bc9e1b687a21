"""Controls under /_sandbox/refunds/ for what Stripe, the payer or their bank would do."""

from stripe_sandbox.call import Call
from stripe_sandbox.payments import refund_flow
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

BASE = "/_sandbox/refunds/{id}/"


@registry.control("POST", BASE + "succeed")
def succeed_refund(call: Call) -> StripeObject:
    """Stripe pays what was pending, or the payer has given their bank details."""
    refund = call.require("refund", call.path["id"])
    refund_flow.succeed(call, refund)
    return refund


@registry.control("POST", BASE + "require_action")
def require_action_for_refund(call: Call) -> StripeObject:
    """Stripe asks the payer for their bank details, for a refund that is pending."""
    refund = call.require("refund", call.path["id"])
    refund_flow.require_action(call, refund)
    return refund


@registry.control("POST", BASE + "cancel")
def cancel_refund(call: Call) -> StripeObject:
    """The payer's time to give their bank details is over."""
    refund = call.require("refund", call.path["id"])
    refund_flow.cancel(call, refund)
    return refund


@registry.control("POST", BASE + "fail")
def fail_refund(call: Call) -> StripeObject:
    """The payer's bank does not take it, or sends it back: {"failure_reason": "declined"}."""
    refund = call.require("refund", call.path["id"])
    refund_flow.fail(call, refund, call.params.text("failure_reason") or "unknown")
    return refund
