"""How the kinds find what they made: by our id in the metadata of Stripe's objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from service.domain.records.effect import Effect
from service.stripe.gateway import Object
from service.stripe.objects.values import moment_of, part

CLOCK_SLACK_S = 300  # between our clock and Stripe's, when a list is limited to what is new


async def first_of_ours(effect: Effect, objects: AsyncIterator[Any]) -> Object | None:
    """The object that this effect made, whichever generation of it, by our id in its metadata.

    Other keys do not count: people and other programs add some.
    """
    ours = effect.request["metadata"]["effect"]
    oldest = effect.created_at.timestamp() - CLOCK_SLACK_S
    async for item in objects:
        found: Object = item.to_dict()
        if part(found, "metadata").get("effect") == ours:
            return found
        if moment_of(found.get("created")).timestamp() < oldest:
            return None  # lists are newest first
    return None


def since(effect: Effect) -> dict[str, int]:
    """The filter of a list for what was created with the effect, or after it."""
    return {"gte": int(effect.created_at.timestamp()) - CLOCK_SLACK_S}
