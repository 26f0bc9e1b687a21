"""How an answer is stored for its replays: without the texts of its escrow.

These are written once and never change, and an escrow can hold 0.8 MB of them: they stay in its
rows, and a replay takes them from there. Everything that can change is stored as it was answered.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from escrow.v1 import escrow_service_pb2 as pb
from service.domain.records.escrow import LineItem
from service.store.tables import EscrowRecords


def stored_form(answer: Message) -> Message:
    """The answer without its escrow's metadata, titles and line items."""
    if escrow_of(answer) is None:
        return answer
    stored = type(answer)()
    stored.CopyFrom(answer)
    escrow = escrow_of(stored)
    assert escrow is not None  # as in its original
    escrow.ClearField("metadata")
    for milestone in escrow.milestones:
        milestone.ClearField("title")
        milestone.ClearField("line_items")
    return stored


def escrow_of(answer: Message) -> pb.Escrow | None:
    """The escrow that an answer shows, to be changed in place; None when it shows none."""
    shown = getattr(answer, "escrow", None)
    return shown if isinstance(shown, pb.Escrow) else None


def is_whole(escrow: pb.Escrow) -> bool:
    """Whether it has its texts. Answers were stored with them at first; no title is empty."""
    return any(milestone.title for milestone in escrow.milestones)


def add_texts(escrow: pb.Escrow, records: EscrowRecords) -> None:
    """Makes the stored form of an answer what was answered, byte for byte."""
    escrow.metadata.update(records.escrow.metadata)
    stored = {milestone.public_id: milestone for milestone in records.milestones}
    for shown in escrow.milestones:
        milestone = stored[shown.id]
        shown.title = milestone.title
        items = [i for i in records.line_items if i.milestone_id == milestone.milestone_id]
        shown.line_items.extend(line_items(items))


def line_items(items: Iterable[LineItem]) -> list[pb.LineItem]:
    """What was bought, as messages."""
    return [
        pb.LineItem(
            name=item.name,
            quantity=item.quantity,
            unit_amount_minor=item.unit_amount_minor,
            sku=item.sku,
        )
        for item in items
    ]
