"""From where a party did something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Origin:
    """The address and the browser or app of who did something, as the caller of a request says.

    It is of the operation that made this version of the escrow. It is evidence against chargebacks,
    and in no timeline: the parties do not see each other's.
    """

    tenant_id: str
    escrow_id: UUID
    escrow_version: int
    client_ip: str
    user_agent: str
    created_at: datetime
