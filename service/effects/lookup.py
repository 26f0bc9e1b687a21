"""How the kinds find what they made: by our id in the metadata of Stripe's objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from service.aggregates.contradiction import Contradiction
from service.domain.records.effect import Effect
from service.stripe.gateway import Object
from service.stripe.objects.values import moment_of, part

CLOCK_SLACK_S = 300  # between our clock and Stripe's, when a list is limited to what is new


OURS = ("effect", "replaces")


def made_by(effect: Effect, found: Object) -> bool:
    """Whether this effect made an object, by our ids in its metadata: the effect's own, and the
    account that was replaced, for one effect makes all accounts of a payee, one after the other.
    """
    asked, shown = effect.request["metadata"], part(found, "metadata")
    return all(shown.get(name) == asked.get(name) for name in OURS)


async def first_of_ours(effect: Effect, objects: AsyncIterator[Any]) -> Object | None:
    """The object that this effect made, whichever generation of it, by our id in its metadata.

    Other keys do not count: people and other programs add some.
    """
    oldest = effect.created_at.timestamp() - CLOCK_SLACK_S
    async for item in objects:
        found: Object = item.to_dict()
        if made_by(effect, found):
            return found
        if moment_of(found.get("created")).timestamp() < oldest:
            return None  # lists are newest first
    return None


def since(effect: Effect) -> dict[str, int]:
    """The filter of a list for what was created with the effect, or after it."""
    return {"gte": int(effect.created_at.timestamp()) - CLOCK_SLACK_S}


def updated_by_us(effect: Effect, found: Object) -> Object | None:
    """The object, if the last change of ours that it shows is this one."""
    ours = effect.request["metadata"]["update"]
    return found if part(found, "metadata").get("update") == ours else None


def hold_update(effect: Effect, answer: Object) -> None:
    """Raises Contradiction: the answer is of another change, or of another generation's."""
    if updated_by_us(effect, answer) is None:
        raise Contradiction("the answer is of another change")
