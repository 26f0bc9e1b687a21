"""What somebody has given in a dispute between the parties."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import ids
from service.domain.call import Party


class Stored(StrEnum):
    """Where the file is."""

    NOWHERE = "NOWHERE"  # there is none
    DATABASE = "DATABASE"
    BUCKET = "BUCKET"


@dataclass(frozen=True, slots=True)
class DisputeEvidence:
    """A note, a file, or both; its row never changes. Without a file its type, its hash (SHA-256 in
    hexadecimal digits) and its name are empty.
    """

    tenant_id: str
    evidence_id: UUID
    escrow_id: UUID
    dispute_id: UUID
    party: Party
    caller: str
    note: str
    content_type: str
    file_name: str
    size_bytes: int
    sha256: str
    stored: Stored
    created_at: datetime

    @property
    def public_id(self) -> str:
        return ids.show(ids.DISPUTE_EVIDENCE, self.evidence_id)


@dataclass(frozen=True, slots=True)
class DisputeFile:
    """The file of a piece of evidence, where it is kept in the database."""

    tenant_id: str
    evidence_id: UUID
    content: bytes
