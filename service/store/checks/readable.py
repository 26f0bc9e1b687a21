"""Rows that the database can hold and the service cannot show: lists leave them out and name them.

What a record's column may hold is derived from the type of its field, as rows.py reads it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from service.domain.money import CURRENCIES
from service.store.checks.check import Check
from service.store.tables import TABLES, columns

# The sums of what no request may ask for (rpc/validate.py), and more than any message may show.
_MOST_MINOR = 10**15


def _time(column: str) -> str:
    """Without a value it is left to the schema whether there must be one."""
    return f"{column} NOT BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 23:59:59.999999+00'"


def _json(column: str, kind: str, wrong: str = "") -> str:
    """Whether it is no object (or array), or holds what is ``wrong``, or the path cannot even be
    followed.
    """
    differs = f"jsonb_typeof({column}) <> '{kind}'"
    strict = f"jsonb_path_exists({column}, 'strict {wrong}', '{{}}', true)"
    return f"({differs} OR coalesce({strict}, true))" if wrong else differs


_OBJECT_OF_TEXTS = '$.* ? (@.type() <> "string")'
_OBJECT_OF_NUMBERS = '$.* ? (@.type() <> "number")'
_ARRAY_OF_TEXTS = '$[*] ? (@.type() <> "string")'
_ARRAY_OF_TRIPLES = '$[*] ? (@.type() <> "array" || @.size() <> 3 || @[*].type() <> "string")'


# As service/domain/amendment.py reads them. Lax, so that what is missing is seen as such.
_CHANGES_READABLE = """$[*] ? (
    @.milestone_id like_regex "^[0-9a-f-]{36}$" && @.title.type() == "string"
    && (@.before == null || (@.before.fees.size() == 3 && @.before.parts.type() == "array"))
    && @.after.fees.size() == 3 && @.after.parts.type() == "array"
)"""


def _changes(column: str) -> str:
    """Whether it is no array, or one of its items is not a change with both of its versions."""
    readable = f"jsonb_array_length(jsonb_path_query_array({column}, '{_CHANGES_READABLE}'))"
    return (
        f"CASE WHEN jsonb_typeof({column}) = 'array'"
        f" THEN {readable} <> jsonb_array_length({column}) ELSE true END"
    )


def _names(values: Iterable[str]) -> str:
    return ", ".join(f"'{each}'" for each in values)


def _cannot_hold(column: str, hint: Any) -> str:  # noqa: ANN401, PLR0911  a type; one for each
    """The condition under which a field of this type cannot hold the column; "" for never."""
    kinds = (hint, *typing.get_args(hint))
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return f"{column} NOT IN ({_names(kind)})"
    if column == "due_at" and type(None) in kinds:
        return f"{_time(column)} AND {column} <> 'infinity'"  # the last moment there is: rows.py
    if datetime in kinds:
        return _time(column)
    if column in ("currency", "quoted_currency"):
        return f"{column} NOT IN ({_names(CURRENCIES)})"
    if Decimal in kinds:
        return f"{column} NOT BETWEEN 0 AND 1e9"  # a rate; NaN is above every number
    if column == "document":  # the rest of it is for service/policy_documents.py to say
        return f"coalesce(jsonb_typeof({column} -> 'currencies') <> 'object', true)"
    if typing.get_origin(hint) is list:
        of_texts = typing.get_args(hint)[0] is str
        return _json(column, "array", _ARRAY_OF_TEXTS) if of_texts else _changes(column)
    if typing.get_origin(hint) is dict:
        of = {str: _OBJECT_OF_TEXTS, int: _OBJECT_OF_NUMBERS}
        return _json(column, "object", of.get(typing.get_args(hint)[1], ""))
    return f"{column} NOT BETWEEN {-_MOST_MINOR} AND {_MOST_MINOR}" if "_minor" in column else ""


def _conditions() -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """(table, its key, column, when it cannot be shown)."""
    for table in TABLES:
        hints = typing.get_type_hints(table.record)
        key = table.key or tuple(
            each
            for each in columns(table.record)[:4]
            if each.endswith(("_id", "_version", "position"))
        )
        for column in columns(table.record):
            yield table.name, key, column, _cannot_hold(column, hints[column])
    operation = ("tenant_id", "escrow_id", "escrow_version", "operation_id")
    yield "operations", operation, "occurred_at", _time("occurred_at")
    yield "operations", operation, "transitions", _json("transitions", "array", _ARRAY_OF_TRIPLES)
    for column in ("event_at", "created_at"):
        yield "journals", ("tenant_id", "journal_id"), column, _time(column)
    for column in ("occurred_at", "received_at", "due_at"):
        yield "stripe_events", ("tenant_id", "event_id"), column, _time(column)


def _breaches() -> Iterator[str]:
    """One reading of each table, for a table may be large: the columns of a row are told apart only
    where one of them is wrong.
    """
    by_table: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
    for table, key, column, condition in _conditions():
        if condition:
            by_table.setdefault((table, key), {})[column] = condition
    for (table, key), conditions in by_table.items():
        told = ",\n    ".join(
            f"('{column}', left({column}::text, 100), {condition})"
            for column, condition in conditions.items()
        )
        yield f"""\
SELECT tenant_id, '{table}' AS in_table, concat_ws(' ', {", ".join(key[1:])}) AS row_of,
    c.in_column, c.holds
FROM {table}
CROSS JOIN LATERAL (VALUES
    {told}
) AS c (in_column, holds, wrong)
WHERE ({" OR ".join(f"({each})" for each in conditions.values())}) AND c.wrong"""


READABLE = Check(
    "readable",
    "every row holds what can be shown",
    "SELECT (SELECT count(*) FROM escrows) + (SELECT count(*) FROM operations)",
    "\nUNION ALL\n".join(_breaches()),
)
