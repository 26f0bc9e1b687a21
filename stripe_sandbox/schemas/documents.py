"""The schema of each thing that crosses the wire: a request, an answer, a resource, an error."""

import importlib
import typing
from functools import cache

from stripe._error_object import ErrorObject
from stripe._event import Event
from stripe._object_classes import OBJECT_CLASSES, V2_OBJECT_CLASSES

from stripe_sandbox.schemas.annotations import (
    Encoding,
    Schema,
    SchemaWriter,
)
from stripe_sandbox.schemas.names import namespace_of
from stripe_sandbox.schemas.operations import Operation

_CLASSES: dict[str, tuple[str, str]] = {**OBJECT_CLASSES, **V2_OBJECT_CLASSES}
_JSON = SchemaWriter(Encoding.JSON)
_FORM = SchemaWriter(Encoding.FORM)


@cache
def request_schema(operation: Operation) -> Schema:
    """The schema of an operation's parameters, decoded from its form, query or JSON body."""
    if operation.params is None:
        return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    writer = _JSON if operation.takes_json else _FORM
    schema = writer.schema(operation.params, namespace_of(operation.module))
    # `Optional[Params]` says that the argument can be left out of the Python call. On the wire
    # that is an empty object, so that only the parameters themselves remain.
    schema = next((s for s in schema.get("anyOf", []) if s.get("type") == "object"), schema)
    if operation.path.startswith("/v2/") and operation.returns.startswith("ListObject"):
        # The cursor of v2 is not in the types: clients take it from `next_page_url` in the answer.
        schema["properties"] |= {"page": {"type": "string", "minLength": 1}}
    return schema


@cache
def response_schema(operation: Operation) -> Schema:
    """The outer schema of an operation's answer: a named resource, or a list of such."""
    return _JSON.schema(operation.returns, namespace_of(operation.module))


@cache
def object_schema(name: str) -> Schema:
    """The schema of the resource whose `object` is this name. KeyError: there is no such one."""
    module_name, class_name = _CLASSES[name]
    return _JSON.resource(getattr(importlib.import_module(module_name), class_name))


def object_names() -> frozenset[str]:
    """The `object` names that have a schema of their own (a list's depends on its items)."""
    return frozenset(_CLASSES) - {"list", "search_result", "v2.search_result"}


@cache
def error_schema() -> Schema:
    """The schema of the body of every answer above 399."""
    error = _JSON.schema(ErrorObject, namespace_of(ErrorObject.__module__))
    return {
        "type": "object",
        "properties": {"error": {**error, "required": ["type", "message"]}},
        "required": ["error"],
        "additionalProperties": False,
    }


@cache
def event_types() -> frozenset[str]:
    """The types a snapshot event can have."""
    return frozenset(typing.get_args(Event.__annotations__["type"]))
