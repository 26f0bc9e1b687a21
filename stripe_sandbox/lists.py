"""List envelopes: newest first, cursors in both directions, `created` ranges."""

from collections.abc import Sequence
from typing import Any

from stripe_sandbox.errors import parameter_invalid, resource_missing
from stripe_sandbox.params import Params
from stripe_sandbox.store import StripeObject

COMPARISONS = {
    "gt": lambda created, bound: created > bound,
    "gte": lambda created, bound: created >= bound,
    "lt": lambda created, bound: created < bound,
    "lte": lambda created, bound: created <= bound,
}


def envelope(url: str, data: Sequence[StripeObject], *, has_more: bool = False) -> StripeObject:
    """Stripe's list object around objects that are already chosen."""
    return {"object": "list", "url": url, "has_more": has_more, "data": list(data)}


def page(params: Params, url: str, newest_first: list[StripeObject]) -> StripeObject:
    """One page of `newest_first`, as limit, starting_after, ending_before and created ask."""
    limit = _limit(params)
    chosen = [obj for obj in newest_first if _created_fits(params, obj)]
    ending_before = params.text("ending_before")
    starting_after = params.text("starting_after")
    if ending_before and starting_after:
        raise parameter_invalid(
            "ending_before", "You cannot parameterize with both ending_before and starting_after"
        )
    if ending_before:
        newer = chosen[: _position(chosen, newest_first, ending_before, "ending_before")]
        return envelope(url, newer[-limit:], has_more=len(newer) > limit)
    older = chosen
    if starting_after:
        older = chosen[_position(chosen, newest_first, starting_after, "starting_after") :]
        older = [obj for obj in older if obj["id"] != starting_after]
    return envelope(url, older[:limit], has_more=len(older) > limit)


def _limit(params: Params) -> int:
    limit = params.integer("limit", 10)
    if limit is None or not 1 <= limit <= 100:
        raise parameter_invalid(
            "limit",
            f"Invalid limit: {limit}, must be between 1 and 100.",
            "parameter_invalid_integer",
        )
    return limit


def _position(
    chosen: list[StripeObject], everything: list[StripeObject], cursor: str, param: str
) -> int:
    """How many chosen objects are newer than the cursor, which a filter may itself exclude."""
    newer = 0
    remaining = iter(chosen)
    following = next(remaining, None)
    for obj in everything:
        if obj["id"] == cursor:
            return newer
        if following is not None and obj["id"] == following["id"]:
            newer += 1
            following = next(remaining, None)
    raise resource_missing("object", cursor, param)


def _created_fits(params: Params, obj: StripeObject) -> bool:
    wanted: Any = params.get("created")
    if wanted in (None, ""):
        return True
    if not isinstance(wanted, dict):
        return bool(obj["created"] == params.integer("created"))
    bounds = params.hash("created")
    for comparison in bounds:
        if comparison not in COMPARISONS:
            raise parameter_invalid(f"created[{comparison}]", "Invalid created filter")
        if not COMPARISONS[comparison](obj["created"], bounds.integer(comparison)):
            return False
    return True
