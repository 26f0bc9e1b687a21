"""What the parties did, as the timeline of an escrow has it, in words for a bank."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from service.domain import ids
from service.domain.call import Party
from service.domain.records.escrow import Milestone
from service.domain.records.origin import Origin
from service.domain.records.payment import Payment
from service.runtime import Runtime
from service.store.operations import TimelineRow, find_timeline
from service.store.unreadable import Unreadable

MOST_READ, MOST_OF_A_READ = 5_000, 500

DID: Mapping[str, str] = {
    "create_escrow": "made the agreement",
    "fund_escrow": "began to pay",
    "submit_delivery": "delivered",
    "request_changes": "looked at the delivery and asked for changes",
    "accept_delivery": "accepted the delivery",
    "release_milestone": "released",
    "release_after_inspection": "released at the end of the time for inspection",
    "cancel_escrow": "canceled",
    "request_cancellation": "asked to cancel",
    "approve_cancellation": "agreed to cancel",
    "decline_cancellation": "did not agree to cancel",
    "request_extension": "asked for more time",
    "extend_deadline": "agreed to more time",
    "decline_extension": "did not agree to more time",
    "propose_amendment": "asked to change the agreement",
    "accept_amendment": "agreed to change the agreement",
    "decline_amendment": "did not agree to change the agreement",
    "refund_milestone": "refunded",
}
"""By the operation. What is not here is between the service and Stripe, or of operators alone."""
WHO: Mapping[str, str] = {Party.PAYER: "the payer", Party.PAYEE: "the payee"}
PLATFORM = "the marketplace"
PAID = "SUCCEEDED"


class Timeline(NamedTuple):
    """What was done to an escrow, oldest first, and whether that is all of it: a damaged entry is
    not among it (verification names it), nor what is beyond MOST_READ.
    """

    rows: Sequence[TimelineRow]
    whole: bool


async def read_timeline(runtime: Runtime, tenant_id: str, escrow_id: UUID) -> Timeline:
    read: list[TimelineRow] = []
    damaged, after = False, 0
    while len(read) < MOST_READ:
        rows = await find_timeline(
            runtime.pool, tenant_id, escrow_id, after_version=after, limit=MOST_OF_A_READ
        )
        readable = [row for row in rows if not isinstance(row, Unreadable)]
        damaged |= len(readable) < len(rows)
        read += readable
        if len(rows) < MOST_OF_A_READ:
            return Timeline(read, not damaged)
        last = rows[-1]
        after = last.key if isinstance(last, Unreadable) else last.version
    return Timeline(read, whole=False)


def what_happened(
    rows: Iterable[TimelineRow],
    payment: Payment,
    milestones: Sequence[Milestone],
    origins: Mapping[int, Origin],
) -> Iterator[str]:
    """A line for each act that is about what the payment has paid, or about the whole, with from
    where it was done, by the escrow's version.
    """
    titles = {each.public_id: each.title for each in milestones}
    for row in rows:
        moved = {str(subject): str(after) for subject, _, after in row.transitions}
        if moved.get(payment.public_id) == PAID:
            yield _line(row, "the payer's payment succeeded", "")
        if row.operation in DID and _is_about(moved, payment, titles):
            ours = ", ".join(titles[each] for each in moved if each in titles)
            did = f"{WHO.get(row.party, PLATFORM)} {DID[row.operation]}"
            said = _said(row) + _from(origins.get(row.version))
            yield _line(row, f"{did} ({ours})" if ours else did, said)


def _is_about(moved: Iterable[str], payment: Payment, titles: Container[str]) -> bool:
    """Whether what moved is of this payment, or is of no part of the escrow."""
    parts = [each for each in moved if each.startswith((ids.MILESTONE, ids.PAYMENT))]
    return not parts or any(each in titles or each == payment.public_id for each in parts)


def _said(row: TimelineRow) -> str:
    """What a party wrote. What operators note is for the marketplace only."""
    return f": {_quoted(row.note)}" if row.note and row.party in WHO else ""


def _from(origin: Origin | None) -> str:
    if origin is None:
        return ""
    by = f" by {_quoted(origin.user_agent)}" if origin.user_agent else ""
    return f" [from {origin.client_ip or 'an unknown address'}{by}]"


def _quoted(text: str) -> str:
    """In one line, so that nobody writes a line of their own into the record."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)


def _line(row: TimelineRow, did: str, said: str) -> str:
    return f"{row.occurred_at:%Y-%m-%d %H:%M:%S} UTC: {did}{said}"
