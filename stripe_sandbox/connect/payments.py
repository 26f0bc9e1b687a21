"""The destination's side of a transfer: a payment (`py_...`) and its refunds."""

from stripe_sandbox.call import Call
from stripe_sandbox.ids import new_id
from stripe_sandbox.store import StripeObject


def new_payment(owner: Call, transfer: StripeObject) -> StripeObject:
    """The charge object that a transfer makes on its destination; `owner` acts there."""
    return owner.add(
        {
            "id": new_id("py"),
            "object": "charge",
            "amount": transfer["amount"],
            "amount_captured": transfer["amount"],
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": {"address": None, "email": None, "name": None, "phone": None},
            "captured": True,
            "created": owner.now,
            "currency": transfer["currency"],
            "customer": None,
            "description": None,
            "disputed": False,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "livemode": False,
            "metadata": {},
            "outcome": None,
            "paid": True,
            "payment_intent": None,
            "payment_method": None,
            "payment_method_details": {"stripe_account": {}, "type": "stripe_account"},
            "refunded": False,
            "source_transfer": transfer["id"],
            "status": "succeeded",
            "transfer_group": None,
        }
    )


def new_payment_refund(owner: Call, payment: StripeObject, amount: int) -> StripeObject:
    """The refund object that a transfer reversal makes on the destination; `owner` acts there."""
    payment["amount_refunded"] += amount
    payment["refunded"] = payment["amount_refunded"] == payment["amount"]
    return owner.add(
        {
            "id": new_id("pyr"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": None,
            "charge": payment["id"],
            "created": owner.now,
            "currency": payment["currency"],
            "destination_details": None,
            "metadata": {},
            "payment_intent": None,
            "reason": None,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        }
    )
