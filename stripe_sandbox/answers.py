"""Answers on the wire: Stripe's headers, the bodies of injected errors, cut connections."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.faults import Fault
from stripe_sandbox.ids import new_id
from stripe_sandbox.older_parameters import ACCOUNT_DEFAULT_VERSION

UNKNOWN_ERROR = {
    "error": {
        "message": "An unknown error occurred. Sorry about that; the sandbox was told to fail, "
        "or has a bug that its log describes.",
        "type": "api_error",
    }
}
FAULT_BODIES: dict[int, dict[str, Any]] = {
    409: {
        "error": {
            "code": "lock_timeout",
            "message": "This object cannot be accessed right now because another API request or "
            "Stripe process is currently accessing it.",
            "type": "invalid_request_error",
        }
    },
    429: {
        "error": {
            "code": "rate_limit",
            "message": "Request rate limit exceeded. Learn more about rate limits here "
            "https://stripe.com/docs/rate-limits.",
            "type": "invalid_request_error",
        }
    },
    500: UNKNOWN_ERROR,
}


@dataclass(frozen=True)
class Answer:
    """A status and a body, with what the answer headers need."""

    status: int
    body: str
    should_retry: bool | None = None
    replayed: str | None = None  # the request id that first received this answer


async def respond(
    request: web.Request, request_id: str, answer: Answer, fault: Fault | None
) -> web.StreamResponse:
    """Send an answer with its headers; an armed fault may cut it off in the middle."""
    payload = answer.body.encode()
    response = web.StreamResponse(status=answer.status)
    response.content_type = "application/json"
    response.content_length = len(payload)
    response.headers["Request-Id"] = request_id
    response.headers["Stripe-Version"] = request.headers.get(
        "Stripe-Version", ACCOUNT_DEFAULT_VERSION
    )
    if request.method != "GET" and "Idempotency-Key" in request.headers:
        response.headers["Idempotency-Key"] = request.headers["Idempotency-Key"]
        response.headers["Original-Request"] = answer.replayed or request_id
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if answer.should_retry is not None:
        response.headers["Stripe-Should-Retry"] = str(answer.should_retry).lower()
    await response.prepare(request)
    if fault and fault.kind == "cut_after_effect":
        await response.write(payload[: len(payload) // 2])
        if request.transport:
            request.transport.close()
        return response
    await response.write_eof(payload)
    return response


def hang_up(request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)


def unrecognized_url(request: web.Request) -> web.Response:
    """Stripe's answer to a path that does not exist."""
    error = InvalidRequestError(
        f"Unrecognized request URL ({request.method}: {request.path}). Please see "
        "https://stripe.com/docs or we can help at https://support.stripe.com/.",
        status=404,
    )
    return web.json_response(error.body(), status=404, headers={"Request-Id": new_id("req")})
