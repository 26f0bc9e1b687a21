"""Ids: UUIDv7 inside, a kind prefix and 32 hexadecimal digits outside ("esc_0193...").

The hexadecimal digits are what psql takes as a uuid, so an id from a log pastes into a query.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID, SafeUUID, uuid5

ESCROW, MILESTONE, PAYMENT, RELEASE = "esc", "mst", "pay", "rel"
PAYER, PAYEE, PAYOUT, EFFECT, FREEZE = "pyr", "pye", "pyo", "eff", "frz"
REFUND, RECEIVABLE, DEADLINE, PROPOSAL = "rfn", "rcv", "ddl", "prp"
APPROVAL, CHARGEBACK, EVIDENCE, EVIDENCE_FILE = "apr", "cbk", "evd", "evf"
JOURNAL, OPERATION = "jrn", "opn"
DISPUTE, DISPUTE_EVIDENCE = "dsp", "dse"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_7 = 0x7 << 76 | 0x2 << 62  # and the variant of RFC 9562
_TAIL = (1 << 62) - 1
_new, _set = object.__new__, object.__setattr__
_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 0x3 << 62)


def new_uuid(now: datetime) -> UUID:
    """A UUIDv7 of this moment (RFC 9562)."""
    return _uuid7(now, int.from_bytes(os.urandom(10), "big"))


def next_uuid(value: UUID) -> UUID:
    """The UUIDv7 after one, of the same moment: what is made together keeps its order by them."""
    tail = (value.int & _TAIL) + 1 & _TAIL
    return _uuid(value.int & ~_TAIL | tail)


def first_uuid(moment: datetime) -> UUID:
    """The first UUIDv7 of this moment: those from it on were made then or later."""
    return _uuid7(moment, 0)


def last_uuid(moment: datetime) -> UUID:
    """The last UUIDv7 of this moment: those up to it were made then or before.

    A moment is a millisecond long.
    """
    return _uuid7(moment, (1 << 80) - 1)


def _uuid7(moment: datetime, rest: int) -> UUID:
    since = moment - EPOCH
    # Exact, as a float's are not.
    milliseconds = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return _uuid(milliseconds << 80 | rest & _RANDOM | _VERSION_7)


def _uuid(value: int) -> UUID:
    """``UUID(int=value)`` without its checks, in a quarter of the time: an operation makes many."""
    made = _new(UUID)
    _set(made, "int", value)
    _set(made, "is_safe", SafeUUID.unknown)
    return made


def moment_of(value: UUID) -> datetime:
    """When a UUIDv7 was made."""
    return EPOCH + timedelta(milliseconds=value.int >> 80)


def same_moment(value: UUID) -> tuple[UUID, UUID]:
    """The first and the last UUIDv7 that was made in the same moment as this one."""
    since = value.int >> 80 << 80
    return UUID(int=since | _VERSION_7), UUID(int=since | _RANDOM | _VERSION_7)


def show(prefix: str, value: UUID) -> str:
    return f"{prefix}_{value.hex}"


@lru_cache(4096)
def parse(text: str) -> UUID:
    """The UUID of an id whose shape was checked at the edge.

    Raises:
        ValueError: it does not end with 32 hexadecimal digits.
    """
    found = bytes.fromhex(text[-32:])
    if len(found) != 16:
        raise ValueError("an id ends with 32 hexadecimal digits")
    return _uuid(int.from_bytes(found, "big"))


def derive(base: UUID, name: str) -> UUID:
    """The same id again for the same name below the same base."""
    return uuid5(base, name)
