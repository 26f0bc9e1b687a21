"""Where an escrow's money is, by the ledger's accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.domain import accounts
from service.domain.accounts import Account, UnknownAccount, account_named
from service.store.trial_balance import Turnover

# Each: what the accounts come to, on their normal side.
_BALANCES: Mapping[str, tuple[Account, ...]] = {
    "held_minor": (accounts.HELD, accounts.FEE_HELD),
    "owed_minor": (
        accounts.PAYABLE,
        accounts.PENDING,
        accounts.RESERVE,
        accounts.TRANSFERS_IN_FLIGHT,
    ),
    "paid_minor": (accounts.CONN_OWNER,),
    "fees_minor": (accounts.PLATFORM_FEE, accounts.SERVICE_FEE),
    "stripe_fees_minor": (accounts.PROCESSING,),
    "suspense_minor": (accounts.SUSPENSE,),
    "refunding_minor": (accounts.REFUNDS_IN_FLIGHT,),
    "receivable_minor": (accounts.RECEIVABLE,),
}
_FUNDED = (accounts.HELD, accounts.FEE_HELD)


@dataclass(slots=True)
class Sums:
    """An escrow's money in a currency, in minor units.

    ``funded`` came in for its milestones, fees included; ``held`` is there still; ``owed`` is the
    payee's and not yet with them, under way included; ``paid`` is in their account at Stripe;
    ``fees`` are the platform's, earned; ``stripe_fees`` Stripe's; ``suspense`` is for nothing.
    ``refunding`` is on its way back to the payer; ``receivable`` is what the payee owes of it.
    """

    currency: str
    funded_minor: int = 0
    held_minor: int = 0
    owed_minor: int = 0
    paid_minor: int = 0
    fees_minor: int = 0
    stripe_fees_minor: int = 0
    suspense_minor: int = 0
    refunding_minor: int = 0
    receivable_minor: int = 0


def sums_of(turnovers: Iterable[Turnover]) -> list[Sums]:
    """One for each currency, in the order of their codes."""
    found: dict[str, Sums] = {}
    for line in turnovers:
        try:
            account = account_named(line.account)
        except UnknownAccount:  # of another version; `escrow verify` says so
            continue
        sums = found.setdefault(line.currency, Sums(line.currency))
        if account in _FUNDED:
            sums.funded_minor += line.credit_minor
        for name, kinds in _BALANCES.items():
            if account in kinds:
                balance = line.closing_minor * account.normal
                setattr(sums, name, getattr(sums, name) + balance)
    return [found[currency] for currency in sorted(found)]
