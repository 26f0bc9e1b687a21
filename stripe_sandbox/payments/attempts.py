"""Attempts to pay that are no API request: a decline is their answer, not their failure."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import CardError
from stripe_sandbox.payments import payment_flow
from stripe_sandbox.store import StripeObject


def pay_as_customer(
    call: Call, intent: StripeObject, method: StripeObject, return_url: str | None
) -> CardError | None:
    """A customer confirms in the browser: a decline is an answer to show, not a failed request."""
    intent["payment_method"] = method["id"]
    try:
        payment_flow.confirm(call, intent, return_url=return_url)
    except CardError as error:
        return error
    return None


def pay_off_session(call: Call, intent: StripeObject) -> CardError | None:
    """Pay without the customer, for what is billed: a decline is recorded, and answered here."""
    try:
        payment_flow.confirm(call, intent, off_session=True)
    except CardError as error:
        return error
    return None


def authenticate_as_customer(
    call: Call, intent: StripeObject, *, succeeds: bool
) -> CardError | None:
    """A customer acts on the 3D Secure page; a decline after it is an answer to show."""
    try:
        payment_flow.authenticate(call, intent, succeeds=succeeds)
    except CardError as error:
        return error
    return None
