"""The unit of work: what one operation decided, collected as data until it is committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.call import Call, Party
from service.domain.ids import new_uuid, next_uuid
from service.domain.journal import Journal, Part, Source, entries_of
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction, booked
from service.domain.records.deadline import Deadline
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.escrow import Escrow
from service.domain.states.effect import EffectState
from service.domain.states.machine import S, Stateful, V


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a state, for the timeline."""

    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class EventEnd:
    """What becomes of the Stripe event that caused this unit."""

    event_id: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EventRepair:
    """What an operator makes of a Stripe event that is still in the state ``before``."""

    event_id: str
    before: str
    after: str
    reason: str
    due_at: datetime


@dataclass(slots=True)
class UnitOfWork:
    """Everything that one operation writes, or nothing of it.

    ``records`` are whole rows; those with a version must still be in the version before.
    ``response`` is the stored answer: a replay of the same request answers these bytes.
    ``word_of`` is whose word moves the states where that is not who asks: Stripe's, which an
    operator asked. ``turns`` are the aggregates whose turn it is for the operation; with None it
    waits for none. ``hold`` is asked before the commit whether a second person has to say yes, and
    ``beside`` is their decision, written in the same commit. ``on_decided`` is called by
    ``decided``.
    """

    call: Call
    operation: str
    request_hash: bytes
    now: datetime
    turns: list[Hashable] | None = None
    operation_id: UUID = field(init=False)
    last_id: UUID = field(init=False)
    records: dict[int, Any] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    removed: list[Deadline] = field(default_factory=list)
    note: str = ""
    escrow: Escrow | None = None
    response: bytes | None = None
    event_end: EventEnd | None = None
    event_repair: EventRepair | None = None
    word_of: Party | None = None
    hold: Callable[[UnitOfWork], Awaitable[None]] | None = None
    beside: UnitOfWork | None = None
    on_decided: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.operation_id = self.last_id = new_uuid(self.now)

    @property
    def note_and_reason(self) -> str:
        """What the operation's row and the timeline say of it: its note, and why."""
        return ": ".join(filter(None, (self.note, self.call.reason)))

    @property
    def party(self) -> Party:
        """The party that the state machines see."""
        return self.word_of or self.call.party

    def decided(self) -> None:
        """Between what may refuse and what only writes down: nothing below it in an operation
        refuses. Who asks only whether it would be refused stops here (explanation/rehearsal.py).
        """
        if self.on_decided:
            self.on_decided()

    def new_id(self) -> UUID:
        """The next of this operation's ids: what it makes first is before what it makes then."""
        self.last_id = next_uuid(self.last_id)
        return self.last_id

    def put(self, record: object) -> None:
        """Writes this record with the unit. Its version grows once, however often it is put."""
        if id(record) in self.records:
            return
        self.records[id(record)] = record
        if hasattr(record, "version"):
            record.version += 1
        if hasattr(record, "updated_at"):
            record.updated_at = self.now
        if isinstance(record, Escrow):
            self.escrow = record

    def remove(self, deadline: Deadline) -> None:
        """Takes the row of a deadline away that no longer runs."""
        self.records.pop(id(deadline), None)
        self.removed.append(deadline)

    def create(self, record: Stateful[S, V]) -> None:
        """Writes a new record with the unit, and its first state into the timeline."""
        self.put(record)
        self._note(record.public_id, "", record.state)

    def advance(self, record: Stateful[S, V], event: V) -> None:
        """Moves a record along an edge of its machine: the one way in which a state changes.

        Raises:
            WrongState, PartyNotAllowed: see ``Machine.follow``; the record is as it was.
        """
        before = record.state
        record.state = record.machine.follow(record.public_id, before, event, self.party)
        self.put(record)
        self._note(record.public_id, before, record.state)

    def _note(self, subject: str, before: str, after: str) -> None:
        if before != after:
            self.transitions.append(Transition(subject, str(before), str(after)))

    def post(  # noqa: PLR0913  a journal has that many independent facts
        self,
        kind: JournalKind,
        source: Source,
        currency: str,
        parts: Iterable[Part],
        *,
        settled_currency: str = "",
        event_at: datetime | None = None,
        transaction: BalanceTransaction | None = None,
        account: str | None = None,
    ) -> None:
        """Adds the journal of one line of the table of postings. One that converts has a
        ``settled_currency`` too.

        ``transaction`` is what moved the balance at Stripe, and is written with it: of the
        platform, or of a connected ``account``.
        """
        posted = Journal(
            journal_id=self.new_id(),
            kind=kind,
            source=source,
            currency=currency,
            entries=entries_of(kind, parts, currency, settled_currency),
            event_at=event_at or self.now,
            escrow_id=self.escrow.escrow_id if self.escrow else None,
            transaction=transaction,
        )
        self.journals.append(posted)
        if transaction:
            tenant_id = self.call.tenant_id
            self.put(booked(tenant_id, transaction, posted.journal_id, self.now, account=account))

    def plan(
        self,
        kind: EffectKind,
        effect_id: UUID,
        *,
        subject_id: UUID,
        request: Mapping[str, Any],
        escrow_id: UUID | None = None,
        payee_id: UUID | None = None,
        stripe_account: str | None = None,
    ) -> Effect:
        """Adds a call to Stripe, to be made once after the commit."""
        effect = Effect(
            tenant_id=self.call.tenant_id,
            effect_id=effect_id,
            version=0,
            kind=kind,
            state=EffectState.PLANNED,
            generation=1,
            subject_id=subject_id,
            escrow_id=escrow_id,
            payee_id=payee_id,
            stripe_account=stripe_account,
            request=dict(request),
            due_at=self.now,
            created_at=self.now,
            updated_at=self.now,
            traceparent=self.call.traceparent,
        )
        self.put(effect)
        return effect

    def balance_changes(self) -> dict[tuple[str, str], int]:
        """The change of each tracked account, on its normal side: {(account, currency): minor}."""
        changes: dict[tuple[str, str], int] = {}
        for posted in self.journals:
            for entry in posted.entries:
                if entry.change_minor is not None:
                    key = entry.account, entry.currency
                    changes[key] = changes.get(key, 0) + entry.change_minor
        return changes
