"""Refuses the parameters that Stripe would refuse, with Stripe's codes and messages.

It reads the same schemas the tests check by. A schema validator would say whether the parameters
fit, but not in the words and the order in which Stripe complains, so this small reader of the few
keywords that `annotations.py` writes does.
"""

from typing import Any

from stripe_sandbox.errors import (
    InvalidRequestError,
    parameter_invalid,
    parameter_missing,
    parameter_unknown,
)
from stripe_sandbox.schemas.annotations import Schema
from stripe_sandbox.schemas.documents import request_schema
from stripe_sandbox.schemas.operations import find_operation


def check_parameters(method: str, path: str, params: dict[str, Any]) -> None:
    """Raise `InvalidRequestError` for the first parameter the operation does not take.

    An operation that the `stripe` package does not know (the private ones of Stripe's own tools)
    is not checked.

    Args:
        method: the HTTP method.
        path: the path or its template, beginning with `/v1/` or `/v2/`.
        params: the decoded form, query or JSON body. Leaves of a form are strings.
    """
    operation = find_operation(method, path)
    if operation is not None:
        _check(request_schema(operation), params, "")


def _check(schema: Schema, value: object, name: str) -> None:
    if "anyOf" in schema:
        _check_any(schema["anyOf"], value, name)
    elif "enum" in schema:
        _check_enum(schema, value, name)
    elif schema.get("type") == "object":
        _check_object(schema, value, name)
    elif schema.get("type") == "array":
        _check_array(schema, value, name)
    elif "type" in schema:
        _check_leaf(schema, value, name)


def _check_any(alternatives: list[Schema], value: object, name: str) -> None:
    refusals: list[InvalidRequestError] = []
    # The alternatives of the value's own shape come last, because theirs is the refusal to show.
    for schema in sorted(alternatives, key=lambda schema: _shape(schema) is type(value)):
        try:
            return _check(schema, value, name)
        except InvalidRequestError as refusal:
            refusals.append(refusal)
    raise refusals[-1]


def _shape(schema: Schema) -> type:
    return {"object": dict, "array": list}.get(schema.get("type", ""), str)


def _check_object(schema: Schema, value: object, name: str) -> None:
    if not isinstance(value, dict):
        raise parameter_invalid(name, "Invalid object")
    properties = schema.get("properties", {})
    for key, child in value.items():
        inner = properties.get(key, schema["additionalProperties"])
        if inner is False:
            raise parameter_unknown(_nested(name, key))
        _check(inner, child, _nested(name, key))
    for key in schema.get("required", ()):
        if key not in value:
            raise parameter_missing(_nested(name, key))


def _check_array(schema: Schema, value: object, name: str) -> None:
    if not isinstance(value, list):
        raise parameter_invalid(name, "Invalid array")
    for index, item in enumerate(value):
        _check(schema["items"], item, f"{name}[{index}]")


def _check_enum(schema: Schema, value: object, name: str) -> None:
    allowed = schema["enum"]
    if value in allowed:
        return
    _check_not_empty(value, name)
    if "title" in schema:
        raise parameter_invalid(name, f"Invalid {schema['title']}: {value}")
    names = [str(choice) for choice in allowed if choice != ""]
    choices = ", ".join(names[:-1]) + f", or {names[-1]}" if len(names) > 2 else " or ".join(names)
    raise parameter_invalid(name, f"Invalid {name}: must be one of {choices}")


def _check_leaf(schema: Schema, value: object, name: str) -> None:
    kind = schema.get("title", schema["type"])
    if schema.get("minLength") or "title" in schema:
        _check_not_empty(value, name)
    if _is_leaf(schema, value):
        return
    code = "parameter_invalid_integer" if kind == "integer" else None
    raise parameter_invalid(name, f"Invalid {kind}: {value}", code)


def _is_leaf(schema: Schema, value: object) -> bool:
    match schema["type"]:
        case "string":
            return isinstance(value, str) and _fits_title(schema.get("title"), value)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return value is None


def _fits_title(title: str | None, value: str) -> bool:
    digits = value.removeprefix("-")
    if title == "integer":
        return digits.isascii() and digits.isdigit()
    if title == "decimal":
        return digits.isascii() and digits.replace(".", "", 1).isdigit()
    return True


def _check_not_empty(value: object, name: str) -> None:
    if value == "":
        message = (
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to"
            f" unset a parameter; however '{name}' cannot be unset. You should remove '{name}'"
            " from your request or supply a non-empty value."
        )
        raise parameter_invalid(name, message, "parameter_invalid_empty")


def _nested(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key
