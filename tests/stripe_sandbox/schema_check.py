"""Checks everything that crosses the sandbox's wire against the types of the `stripe` package.

Each check returns sentences about what is wrong; no sentence means that all is well.

    problems_in_exchange("POST", "/v1/transfers", params, 200, body)   a request and its answer
    problems_in_event(event)                                           a snapshot event
    problems_in_traffic(session, sandbox_url)                          all of a running sandbox's
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import aiohttp
import jsonschema_rs

from stripe_sandbox.older_parameters import to_current
from stripe_sandbox.schemas import (
    Operation,
    error_schema,
    find_operation,
    object_names,
    object_schema,
    request_schema,
    response_schema,
)

# The keys below these belong to the caller, and previous attributes are fragments of objects.
OPAQUE = frozenset({"metadata", "previous_attributes"})


def problems_in_exchange(
    method: str, path: str, params: dict[str, Any], status: int, body: object
) -> list[str]:
    """What is wrong with a request and its answer.

    A request that does not fit its schema is right only when it was refused: an accepted one means
    that the sandbox takes what Stripe would refuse.

    Args:
        method: the HTTP method.
        path: the path without query.
        params: the decoded form, query or JSON body.
        status: the HTTP status of the answer.
        body: the decoded JSON body of the answer.
    """
    operation = find_operation(method, path)
    if operation is None:
        return [f"{method} {path}: the stripe package knows no such operation"]
    where = f"{method} {path} -> {status}"
    if status >= 400:
        return [*_violations(_error_validator(), body, where), *_in_objects(body, where)]
    return [
        *_violations(_request_validator(operation), params, f"{method} {path} was accepted with"),
        *_violations(_response_validator(operation), body, where),
        *_in_objects(body, where),
    ]


def problems_in_event(event: dict[str, Any]) -> list[str]:
    """What is wrong with a snapshot event: its envelope, its type, and the object in it."""
    problems = problems_in_object(event, "event")
    if not problems:
        where = f"event {event['type']}"
        if event["data"]["object"].get("object") not in object_names():
            problems.append(f"{where}: data.object is no object of Stripe's")
        problems += _in_objects(event["data"], where)
    return problems


def problems_in_object(value: object, name: str) -> list[str]:
    """What is wrong with one object, checked as the resource called `name`, and inside it."""
    return [
        *_violations(_object_validator(name), value, name),
        *_in_objects(_children(value), name),
    ]


async def problems_in_traffic(session: aiohttp.ClientSession, sandbox_url: str) -> list[str]:
    """What is wrong with the latest requests and all events of a sandbox, whoever sent them.

    Args:
        session: what to ask the sandbox with.
        sandbox_url: where the sandbox listens, without a trailing slash.
    """
    problems: list[str] = []
    async with session.get(f"{sandbox_url}/_sandbox/requests") as answer:
        for request in (await answer.json())["data"]:
            problems += problems_in_exchange(
                request["method"],
                request["path"],
                _as_current(request),
                request["status"],
                request["body"],
            )
    async with session.get(f"{sandbox_url}/_sandbox/events") as answer:
        for event in (await answer.json())["data"]:
            problems += problems_in_event(event)
    return problems


def _as_current(request: dict[str, Any]) -> dict[str, Any]:
    """A request's parameters as the current version writes them, without what it lost."""
    params: dict[str, Any] = request["params"]
    version: str | None = request["api_version"]
    if version is None:
        return params  # refused before anything was read
    return to_current(request["method"], request["path"], version, params)[0]


def _in_objects(document: object, where: str) -> Iterator[str]:
    """The problems of every resource anywhere in a document, each under its own schema."""
    if isinstance(document, list):
        for item in document:
            yield from _in_objects(item, where)
    elif isinstance(document, dict):
        name = document.get("object")
        if isinstance(name, str) and name in object_names():
            yield from _violations(_object_validator(name), document, f"{where}: {name}")
            if name.startswith("v2."):
                return  # v2 expands nothing: what is inside belongs to the object's own schema
        yield from _in_objects(_children(document), where)


def _children(value: object) -> list[object]:
    if not isinstance(value, dict):
        return []
    return [child for key, child in value.items() if key not in OPAQUE]


def _violations(validator: jsonschema_rs.Validator, value: object, where: str) -> list[str]:
    return [
        f"{where}: {'.'.join(map(str, error.instance_path)) or 'itself'}: {error.message}"
        for error in validator.iter_errors(value)
    ]


@cache
def _request_validator(operation: Operation) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(request_schema(operation))


@cache
def _response_validator(operation: Operation) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(response_schema(operation))


@cache
def _object_validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(object_schema(name))


@cache
def _error_validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(error_schema())
