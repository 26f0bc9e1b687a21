"""What was asked of Stripe with a key that has only the permissions that we say it needs."""

from collections.abc import Sequence
from typing import Any

from service.stripe.permissions import NEEDS
from stripe_sandbox.keys import permission_of
from tests.service.operations.marketplace import Marketplace

GRANTED = [need.permission for need in NEEDS]


async def asked_of_stripe(market: Marketplace) -> Sequence[dict[str, Any]]:
    """The requests with their answers."""
    requests: Sequence[dict[str, Any]] = (await market.sandbox.control("requests", verb="GET"))[
        "data"
    ]
    return requests


def beyond_permissions(requests: Sequence[dict[str, Any]]) -> list[str]:
    """What a key would need beside, or was refused for."""
    refused = [each["path"] for each in requests if "required permissions" in str(each["body"])]
    used = {permission_of(each["method"], each["path"]) for each in requests}
    return refused + sorted(each for each in used - {*GRANTED} if each.endswith("_write"))
