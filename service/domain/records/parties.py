"""Payers and payees."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import ids
from service.domain.states.machine import Machine
from service.domain.states.payee import PAYEE, PayeeEvent, PayeeState


class AccountApi(StrEnum):
    """Which of Stripe's account APIs made a payee's account."""

    V1 = "V1"
    V2 = "V2"


@dataclass(slots=True)
class Payer:
    """Who pays."""

    tenant_id: str
    payer_id: UUID
    version: int
    reference: str
    name: str
    email: str
    stripe_customer: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def public_id(self) -> str:
        return ids.show(ids.PAYER, self.payer_id)


@dataclass(slots=True)
class Payee:
    """Who is paid. ``version`` guards it and its payouts. ``bank_currencies`` are empty where
    Stripe does not say in which currencies their bank accounts are.
    """

    tenant_id: str
    payee_id: UUID
    version: int
    reference: str
    name: str
    email: str
    country: str
    account_api: AccountApi
    state: PayeeState
    stripe_account: str | None
    requirements_due: list[str]
    created_at: datetime
    updated_at: datetime
    bank_currencies: list[str] = field(default_factory=list)

    @property
    def machine(self) -> Machine[PayeeState, PayeeEvent]:
        return PAYEE

    @property
    def public_id(self) -> str:
        return ids.show(ids.PAYEE, self.payee_id)


@dataclass(slots=True)
class PreviousAccount:
    """An account that a payee had before the one in their row, and what had become of it."""

    tenant_id: str
    payee_id: UUID
    stripe_account: str
    state: PayeeState
    replaced_at: datetime
