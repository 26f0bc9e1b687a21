"""Stripe's form encoding: `a[b]=1&c[]=2&c[]=3&d[0][e]=4` to nested dictionaries and lists."""

from typing import Any
from urllib.parse import parse_qsl

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.store import Json

# Keys in these objects belong to the caller: `metadata[0]` is a key called "0", not an index.
FREE_KEYS = frozenset({"metadata"})


def decode_form(text: str) -> dict[str, Any]:
    """Decode a query string or a form body. Every leaf is a string; `Params` gives it a type."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _insert(tree, _split(name), value)
    return {name: _with_lists(name, child) for name, child in tree.items()}


def _split(name: str) -> list[str]:
    """`a[b][]` to ["a", "b", ""]."""
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [head]
    if not rest.endswith("]"):
        raise InvalidRequestError(f"Invalid parameter name: {name}", param=name)
    return [head, *rest[:-1].split("][")]


def _insert(node: dict[str, Any], path: list[str], value: str) -> None:
    head, *rest = path
    if head == "":
        head = _next_index(node, rest)
    if not rest:
        node[head] = value
        return
    child = node.setdefault(head, {})
    if not isinstance(child, dict):
        # `a=1&a[b]=2`: one name cannot be a text and a hash at once.
        raise InvalidRequestError(f"Invalid parameter: {head}", param=head)
    _insert(child, rest, value)


def _next_index(node: dict[str, Any], rest: list[str]) -> str:
    """`a[][b]=1&a[][c]=2` fills one element; a name that comes again starts the next one."""
    last = node.get(str(len(node) - 1))
    fits_last = bool(rest) and isinstance(last, dict) and rest[0] not in last
    return str(len(node) - 1 if fits_last else len(node))


def _with_lists(name: str, node: Json) -> Json:
    """Turn dictionaries whose keys are all indexes into lists, in the order of the indexes."""
    if not isinstance(node, dict):
        return node
    if name in FREE_KEYS:
        return node
    if node and all(key.isdigit() for key in node):
        return [_with_lists(name, node[key]) for key in sorted(node, key=int)]
    return {key: _with_lists(key, child) for key, child in node.items()}
