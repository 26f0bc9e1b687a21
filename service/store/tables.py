"""THE list of the tables whose rows are written whole, and of the children of an escrow.

A child of an escrow is one field of ``EscrowRecords``: its columns, its part of the load, its
parsing and its fragment of a commit are derived from that row and from the record.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, NamedTuple
from uuid import UUID

from service.domain.records.approval import Approval
from service.domain.records.balance_transaction import BookedTransaction
from service.domain.records.chargeback import Chargeback
from service.domain.records.deadline import Deadline
from service.domain.records.dispute import Dispute
from service.domain.records.dispute_evidence import DisputeEvidence, DisputeFile
from service.domain.records.effect import Effect
from service.domain.records.escrow import Escrow, LineItem, Milestone, MilestonePayee
from service.domain.records.evidence import SentEvidence
from service.domain.records.freeze import Freeze
from service.domain.records.origin import Origin
from service.domain.records.parties import Payee, Payer, PreviousAccount
from service.domain.records.payment import Payment
from service.domain.records.payout import Payout
from service.domain.records.policy import StoredPolicy
from service.domain.records.proposal import Proposal
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundPart
from service.domain.records.release import Release


@cache
def columns(record: type) -> tuple[str, ...]:
    """The columns of a record's table: the record's fields, in their order."""
    return tuple(each.name for each in dataclasses.fields(record))


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are written whole.

    ``row_type`` is the type of one written row. ``key`` is the primary key; a table without one is
    append-only. ``order`` is that of an escrow's children when they are loaded.
    """

    record: type
    name: str
    row_type: str
    key: tuple[str, ...] = ()
    order: str = ""

    @property
    def versioned(self) -> bool:
        return "version" in columns(self.record)


class Child(NamedTuple):
    """What is to be known of a child table of an escrow, beside its record and its name."""

    row_type: str
    order: str
    key: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class EscrowRecords:
    """An escrow and everything below it, as stored. A child's field has the name of its table."""

    escrow: Escrow
    payer: Payer
    payee: Payee
    milestones: Annotated[
        list[Milestone],
        Child("write_milestone_v3", "position", ("tenant_id", "escrow_id", "milestone_id")),
    ] = field(default_factory=list)
    milestone_payees: Annotated[
        list[MilestonePayee],
        Child(
            "write_milestone_payee",
            "milestone_id, position",
            ("tenant_id", "escrow_id", "milestone_id", "position"),
        ),
    ] = field(default_factory=list)
    line_items: Annotated[
        list[LineItem],
        Child("write_line_item", "milestone_id, position"),
    ] = field(default_factory=list)
    payments: Annotated[
        list[Payment],
        Child("write_payment_v4", "payment_id", ("tenant_id", "payment_id")),
    ] = field(default_factory=list)
    releases: Annotated[
        list[Release],
        Child("write_release_v4", "release_id", ("tenant_id", "escrow_id", "release_id")),
    ] = field(default_factory=list)
    freezes: Annotated[
        list[Freeze],
        Child("write_freeze", "freeze_id", ("tenant_id", "escrow_id", "freeze_id")),
    ] = field(default_factory=list)
    refunds: Annotated[
        list[Refund],
        Child("write_refund_v3", "refund_id", ("tenant_id", "escrow_id", "refund_id")),
    ] = field(default_factory=list)
    refund_parts: Annotated[
        list[RefundPart],
        Child("write_refund_part_v2", "refund_id, position"),
    ] = field(default_factory=list)
    chargebacks: Annotated[
        list[Chargeback],
        Child("write_chargeback_v3", "chargeback_id", ("tenant_id", "escrow_id", "chargeback_id")),
    ] = field(default_factory=list)
    deadlines: Annotated[
        list[Deadline],
        Child("write_deadline", "due_at, deadline_id", ("tenant_id", "escrow_id", "deadline_id")),
    ] = field(default_factory=list)
    proposals: Annotated[
        list[Proposal],
        Child("write_proposal_v2", "proposal_id", ("tenant_id", "escrow_id", "proposal_id")),
    ] = field(default_factory=list)
    disputes: Annotated[
        list[Dispute],
        Child("write_dispute_v2", "dispute_id", ("tenant_id", "escrow_id", "dispute_id")),
    ] = field(default_factory=list)
    # The payees that parts of its milestones belong to, where these are others.
    other_payees: list[Payee] = field(default_factory=list)
    # What its payees owe, also because of other escrows.
    receivables: list[Receivable] = field(default_factory=list)
    effect: Effect | None = None

    @property
    def payees(self) -> dict[UUID, Payee]:
        """The escrow's payee, and those of parts of its milestones, by their ids."""
        return {each.payee_id: each for each in (self.payee, *self.other_payees)}


def _children() -> Iterator[Table]:
    hints = typing.get_type_hints(EscrowRecords, include_extras=True)
    for name, hint in hints.items():
        for child in getattr(hint, "__metadata__", ()):
            (record,) = typing.get_args(hint.__origin__)
            yield Table(record, name, child.row_type, child.key, child.order)


CHILDREN = tuple(_children())

# Parents before children.
TABLES: tuple[Table, ...] = (
    Table(Payer, "payers", "write_payer", ("tenant_id", "payer_id")),
    Table(Payee, "payees", "write_payee_v2", ("tenant_id", "payee_id")),
    Table(PreviousAccount, "previous_accounts", "write_previous_account"),
    Table(Escrow, "escrows", "write_escrow_v3", ("tenant_id", "escrow_id")),
    *CHILDREN,
    Table(Receivable, "receivables", "write_receivable_v2", ("tenant_id", "receivable_id")),
    Table(Payout, "payouts", "write_payout", ("tenant_id", "payout_id")),
    Table(Effect, "effects", "write_effect_v2", ("tenant_id", "effect_id")),
    Table(BookedTransaction, "balance_transactions", "write_balance_transaction"),
    Table(StoredPolicy, "policies", "write_policy"),
    Table(Origin, "origins", "write_origin"),
    Table(SentEvidence, "chargeback_evidence", "write_chargeback_evidence"),
    Table(DisputeEvidence, "dispute_evidence", "write_dispute_evidence"),
    Table(DisputeFile, "dispute_files", "write_dispute_file"),
    Table(Approval, "approvals", "write_approval", ("tenant_id", "approval_id")),
)
