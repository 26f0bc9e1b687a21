"""All state: plain dictionaries in Stripe's shape, changed in transactions, optionally on disk.

An object lives under (account, kind, id), where kind is its `object` field. Fields that start with
an underscore are the sandbox's own and never leave it, as do whole kinds (`_task`, `_delivery`).

A transaction hands out working copies: change them freely, `commit` finds what differs, writes it
to the file and to memory at once, and dropping the transaction forgets everything.
"""

import json
import marshal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# What JSON can carry: None, bool, int, float, str, lists and dictionaries of them.
Json = Any
StripeObject = dict[str, Any]
Key = tuple[str, str, str]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    position INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (account, kind, id)
)
"""
LOAD = "SELECT account, kind, id, body FROM objects ORDER BY position"
UPSERT = """
INSERT INTO objects (account, kind, id, body) VALUES (?, ?, ?, ?)
ON CONFLICT (account, kind, id) DO UPDATE SET body = excluded.body
"""
DELETE = "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ?"


def private_copy(value: Json) -> Json:
    """A deep copy of plain data; marshal does it several times faster than copy.deepcopy."""
    return marshal.loads(marshal.dumps(value))  # noqa: S302 - it reads only what it just wrote


def public(value: Json) -> Json:
    """A copy without the sandbox's own fields, which start with an underscore."""
    if isinstance(value, dict):
        return {name: public(child) for name, child in value.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [public(child) for child in value]
    return value


class StoreUnusableError(Exception):
    """The data file is in use, is no sandbox's file, or cannot be written."""


class Store:
    """The committed objects, in order of creation, with their file when there is one."""

    def __init__(self, path: Path | None = None) -> None:
        self._shelves: dict[tuple[str, str], dict[str, StripeObject]] = {}
        self._file = _open(path) if path else None
        if self._file:
            for account, kind, object_id, body in self._file.execute(LOAD):
                self._shelf(account, kind)[object_id] = json.loads(body)

    def _shelf(self, account: str, kind: str) -> dict[str, StripeObject]:
        return self._shelves.setdefault((account, kind), {})

    def read(self, account: str, kind: str, object_id: str) -> StripeObject | None:
        """The committed object itself; it must not be changed."""
        return self._shelves.get((account, kind), {}).get(object_id)

    def newest_first(self, account: str, kind: str) -> Iterator[StripeObject]:
        """The committed objects of a kind, newest first; they must not be changed."""
        return reversed(self._shelves.get((account, kind), {}).values())

    def accounts_with(self, kind: str) -> list[str]:
        """The accounts that have at least one object of a kind."""
        return [
            account for (account, held), shelf in self._shelves.items() if held == kind and shelf
        ]

    def begin(self) -> "Transaction":
        """Start collecting changes."""
        return Transaction(self)

    def write(self, changed: dict[Key, StripeObject | None]) -> None:
        """Apply changes (None deletes) to the file in one transaction, then to memory."""
        if self._file and changed:
            with self._file:
                for (account, kind, object_id), body in changed.items():
                    if body is None:
                        self._file.execute(DELETE, (account, kind, object_id))
                    else:
                        self._file.execute(UPSERT, (account, kind, object_id, json.dumps(body)))
        for (account, kind, object_id), body in changed.items():
            if body is None:
                self._shelf(account, kind).pop(object_id, None)
            else:
                self._shelf(account, kind)[object_id] = body

    def clear(self) -> None:
        """Forget everything, on disk too."""
        if self._file:
            with self._file:
                self._file.execute("DELETE FROM objects")
        self._shelves.clear()

    def close(self) -> None:
        """Close the file; what was committed is on disk already."""
        if self._file:
            self._file.close()


class Transaction:
    """Working copies of the objects one request touches: an identity map over the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._working: dict[Key, StripeObject | None] = {}
        self._after_commit: list[Callable[[], None]] = []

    def get(self, account: str, kind: str, object_id: str) -> StripeObject | None:
        """The working copy of an object, the same one every time; None if there is none."""
        key = (account, kind, object_id)
        if key not in self._working:
            committed = self._store.read(*key)
            if committed is None:
                return None
            self._working[key] = private_copy(committed)
        return self._working[key]

    def add(self, account: str, obj: StripeObject) -> StripeObject:
        """Take in a new object (or replace the one with its id)."""
        self._working[account, obj["object"], obj["id"]] = obj
        return obj

    def delete(self, account: str, kind: str, object_id: str) -> None:
        """Remove an object."""
        self._working[account, kind, object_id] = None

    def newest_first(self, account: str, kind: str) -> Iterator[StripeObject]:
        """Objects of a kind as this transaction sees them; `get` a copy to change one."""
        for (owner, held, object_id), obj in reversed(list(self._working.items())):
            new = self._store.read(owner, held, object_id) is None
            if (owner, held) == (account, kind) and obj is not None and new:
                yield obj
        for committed in self._store.newest_first(account, kind):
            working = self._working.get((account, kind, committed["id"]), committed)
            if working is not None:
                yield working

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run an action once the changes are durable; a transaction that is dropped runs none."""
        self._after_commit.append(action)

    def commit(self) -> None:
        """Write what differs from the store, then run the actions that waited for it."""
        self._store.write(
            {key: obj for key, obj in self._working.items() if obj != self._store.read(*key)}
        )
        self._working = {}
        actions, self._after_commit = self._after_commit, []
        for action in actions:
            action()


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=0.2)
    except (OSError, sqlite3.DatabaseError) as error:
        raise StoreUnusableError(f"{path} cannot be opened: {error}") from error
    try:
        # One sandbox per file: two clocks and two schedulers on one state would corrupt it.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection:
            connection.execute(SCHEMA)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreUnusableError(f"{path} cannot be opened: {error}") from error
    return connection
