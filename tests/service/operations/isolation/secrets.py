"""What a tenant has that nobody else may learn: the words of its rows, and how they are found again
in whatever is answered to somebody else.

A word is a run of letters and digits, long enough to be of one thing only: an id, an object of
Stripe, a part of a reference or of an address. An amount is one when it is large and not round.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.message import Message

from service.migrations import Connection
from tests.service.operations.fuzz.values import leaves

OF_WORDS = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)[A-Za-z0-9]{9,}")
OF_AMOUNTS = re.compile(r"(?<![A-Za-z0-9.,])(?:\d{6,8}|\d[\d,]*\.\d\d)(?![A-Za-z0-9])")

TABLES = """
SELECT c.relname FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname"""
HASH = """
SELECT '{0}' AS name, count(*), coalesce(sum(hash_record_extended(t, 0)), 0)
FROM {0} AS t WHERE t.tenant_id = $1"""


def words(text: str) -> set[str]:
    amounts = {re.sub("[,.]", "", amount) for amount in OF_AMOUNTS.findall(text)}
    return {*OF_WORDS.findall(text), *(each for each in amounts if not each.endswith("00"))}


def _of_value(name: str, value: Any) -> set[str]:  # noqa: ANN401  of any column
    match value:
        case UUID():
            return {value.hex}
        case bytes():
            return words(value.decode("utf-8", "replace"))
        case str():
            return words(value)
        case int() if name.endswith("_minor"):
            return words(str(abs(value)))
        case list():
            return set[str]().union(*(_of_value(name, each) for each in value))
    return set()


async def tables(owner: Connection) -> list[str]:
    """Those whose rows are somebody's, which is all but the list of migrations."""
    return [row["relname"] for row in await owner.fetch(TABLES)]


async def words_of(owner: Connection, tenant: str) -> set[str]:
    """Every word in any row of a tenant."""
    found: set[str] = set()
    for table in await tables(owner):
        for row in await owner.fetch(f"SELECT * FROM {table} WHERE tenant_id = $1", tenant):
            found |= set[str]().union(*(_of_value(*column) for column in row.items()))
    return found


async def rows_of(owner: Connection, tenant: str) -> dict[str, tuple[int, str]]:
    """How many rows a tenant has in each table, and a hash of them."""
    statement = " UNION ALL ".join(HASH.format(table) for table in await tables(owner))
    return {name: (count, md5) for name, count, md5 in await owner.fetch(statement, tenant)}


def told_by(answer: Message | grpc.aio.AioRpcError) -> set[str]:
    """Every word that an answer or a refusal tells, inside page tokens and details too."""
    if isinstance(answer, Message):
        return set[str]().union(*(_in_leaf(value) for _, value in leaves(answer)))
    sent = [*(answer.trailing_metadata() or ()), *(answer.initial_metadata() or ())]
    texts = [answer.details() or "", *(_text(value) for _, value in sent)]
    return set[str]().union(*map(words, texts))


def _in_leaf(value: Any) -> set[str]:  # noqa: ANN401  of any field
    if isinstance(value, bytes | str):
        text = _text(value)
        return words(text).union(*map(words, _decoded(text)))
    return words(str(value)) if isinstance(value, int) else set()  # a time is nobody's


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _decoded(token: str) -> Iterator[str]:
    """What a page token holds."""
    try:
        yield base64.b64decode(token, altchars=b"-_", validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return
