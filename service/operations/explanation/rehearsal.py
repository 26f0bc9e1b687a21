"""Tries an operation without doing it: the guards that refuse say what each party can do.

An operation loads, decides and commits. Here it loads a copy of what was read before, decides, and
stops where nothing can refuse it any more (``UnitOfWork.decided``), or where it would commit. So
what is told cannot be another thing than what happens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from uuid import UUID

from google.protobuf.message import Message

from service.domain.call import ApprovalKind, Call, Party
from service.domain.errors import PartyNotAllowed, Refusal, TenantNotConfigured, WrongState
from service.domain.policy import Policy
from service.domain.records.escrow import Milestone
from service.domain.settlement import Settlement
from service.domain.states.milestone import MilestoneState
from service.domain.states.payment import PAYMENT_ENDED
from service.domain.unit import UnitOfWork
from service.operations.held.limits import above_limit
from service.operations.held.plan import amounts_of
from service.runtime import Answer, Runtime
from service.store.policies import Policies
from service.store.rows import to_row
from service.store.tables import EscrowRecords, columns
from service.stripe.gateway import StripeGateway

Operation = Callable[[Runtime, Call, Any], Awaitable[Message]]


class _Rehearsed(Exception):
    """The operation would be committed now."""


class _StripeNotAsked(Exception):
    """Stripe's answer decides, and it is not asked."""


class _Unasked:
    """A tenant's gateway, of which only what is configured can be read. Who only reads has none,
    and no settlement refuses anything then.
    """

    settlement = Settlement()

    def __init__(self, gateway: StripeGateway | None) -> None:
        if gateway is not None:
            self.settlement = gateway.settlement
            self.return_hosts = gateway.return_hosts

    def __getattr__(self, name: str) -> None:
        raise _StripeNotAsked


class Outcome(NamedTuple):
    """What became of a try. ``refusal`` is why it would be refused."""

    refusal: Refusal | None = None
    asks_stripe: bool = False
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class Rehearsal(Runtime):
    """A runtime that has loaded one escrow already, in which nothing is written or sent."""

    records: EscrowRecords = field(kw_only=True)
    copy: Callable[[], EscrowRecords] = field(kw_only=True)
    limits: Policy = field(kw_only=True)
    policies: Policies = field(kw_only=True)
    units: list[UnitOfWork] = field(kw_only=True, default_factory=list)

    def __post_init__(self) -> None:
        """It has nothing to write with."""

    async def load_escrow(
        self,
        unit: UnitOfWork,
        name: UUID | str,  # noqa: ARG002  there is one escrow
        *,
        by: str,  # noqa: ARG002
        effect_id: UUID | None,  # noqa: ARG002
    ) -> EscrowRecords | None:
        """A copy of what was loaded before, however it is named."""
        self.units.append(unit)
        if not self.is_limited(unit.call):
            unit.on_decided = _end
        return self.copy()

    def is_limited(self, call: Call) -> bool:
        """Whether all that it would write has to be known, for its amounts."""
        return bool(call.approvals) and self.limits.has_limit(call.approvals)

    async def find_escrow(
        self,
        tenant_id: str,  # noqa: ARG002
        escrow_id: UUID,  # noqa: ARG002
    ) -> EscrowRecords | None:
        return self.records

    async def finish(
        self,
        unit: UnitOfWork,  # noqa: ARG002
        answer: Callable[[], Answer],  # noqa: ARG002  nobody gets it
        *,
        dry_run: bool = False,  # noqa: ARG002  it would be committed without
    ) -> Answer:
        raise _Rehearsed

    async def commit(self, unit: UnitOfWork) -> None:  # noqa: ARG002
        raise _Rehearsed


def _end() -> None:
    raise _Rehearsed


def rehearsal_of(runtime: Runtime, call: Call, records: EscrowRecords, limits: Policy) -> Rehearsal:
    """``limits`` is the newest policy, which says what waits for a second person."""
    configured = None
    with suppress(TenantNotConfigured):  # who only reads has no gateway
        configured = runtime.stripe[call.tenant_id]
    gateway = cast("StripeGateway", _Unasked(configured))
    now = runtime.clock()
    return Rehearsal(
        runtime.pool,
        {call.tenant_id: gateway},
        lambda: now,  # all is tried at one moment
        records=records,
        copy=copier(records),
        limits=limits,
        policies=runtime.policies,
    )


async def rehearse(
    rehearsal: Rehearsal,
    operation: Operation,
    request: Message,
    asks: Call,
) -> Outcome | None:
    """What would become of a request; None where its state or its party makes it no question."""
    rehearsal.units.clear()
    try:
        await operation(rehearsal, asks, request)
    except (PartyNotAllowed, WrongState):
        return None
    except Refusal as refusal:
        return Outcome(refusal)
    except _StripeNotAsked:
        return Outcome(asks_stripe=True)
    except _Rehearsed:
        pass
    if not rehearsal.units:
        return Outcome()
    unit, needs_approval = rehearsal.units[-1], False
    if rehearsal.is_limited(asks):
        needs_approval = above_limit(rehearsal.limits, unit, amounts_of(unit)) is not None
    return Outcome(None, _ends_a_payment(rehearsal.records, unit), needs_approval)


def _ends_a_payment(records: EscrowRecords, unit: UnitOfWork) -> bool:
    """Whether it cancels what a payment may still fund, which Stripe ends first, or not."""
    open_ = {each.payment_id for each in records.payments if each.state not in PAYMENT_ENDED}
    return bool(open_) and any(
        isinstance(each, Milestone)
        and each.state is MilestoneState.CANCELED
        and each.payment_id in open_
        for each in unit.records.values()
    )


def asks(call: Call, party: Party, approvals: tuple[ApprovalKind, ...]) -> Call:
    """A call of that party, which is never made."""
    why = "asked what could be done"
    return dataclasses.replace(call, party=party, key=why, reason=why, approvals=approvals)


def copied(records: EscrowRecords) -> EscrowRecords:
    """Copies of all rows, whose fields are values."""
    return copier(records)()


def copier(records: EscrowRecords) -> Callable[[], EscrowRecords]:
    """What makes such copies of the rows as they are now: they are read once for all of them."""
    one: dict[str, _Row] = {}
    several: dict[str, list[_Row]] = {}
    for name in columns(EscrowRecords):
        value = getattr(records, name)
        if isinstance(value, list):
            several[name] = [*map(_row, value)]
        elif value is not None:
            one[name] = _row(value)

    def copy() -> EscrowRecords:
        copies: dict[str, Any] = {name: made(*values) for name, (made, values) in one.items()}
        for name, rows in several.items():
            copies[name] = [made(*values) for made, values in rows]
        return EscrowRecords(**copies)

    return copy


class _Row(NamedTuple):
    """A record is made of its columns in order: what copy.copy does, in a tenth of the time."""

    made: type
    values: tuple[Any, ...]


def _row(record: Any) -> _Row:  # noqa: ANN401  of any table
    made: type = type(record)
    return _Row(made, to_row(made)(record))
