"""Attempts to pay outside of API requests: they return a decline instead of raising it."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import CardError
from stripe_sandbox.payments import payment_flow
from stripe_sandbox.store import StripeObject


def pay_as_customer(
    call: Call, intent: StripeObject, method: StripeObject, return_url: str | None
) -> CardError | None:
    """A customer confirms in the browser; a decline is returned, to be shown."""
    intent["payment_method"] = method["id"]
    try:
        payment_flow.confirm(call, intent, return_url=return_url)
    except CardError as error:
        return error
    return None


def pay_off_session(call: Call, intent: StripeObject) -> CardError | None:
    """Pay an invoice without the customer; a decline is recorded and returned."""
    try:
        payment_flow.confirm(call, intent, off_session=True)
    except CardError as error:
        return error
    return None


def authenticate_as_customer(
    call: Call, intent: StripeObject, *, succeeds: bool
) -> CardError | None:
    """A customer acts on the 3D Secure page; a decline after it is returned, to be shown."""
    try:
        payment_flow.authenticate(call, intent, succeeds=succeeds)
    except CardError as error:
        return error
    return None
