"""The policies of the tenants: written once, read once in a process.

A version never changes, so that what is known of it is right for ever. Which is the newest is read
with what an operation loads: a process that learns of it later only pins new escrows to the version
before, which exists as well.
"""

from __future__ import annotations

import asyncpg

from service.domain.policy import Policy, PolicyVersion
from service.domain.policy_default import DEFAULT_POLICY, DEFAULT_VERSION
from service.domain.records.policy import StoredPolicy
from service.domain.unit import UnitOfWork
from service.policy_documents import read_policy
from service.store.operations import ANSWERED, KEY, answer_replay, key_arguments
from service.store.pool import ServicePool
from service.store.rows import from_row, select_list
from service.store.shared_loads import IN_ORDER, asked
from service.store.unreadable import Unreadable, read_all

NO_VERSION_YET = 2**31 - 1
# Part of the loads whose operations go by it.
NEWEST_POLICY = f"""\
coalesce(
        (SELECT max(l.policy_version) FROM policies AS l WHERE l.tenant_id = q.tenant_id),
        {DEFAULT_VERSION}
    ) AS policy_version"""
LOAD_NEWEST = f"SELECT {ANSWERED}, {NEWEST_POLICY} FROM {asked(KEY)} {IN_ORDER}"
FIND_NEWEST = f"SELECT {NEWEST_POLICY} FROM {asked({'tenant_id': 'text'})} {IN_ORDER}"
FIND_POLICY = (
    f"SELECT {select_list(StoredPolicy, 'l')} FROM policies AS l"
    " WHERE l.tenant_id = $1 AND l.policy_version = $2"
)
_LISTED = f"""\
FROM policies AS l
WHERE l.tenant_id = $1 AND l.policy_version < coalesce($2::integer, {NO_VERSION_YET})
ORDER BY l.policy_version DESC
LIMIT $3"""
LIST_POLICIES = f"SELECT {select_list(StoredPolicy, 'l')} {_LISTED}"
LIST_POLICY_VERSIONS = f"SELECT l.policy_version {_LISTED}"


class Policies:
    """The policies of all tenants, as far as they were asked for."""

    def __init__(self, pool: ServicePool) -> None:
        self._pool = pool
        self._known: dict[tuple[str, int], Policy] = {}

    async def get(self, tenant_id: str, number: int) -> Policy:
        """A version that is known to exist.

        Raises:
            LookupError, NotAPolicy: it does not, or its row is damaged.
            DatabaseUnavailable.
        """
        if number == DEFAULT_VERSION:
            return DEFAULT_POLICY
        key = tenant_id, number
        if key not in self._known:
            stored = await find_policy(self._pool, tenant_id, number)
            if stored is None:
                raise LookupError(f"tenant {tenant_id} has no policy version {number}")
            self._known[key] = read_policy(stored.document)
        return self._known[key]

    async def newest(self, tenant_id: str) -> PolicyVersion:
        """What a new escrow gets; see ``get`` for what it raises."""
        row = await self._pool.loads.row(FIND_NEWEST, tenant_id)
        number = row["policy_version"]
        return PolicyVersion(number, await self.get(tenant_id, number))


async def load_newest_version(pool: ServicePool, unit: UnitOfWork) -> int:
    """The newest version of the tenant's policy, and whether the operation was done before.

    Raises:
        Answered, RequestIdReused: see ``answer_replay``.
    """
    row = await pool.loads.row(LOAD_NEWEST, *key_arguments(unit))
    answer_replay(unit, row["answered"])
    number: int = row["policy_version"]
    return number


async def find_policy(pool: asyncpg.Pool, tenant_id: str, number: int) -> StoredPolicy | None:
    row = await pool.fetchrow(FIND_POLICY, tenant_id, number)
    return from_row(StoredPolicy, row) if row else None


async def find_policies(
    pool: asyncpg.Pool, tenant_id: str, *, before: int | None, limit: int
) -> list[StoredPolicy | Unreadable[int]]:
    """The newest versions before one, the default not among them."""
    arguments = tenant_id, before, limit

    async def together() -> list[StoredPolicy]:
        rows = await pool.fetch(LIST_POLICIES, *arguments)
        return [from_row(StoredPolicy, row) for row in rows]

    async def keys() -> list[int]:
        return [row[0] for row in await pool.fetch(LIST_POLICY_VERSIONS, *arguments)]

    return await read_all(together, keys, lambda number: find_policy(pool, tenant_id, number))
