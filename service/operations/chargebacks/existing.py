"""A chargeback that a request names."""

from __future__ import annotations

from uuid import UUID

from service.domain.errors import ChargebackMissing
from service.domain.records.chargeback import Chargeback
from service.runtime import Runtime
from service.store.chargebacks import find_chargeback


async def existing_chargeback(runtime: Runtime, tenant_id: str, chargeback_id: UUID) -> Chargeback:
    """Raises ChargebackMissing."""
    found = await find_chargeback(runtime.pool, tenant_id, chargeback_id)
    if found is None:
        raise ChargebackMissing
    return found
