"""Invoices: /v1/invoices, as subscriptions make them: final at once, with one attempt to pay.

An invoice is paid by a PaymentIntent of the customer's default payment method, so that its
money is booked like any other payment. There are no retries: an unpaid invoice stays open.
"""

from datetime import UTC, datetime

from stripe_sandbox import lists
from stripe_sandbox.call import Call
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.payments import attempts, payment_intents
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


def default_payment_method(call: Call, customer: StripeObject) -> StripeObject | None:
    """What the customer's invoices are paid with."""
    chosen = customer["invoice_settings"]["default_payment_method"] or customer["default_source"]
    return call.find("payment_method", chosen) if chosen else None


def bill(
    call: Call, subscription: StripeObject, items: list[StripeObject], reason: str
) -> StripeObject:
    """Invoice a period of a subscription and try to collect it; `status` shows the result.

    Args:
        call: acts on the account that bills.
        subscription: whose `customer` pays.
        items: subscription items, with the period they are billed for; none during a trial.
        reason: Stripe's `billing_reason`, such as `subscription_cycle`.
    """
    customer = call.require("customer", subscription["customer"])
    invoice = call.add(_new_invoice(call, subscription, customer, items, reason))
    call.emit("invoice.created", invoice)
    invoice |= {"status": "open", "status_transitions": _transitions(finalized_at=call.now)}
    call.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0 or _collect(call, invoice, customer):
        invoice |= {
            "amount_paid": invoice["amount_due"],
            "amount_remaining": 0,
            "status": "paid",
            "status_transitions": _transitions(finalized_at=call.now, paid_at=call.now),
        }
        call.emit("invoice.paid", invoice)
        call.emit("invoice.payment_succeeded", invoice)
    else:
        call.emit("invoice.payment_failed", invoice)
    return invoice


def _collect(call: Call, invoice: StripeObject, customer: StripeObject) -> bool:
    """Charge the customer's payment method off-session: the customer cannot authenticate."""
    invoice |= {"attempted": True, "attempt_count": 1}
    method = default_payment_method(call, customer)
    if method is None:
        return False
    intent = payment_intents.create(
        call,
        Params(
            {
                "amount": invoice["amount_due"],
                "currency": invoice["currency"],
                "customer": customer["id"],
                "payment_method": method["id"],
                "capture_method": "automatic",
                "description": "Subscription",
            }
        ),
    )
    call.emit("payment_intent.created", intent)
    return attempts.pay_off_session(call, intent) is None


def _new_invoice(
    call: Call,
    subscription: StripeObject,
    customer: StripeObject,
    items: list[StripeObject],
    reason: str,
) -> StripeObject:
    lines = [_line(subscription, item) for item in items]
    subtotal = sum(line["amount"] for line in lines)
    discounted = _discount(call, customer, subtotal)
    invoice_id = new_id("in")
    total = subtotal - discounted
    return {
        "id": invoice_id,
        "object": "invoice",
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": total,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {"enabled": False},
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": call.now,
        "currency": subscription["currency"],
        "customer": customer["id"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "default_tax_rates": [],
        "description": None,
        "discounts": [customer["discount"]["id"]] if discounted else [],
        "ending_balance": 0,
        "issuer": {"type": "self"},
        "lines": lists.envelope(f"/v1/invoices/{invoice_id}/lines", lines),
        "livemode": False,
        "metadata": {},
        "number": _next_number(customer),
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"subscription": subscription["id"], "metadata": {}},
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": call.now,
        "period_start": call.now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": _transitions(),
        "subtotal": subtotal,
        "total": total,
    }


def _transitions(finalized_at: int | None = None, paid_at: int | None = None) -> StripeObject:
    return {
        "finalized_at": finalized_at,
        "marked_uncollectible_at": None,
        "paid_at": paid_at,
        "voided_at": None,
    }


def _next_number(customer: StripeObject) -> str:
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    return number


def _discount(call: Call, customer: StripeObject, subtotal: int) -> int:
    """The customer's discount in minor units; 0 for a deleted coupon."""
    discount = customer.get("discount")
    coupon = call.find("coupon", discount["source"]["coupon"]) if discount else None
    if coupon is None:
        return 0
    if coupon["amount_off"]:
        return min(subtotal, int(coupon["amount_off"]))
    percent: float = coupon["percent_off"]
    return round(subtotal * percent / 100)


def _line(subscription: StripeObject, item: StripeObject) -> StripeObject:
    price, amount = item["price"], item["price"]["unit_amount"] * item["quantity"]
    start = datetime.fromtimestamp(item["current_period_start"], UTC).date().isoformat()
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": f"Subscription from {start}",
        "discountable": True,
        "discounts": [],
        "livemode": False,
        "metadata": {},
        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
        "quantity": item["quantity"],
        "subscription": subscription["id"],
        "subtotal": amount,
    }


@registry.get("/v1/invoices")
def list_invoices(call: Call) -> StripeObject:
    """By customer, status or subscription."""
    params = call.params
    customer, status = params.text("customer"), params.text("status")
    subscription = params.text("subscription")
    return call.page(
        "invoice",
        lambda invoice: (
            customer in (None, invoice["customer"])
            and status in (None, invoice["status"])
            and subscription in (None, invoice["parent"]["subscription_details"]["subscription"])
        ),
    )


@registry.get("/v1/invoices/{id}")
def retrieve_invoice(call: Call) -> StripeObject:
    """One invoice."""
    return call.require("invoice", call.path["id"])
