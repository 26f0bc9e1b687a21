"""The effects that operators list, and those about one escrow or payee. Open ones are few, and
found by a partial index that holds nothing else; only then they are put in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import asyncpg

from service.domain.records.effect import NEEDS_PERSON, Effect
from service.store.effects import find_effect
from service.store.rows import NO_ID_YET, from_row, select_list
from service.store.unreadable import Unreadable, read_all

_EFFECTS = f"""\
WITH open AS MATERIALIZED (
    SELECT * FROM effects
    WHERE tenant_id = $1 AND state IN ('PLANNED', 'SENDING', 'UNKNOWN'){{which}}
)
SELECT {{columns}} FROM open AS f
WHERE f.effect_id < coalesce($2::uuid, {NO_ID_YET})
ORDER BY f.effect_id DESC
LIMIT $3"""
# The open ones of an escrow, of a payee, or with one of these ids.
_EFFECTS_ABOUT = """\
WITH open AS MATERIALIZED (
    SELECT * FROM effects WHERE tenant_id = $1 AND state IN ('PLANNED', 'SENDING', 'UNKNOWN')
)
SELECT {columns} FROM open AS f
WHERE f.escrow_id = $2 OR f.payee_id = $3 OR f.effect_id = ANY($4::uuid[])
ORDER BY f.effect_id DESC
LIMIT $5"""
EFFECTS_ABOUT = _EFFECTS_ABOUT.format(columns=select_list(Effect, "f"))
EFFECT_IDS_ABOUT = _EFFECTS_ABOUT.format(columns="f.effect_id")
_REJECTED = f"""\
SELECT {{columns}} FROM effects AS f
WHERE f.tenant_id = $1 AND f.state = 'REJECTED' AND f.effect_id < coalesce($2::uuid, {NO_ID_YET})
ORDER BY f.effect_id DESC
LIMIT $3"""


def _effects(columns: str) -> Mapping[str, str]:
    return {
        "open": _EFFECTS.format(columns=columns, which=""),
        "needs_person": _EFFECTS.format(columns=columns, which=f" AND error ? '{NEEDS_PERSON}'"),
        "rejected": _REJECTED.format(columns=columns),
    }


EFFECTS, EFFECT_IDS = _effects(select_list(Effect, "f")), _effects("f.effect_id")


async def list_effects_of(
    pool: asyncpg.Pool, tenant_id: str, which: str, *, before: UUID | None, limit: int
) -> list[Effect | Unreadable[UUID]]:
    """The newest effects of a list (see ``EFFECTS``) that were decided on before ``before``."""
    arguments = tenant_id, before, limit

    async def together() -> list[Effect]:
        rows = await pool.fetch(EFFECTS[which], *arguments)
        return [from_row(Effect, row) for row in rows]

    async def keys() -> list[UUID]:
        return [row[0] for row in await pool.fetch(EFFECT_IDS[which], *arguments)]

    return await read_all(together, keys, lambda key: find_effect(pool, tenant_id, key))


async def find_effects_about(
    pool: asyncpg.Pool,
    tenant_id: str,
    *,
    escrow_id: UUID | None = None,
    payee_id: UUID | None = None,
    effect_ids: Iterable[UUID] = (),
    limit: int,
) -> list[Effect | Unreadable[UUID]]:
    """The newest open effects of an escrow, of a payee, or of these ids."""
    arguments = tenant_id, escrow_id, payee_id, [*effect_ids], limit

    async def together() -> list[Effect]:
        return [from_row(Effect, row) for row in await pool.fetch(EFFECTS_ABOUT, *arguments)]

    async def keys() -> list[UUID]:
        return [row[0] for row in await pool.fetch(EFFECT_IDS_ABOUT, *arguments)]

    return await read_all(together, keys, lambda key: find_effect(pool, tenant_id, key))
