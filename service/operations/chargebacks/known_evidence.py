"""What evidence is made of, read as it is now."""

from __future__ import annotations

from service.domain.errors import ChargebackMissing
from service.domain.records.chargeback import Chargeback
from service.operations.chargebacks.evidence_texts import Known
from service.operations.chargebacks.evidence_timeline import read_timeline
from service.runtime import Runtime
from service.store.tables import EscrowRecords


async def read_known(runtime: Runtime, known: Chargeback) -> Known:
    """Raises ChargebackMissing: its row names no escrow."""
    records = await runtime.find_escrow(known.tenant_id, known.escrow_id)
    if records is None:
        raise ChargebackMissing
    return await known_of(runtime, known, records)


async def known_of(runtime: Runtime, known: Chargeback, records: EscrowRecords) -> Known:
    """With the records that a story has loaded.

    Raises:
        ChargebackMissing: its row names no payment of the escrow.
    """
    if all(each.payment_id != known.payment_id for each in records.payments):
        raise ChargebackMissing
    policy = await runtime.policies.get(known.tenant_id, records.escrow.policy_version)
    timeline = await read_timeline(runtime, known.tenant_id, known.escrow_id)
    return Known(known, records, policy, timeline)
