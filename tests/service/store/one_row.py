"""One row in every table, all with the same ids, and arguments by which any statement finds it.

What a parameter stands for is read from the statement: the column that it is compared with, or the
column of an array or an INSERT in whose place it stands. What a statement asks of a column in its
own text (``state = 'WAITING'``) the row is made to have.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy as Connection

ID = UUID("01930000-0000-7000-8000-000000000001")
FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
LONG_AGO, AT, FAR = (datetime(year, 1, 1, tzinfo=UTC) for year in (2000, 2026, 2090))
VALUES: Mapping[str, Any] = {
    "uuid": ID,
    "text": "x",
    "timestamp with time zone": AT,
    "bigint": 1,
    "ARRAY": [1],
    "integer": 1,
    "smallint": 1,
    "boolean": True,
    "numeric": Decimal(1),
    "bytea": b"x",
    "jsonb": {},
}
# A compared parameter stands above or below the row's value.
ABOVE: Mapping[str, Any] = {"uuid": LAST, "text": "~", "timestamptz": FAR, "int": 100}
BELOW: Mapping[str, Any] = {"uuid": FIRST, "text": "0", "timestamptz": LONG_AGO, "int": 0}
EQUAL: Mapping[str, Any] = {
    "uuid": ID,
    "text": "x",
    "timestamptz": AT,
    "int": 1,
    "bool": True,
    "bytea": b"x",
    "jsonb": {},
    "interval": timedelta(hours=1),
    "xid8": 1,
}
SHORT = {"int2": "int", "int4": "int", "int8": "int", "varchar": "text"}
COMPARED = r"\b(\w+)(?:, \w+\.\w+\))? (=|<=|<|>=|>|LIKE) (?:ANY ?\()?(?:coalesce\()?\(?{0}\b"
ABSENT = re.compile(r"\b(\w+) IS NULL")
ASKED = re.compile(r"\b(\w+) (?:=|IN|LIKE|\?) (\((?:'[^']*'(?:, )?)+\)|'[^']*')")
COLUMNS = """\
SELECT c.table_name, c.column_name, c.data_type, c.is_nullable = 'YES'
FROM information_schema.columns AS c
JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
AND t.table_name <> 'schema_migrations'
ORDER BY c.table_name, c.ordinal_position"""

WRITTEN = """\
SELECT t.typname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_type AS t
JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0
WHERE t.typname LIKE 'write%' GROUP BY 1"""

Row = dict[str, Any]
Tables = dict[str, Row]


def as_asked(statement: str) -> list[dict[str, Any]]:
    """What the text asks of columns: a set of values for each choice that it leaves."""
    asked: dict[str, list[str]] = {}
    for column, literals in ASKED.findall(statement):
        found = re.findall(r"'([^']*)'", literals)
        asked.setdefault(column, []).extend(text.replace("%", "x") for text in found)
    absent = dict.fromkeys(ABSENT.findall(statement))
    choices = max(map(len, asked.values()), default=1)
    variants = []
    for number in range(choices):
        variant: dict[str, Any] = absent | {c: v[number % len(v)] for c, v in asked.items()}
        if "error" in variant:  # a key of a document
            variant["error"] = {variant["error"]: True}
        variants.append(variant)
    return variants


def named_parameters(statement: str) -> dict[int, str]:
    """The parameters whose column the text tells, by number."""
    named: dict[int, str] = {}
    if shared := re.search(r"unnest\(([^)]*)\) WITH ORDINALITY AS q \(([^)]*)\)", statement):
        numbers = map(int, re.findall(r"\$(\d+)", shared[1]))
        named |= dict(zip(numbers, shared[2].split(", "), strict=False))
    if inserted := re.search(
        r"INSERT INTO \w+ (?:AS \w+ )?\(([^)]*)\)\s*(?:VALUES \(|SELECT (?!\*))([^\n]*)", statement
    ):
        columns = [c.strip() for c in inserted[1].split(",")]
        for column, value in zip(columns, inserted[2].split(", "), strict=False):
            if number := re.match(r"\$(\d+)", value):
                named.setdefault(int(number[1]), column)
    if unnested := re.search(
        r"INSERT INTO \w+ \(([^)]*)\)\s*SELECT \* FROM unnest\(([^)]*)\)", statement
    ):
        columns = [c.strip() for c in unnested[1].split(",")]
        for number, column in zip(re.findall(r"\$(\d+)", unnested[2]), columns, strict=False):
            named.setdefault(int(number), column)
    for place in set(map(int, re.findall(r"\$(\d+)", statement))):
        if found := re.search(COMPARED.format(rf"\${place}"), statement):
            named.setdefault(place, found[1])
    return named


def takes_tenant(statement: str) -> bool:
    """Whether it is of one tenant, or of several that each ask for themselves."""
    return "tenant_id" in named_parameters(statement).values() or "::write_" in statement


class Asker:
    """Asks statements as a tenant, with arguments that find the rows of ``tables``."""

    def __init__(
        self, tables: Tables, required: Mapping[str, list[str]], written: Mapping[str, list[str]]
    ) -> None:
        self.tables = tables
        self.required = required  # the columns of each table that are never null
        self.written = written  # the columns of each type of a written row
        self.row: Row = {c: v for row in tables.values() for c, v in row.items()}

    def arguments(
        self, statement: str, kinds: tuple[asyncpg.Type, ...], tenant: str, asked: Mapping[str, Any]
    ) -> list[Any]:
        """``asked`` are the values that the text itself asks for."""
        row = {**self.row, **asked}
        named = named_parameters(statement)
        return [
            self._argument(statement, number, kind.name, named.get(number, ""), row, tenant)
            for number, kind in enumerate(kinds, start=1)
        ]

    def _argument(
        self, statement: str, number: int, kind: str, column: str, row: Row, tenant: str
    ) -> Any:  # noqa: ANN401  a value of any type
        base = kind.removesuffix("[]").removeprefix("_")
        if base in self.written:
            values = row | {"tenant_id": tenant, "state_before": row["state"], "change_minor": 1}
            return [tuple(values[column] for column in self.written[base])]
        value = (
            tenant if column == "tenant_id" else self._value(statement, number, base, column, row)
        )
        return [value] if kind != base else value

    def _value(self, statement: str, number: int, base: str, column: str, row: Row) -> Any:  # noqa: ANN401
        base = SHORT.get(base, base)
        compared = re.search(COMPARED.format(rf"\${number}"), statement)
        if compared and compared[2] in ("<", "<=", ">", ">="):
            return (ABOVE if compared[2][0] == "<" else BELOW).get(base, EQUAL[base])
        if not compared and base == "timestamptz" and not column:
            return ABOVE[base]
        if re.search(rf"(LIMIT|OFFSET) \${number}\b", statement):
            return ABOVE[base]
        if base in ("text", "int") and isinstance(row.get(column), str | int):
            return row[column]
        return EQUAL[base]


async def asker_of(connection: Connection) -> Asker:
    """One who knows the tables of this database."""
    tables: Tables = {}
    required: dict[str, list[str]] = {}
    for table, column, kind, nullable in await connection.fetch(COLUMNS):
        tables.setdefault(table, {})[column] = VALUES[kind]
        required.setdefault(table, []).extend([] if nullable else [column])
    tables["effects"]["kind"] = "create_transfer"  # one that the workers know
    tables["sweeps"]["due_at"] = FAR  # so that it can become due earlier
    tables["policies"]["policy_version"] = 2  # 1 is everybody's
    tables["closings"]["rolled_up_through"] = FIRST  # so that there is something to roll up
    return Asker(tables, required, {row[0]: row[1] for row in await connection.fetch(WRITTEN)})
