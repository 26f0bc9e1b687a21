"""Rendering an answer: `expand[]` replaces ids by objects, private fields are left out."""

from collections.abc import Mapping

from stripe_sandbox import ids
from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.registry import Expansion
from stripe_sandbox.store import Json, StripeObject, private_copy, public

Expansions = Mapping[tuple[str, str], Expansion]

DEEPEST = 4


def render(
    call: Call, expansions: Expansions, answer: StripeObject, paths: list[Json]
) -> StripeObject:
    """The answer as the caller sees it. `data.charge` expands in every element of a list."""
    answer = private_copy(answer)
    for path in paths:
        parts = str(path).split(".")
        if len(parts) - (parts[0] == "data") > DEEPEST:
            raise InvalidRequestError(
                f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}",
                code="property_expansion_max_depth",
            )
        _expand(call, expansions, answer, parts, str(path))
    rendered: StripeObject = public(answer)
    return rendered


def _expand(call: Call, expansions: Expansions, node: Json, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for element in node:
            _expand(call, expansions, element, parts, path)
        return
    if not parts or node is None:
        return
    name, *rest = parts
    if not isinstance(node, dict):
        raise _not_expandable(name, path)
    node[name] = _expanded(call, expansions, node, name, path)
    _expand(call, expansions, node[name], rest, path)


def _expanded(call: Call, expansions: Expansions, node: StripeObject, name: str, path: str) -> Json:
    expansion = expansions.get((node.get("object", ""), name))
    if expansion is not None:
        return private_copy(expansion(call, node))
    if name not in node:
        raise _not_expandable(name, path)
    value = node[name]
    if isinstance(value, str):
        found = _find(call, value)
        if found is None:
            raise _not_expandable(name, path)
        return private_copy(found)
    if not isinstance(value, dict | list | None):
        raise _not_expandable(name, path)
    return value


def _find(call: Call, object_id: str) -> StripeObject | None:
    kind = ids.kind_of(object_id)
    if kind is None:
        return None
    # Accounts, and the platform's side of a transfer, belong to the platform.
    return call.find(kind, object_id) or call.on(call.state.platform).find(kind, object_id)


def _not_expandable(name: str, path: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"This property cannot be expanded ({name}). You may want to try expanding {path} "
        "through another property.",
        param="expand",
    )
