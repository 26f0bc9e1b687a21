"""What an amendment changes, both versions side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from escrow.v1 import escrow_service_pb2 as pb
from service.cli.operating import text_of


def change_rows(changes: Iterable[pb.MilestoneChange]) -> list[dict[str, str]]:
    """A row for each term that differs; of a milestone that is added, for each that it has."""
    return [row for change in changes for row in _rows(change)]


def _rows(change: pb.MilestoneChange) -> Iterator[dict[str, str]]:
    before, after = _terms(change.before), _terms(change.after)
    for name in before | after:
        was, will = before.get(name, ""), after.get(name, "")
        if was != will:
            yield {
                "milestone_id": change.milestone_id,
                "title": change.title,
                "term": name,
                "before": was,
                "after": will,
            }


def _terms(terms: pb.MilestoneTerms) -> dict[str, str]:
    told = {
        name: text_of(terms, name, getattr(terms, name))
        for name in ("amount", "payer_fee", "payee_fee", "due_time")
    }
    told |= {f"amount of {p.payee_id}": text_of(p, "amount", p.amount) for p in terms.payees}
    return told
