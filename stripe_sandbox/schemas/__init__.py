"""JSON Schemas of Stripe's API, derived from the installed `stripe` package's own types.

The sandbox refuses requests by them (`parameters.py`), and the tests check every request, answer
and event by them. There is no second description of Stripe's API in this project that could drift.
"""

from stripe_sandbox.schemas.documents import (
    error_schema,
    event_types,
    object_names,
    object_schema,
    request_schema,
    response_schema,
)
from stripe_sandbox.schemas.operations import Operation, find_operation, operations

__all__ = [
    "Operation",
    "error_schema",
    "event_types",
    "find_operation",
    "object_names",
    "object_schema",
    "operations",
    "request_schema",
    "response_schema",
]
