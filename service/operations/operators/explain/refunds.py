"""What went back to payers, and what payees owe because of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from escrow.v1 import refund_service_pb2 as pb
from service.domain.blocker import Blocker
from service.domain.call import Call
from service.operations.operators.explain.waits import wait_of_receivable
from service.operations.refunds.list_receivables import list_receivables
from service.operations.refunds.messages import refund_message
from service.runtime import Runtime
from service.store.tables import EscrowRecords

NEWEST = 50
_UNDONE = (pb.REFUND_STATE_REJECTED, pb.REFUND_STATE_PUT_BACK)


def refunds_of(records: EscrowRecords) -> list[pb.Refund]:
    """All of an escrow, the oldest first."""
    settled = {each.payment_id: each.settled_currency or "" for each in records.payments}
    return [
        refund_message(
            refund,
            [part for part in records.refund_parts if part.refund_id == refund.refund_id],
            settled[refund.payment_id],
        )
        for refund in records.refunds
    ]


def held_again_minor(refunds: Iterable[pb.Refund], currency: str) -> int:
    """What was held, left for a refund that did not take place, and is held again."""
    return sum(
        part.price.amount_minor + part.payer_fee.amount_minor
        for refund in refunds
        if refund.state in _UNDONE and refund.amount.currency == currency
        for part in refund.parts
        if part.origin == pb.REFUND_ORIGIN_HELD
    )


async def find_debts(runtime: Runtime, call: Call, condition: str) -> pb.ListReceivablesResponse:
    """The newest of them, also what is settled."""
    request = pb.ListReceivablesRequest(filter=condition, page_size=NEWEST)
    return await list_receivables(runtime, call, request)


def waits_of_debts(debts: Iterable[pb.Receivable]) -> Iterator[Blocker]:
    return (wait_of_receivable(d) for d in debts if d.state != pb.RECEIVABLE_STATE_SETTLED)
