"""Cursors: a place in a tenant's sequence, as callers keep it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from uuid import UUID

from service.domain.errors import CursorLost, FieldViolation, InvalidField
from service.runtime import Runtime
from service.store.sequence import START, Place, is_place

_DIGEST_BYTES, _POSITION_BYTES, _ID_BYTES = 8, 8, 16


def show_cursor(tenant_id: str, place: Place) -> str:
    """Names the place, and whose it is. Callers keep it as it is."""
    raw = place.position.to_bytes(_POSITION_BYTES, "big") + place.operation_id.bytes
    return base64.urlsafe_b64encode(_digest(tenant_id, raw) + raw).decode().rstrip("=")


async def place_of(runtime: Runtime, tenant_id: str, cursor: str) -> Place:
    """The place that a cursor names; the start for none.

    Raises:
        InvalidField: it is none of ours, or of another tenant.
        CursorLost: this database has no such place.
    """
    if not cursor:
        return START
    place = _read(tenant_id, cursor)
    if not await is_place(runtime.pool, tenant_id, place):
        raise CursorLost
    return place


def _read(tenant_id: str, cursor: str) -> Place:
    try:
        raw = base64.b64decode(cursor.encode() + b"=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    digest, rest = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
    if len(rest) != _POSITION_BYTES + _ID_BYTES or digest != _digest(tenant_id, rest):
        raise InvalidField(
            FieldViolation("after", "is no cursor of this tenant; give one that an answer held")
        )
    position = int.from_bytes(rest[:_POSITION_BYTES], "big", signed=True)
    return Place(position, UUID(bytes=rest[_POSITION_BYTES:]))


def _digest(tenant_id: str, rest: bytes) -> bytes:
    return hashlib.sha256(tenant_id.encode() + b"\0" + rest).digest()[:_DIGEST_BYTES]
