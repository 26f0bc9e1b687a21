"""Every way the API refuses a request, in the shape of Stripe's error bodies.

StripeError                     anything that becomes {"error": {...}} with a status
  InvalidRequestError           400, 401, 403, 404: the request never started to execute
  RefusedError                  400: executed, refused by an object's state or by the balance
  CardError                     402: executed, the card was declined; changes are kept
  IdempotencyError              400, 409: the key belongs to another request

An executed refusal is stored under its idempotency key and its changes are committed; a request
that was not executed changes nothing.
"""

from typing import Any

from stripe_sandbox.store import Json

DOCUMENTATION = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """A refusal with the fields of Stripe's error object; `details` adds further ones."""

    status = 400
    type = "invalid_request_error"
    executed = False
    should_retry: bool | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        **details: Json,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.status = status or self.status
        self.details = details

    def body(self) -> dict[str, Any]:
        """The JSON body: optional fields are left out, as Stripe leaves them out."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = DOCUMENTATION + self.code.replace("_", "-")
        if self.param is not None:
            error["param"] = self.param
        error.update(self.details)
        return {"error": error}


class InvalidRequestError(StripeError):
    """The request itself is wrong; nothing was executed."""


class RefusedError(StripeError):
    """The request was executed and refused: a state or a balance does not allow it."""

    executed = True


class CardError(StripeError):
    """The card was declined or needs authentication; the failed attempt is recorded."""

    status = 402
    type = "card_error"
    executed = True


class IdempotencyError(StripeError):
    """The idempotency key was used for something else, or is being used right now."""

    type = "idempotency_error"

    def __init__(self, message: str, *, in_flight: bool = False) -> None:
        super().__init__(message, code="idempotency_key_in_use" if in_flight else None)
        self.status = 409 if in_flight else 400
        self.should_retry = in_flight


def parameter_missing(param: str) -> InvalidRequestError:
    """A required parameter is absent."""
    return InvalidRequestError(
        f"Missing required param: {param}.", code="parameter_missing", param=param
    )


def parameter_unknown(param: str) -> InvalidRequestError:
    """The operation has no such parameter."""
    return InvalidRequestError(
        f"Received unknown parameter: {param}", code="parameter_unknown", param=param
    )


def parameter_invalid(param: str, message: str, code: str | None = None) -> InvalidRequestError:
    """A parameter has a value the operation cannot take."""
    return InvalidRequestError(message, code=code, param=param)


def resource_missing(kind: str, object_id: str, param: str = "id") -> InvalidRequestError:
    """No object of that kind with that id exists on the acting account."""
    return InvalidRequestError(
        f"No such {kind}: '{object_id}'", code="resource_missing", param=param, status=404
    )
