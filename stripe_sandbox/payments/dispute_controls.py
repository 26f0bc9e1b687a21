"""What cardholders and their banks do in a test: controls under /_sandbox/."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError, parameter_invalid
from stripe_sandbox.payments import dispute_flow, refunds
from stripe_sandbox.payments.dispute_objects import new_dispute
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

PREVENTED_BY = ("resolution", "block")


@registry.control("POST", "/_sandbox/charges/{id}/dispute")
def dispute_charge(call: Call) -> StripeObject:
    """A cardholder disputes a charge: {"reason": "fraudulent", "amount": n, "inquiry": false}.

    The amount is what was captured and not refunded unless it is given; it may exceed the charge.
    {"network_reason_code": "13.1"}: the network's own code. {"answerable": false}: the network
    takes no evidence, so that it is lost at once. {"prevented": "resolution"}: Stripe refunds the
    amount and no chargeback follows; "block": nothing happens at all.
    """
    charge = call.require("charge", call.path["id"], "charge")
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise RefusedError("Only a payment that was captured can be disputed.")
    if charge["payment_method_details"]["type"] != "card":
        raise RefusedError("The sandbox disputes payments by card only.")
    prevented = call.params.choice("prevented", PREVENTED_BY)
    inquiry = call.params.boolean("inquiry")
    dispute = new_dispute(
        call,
        charge,
        reason=call.params.text("reason") or "fraudulent",
        amount=_disputed_amount(call, charge),
        case_type=prevented or ("inquiry" if inquiry else "chargeback"),
        code=call.params.text("network_reason_code"),
    )
    if prevented == "resolution":
        refunds.issue(call, charge, dispute["amount"])
    _opening(prevented, inquiry, call.params.boolean("answerable", default=True))(call, dispute)
    return dispute


def _disputed_amount(call: Call, charge: StripeObject) -> int:
    given = call.params.amount(currency=charge["currency"])
    amount: int = given or charge["amount_captured"] - charge["amount_refunded"]
    if amount == 0:
        raise parameter_invalid("amount", "All of the charge is refunded: say what is disputed.")
    return amount


def _opening(prevented: str | None, inquiry: bool, answerable: bool) -> dispute_flow.Opening:
    if prevented:
        return dispute_flow.open_prevented
    if inquiry:
        return dispute_flow.open_inquiry
    return dispute_flow.open_chargeback if answerable else dispute_flow.open_lost


@registry.control("POST", "/_sandbox/disputes/{id}/win")
def win_dispute(call: Call) -> StripeObject:
    """The bank decides for the account, also after it had decided against it."""
    dispute = _named(call)
    dispute_flow.win(call, dispute)
    return dispute


@registry.control("POST", "/_sandbox/disputes/{id}/lose")
def lose_dispute(call: Call) -> StripeObject:
    """The bank decides for the cardholder; an inquiry just ends.

    {"returned": n}: it gives that much back all the same, in the dispute's currency.
    """
    dispute = _named(call)
    dispute_flow.lose(call, dispute, call.params.integer("returned", 0) or 0)
    return dispute


@registry.control("POST", "/_sandbox/disputes/{id}/escalate")
def escalate_dispute(call: Call) -> StripeObject:
    """The bank makes a chargeback of its inquiry."""
    dispute = _named(call)
    dispute_flow.escalate(call, dispute)
    return dispute


@registry.control("POST", "/_sandbox/disputes/{id}/appeal")
def let_appeal(call: Call) -> StripeObject:
    """The bank has decided against the account, which may appeal."""
    dispute = _named(call)
    dispute_flow.offer_appeal(call, dispute)
    return dispute


@registry.control("POST", "/_sandbox/disputes/{id}/overturn")
def overturn_dispute(call: Call) -> StripeObject:
    """The bank takes a win back: what was won is lost."""
    dispute = _named(call)
    dispute_flow.overturn(call, dispute)
    return dispute


@registry.control("POST", "/_sandbox/disputes/{id}/adjust")
def adjust_dispute(call: Call) -> StripeObject:
    """The bank corrects what it took: {"amount": -12}, in minor units of the balance's currency."""
    dispute = _named(call)
    dispute_flow.adjust(call, dispute, call.params.integer("amount", 0) or 0)
    return dispute


def _named(call: Call) -> StripeObject:
    return call.require("dispute", call.path["id"], "dispute")
