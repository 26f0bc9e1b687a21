"""Whether the Stripe account of the environment can be used, asked before anything is started."""

from __future__ import annotations

from typing import Any

import aiohttp

from service.local.setup import RealStripe, SetupProblem

WITHIN_S = 10.0
OR_THE_SANDBOX = ", or unset STRIPE_SECRET_KEY to use the sandbox"


async def require_stripe(stripe: RealStripe, *, otherwise: str = "") -> None:
    """Asks Stripe for the account's balance, which changes nothing.

    ``otherwise`` ends the sentences that say what to do.

    Raises:
        SetupProblem: Stripe cannot be reached, or does not take the key.
    """
    timeout = aiohttp.ClientTimeout(total=WITHIN_S)
    headers = {"Authorization": f"Bearer {stripe.secret_key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as http,
            http.get(f"{stripe.api_base}/v1/balance", headers=headers) as answer,
        ):
            status, says = answer.status, _message(await answer.json(content_type=None))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = f"no answer within {WITHIN_S:g} s" if isinstance(error, TimeoutError) else error
        raise SetupProblem(
            f"Stripe cannot be reached at {stripe.api_base} ({reason}): "
            f"look at the network{otherwise}"
        ) from None
    if status == 401:
        raise SetupProblem(
            f"Stripe does not take STRIPE_SECRET_KEY ({says}): copy the test key again from "
            f"Stripe's dashboard, Developers, API keys{otherwise}"
        )
    if status >= 500:
        raise SetupProblem(f"Stripe answers {status} at {stripe.api_base}: try again later")
    # A restricted key may be refused its balance and still do what it is for.


def _message(answer: Any) -> str:  # noqa: ANN401  JSON is any of its types
    """Stripe's own words, which show only the end of the key."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("message", "")).rstrip(".") if isinstance(error, dict) else ""
