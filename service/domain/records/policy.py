"""A version of a tenant's policy, as it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class StoredPolicy:
    """Written once. ``document`` is the policy as service/policy_documents.py writes it."""

    tenant_id: str
    policy_version: int
    created_at: datetime
    created_by: str
    reason: str
    document: dict[str, Any]
