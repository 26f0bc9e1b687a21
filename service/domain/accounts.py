"""THE chart of accounts: one row an account, with its book, its normal side and its balance row.

No account's name is spelled anywhere else. A template is filled with the public ids of what an
account belongs to; ``sql`` writes the same name from columns, ``like`` finds all of a kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.domain import ids

PLATFORM, CONNECTED = "platform", "connected"
DEBIT, CREDIT = 1, -1

# What each placeholder of a template stands for: the prefix of our ids, or None for Stripe's own.
_PLACEHOLDERS: Mapping[str, str | None] = {
    "milestone": ids.MILESTONE,
    "payee": ids.PAYEE,
    "previous_payee": ids.PAYEE,
    "payment": ids.PAYMENT,
    "chargeback": ids.CHARGEBACK,
    "account": None,
    "balance_transaction": None,
}
_STRIPE_PREFIXES = ("acct", "txn")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class UnknownAccount(ValueError):
    """The chart has no such account."""


@dataclass(frozen=True, slots=True)
class Account:
    """A row of the chart: an account, or one for each milestone, payee ... that it names.

    ``normal`` is the side on which it grows. A tracked account has a locked balance row that may
    not fall below zero (invariant I3), unless it ``can_owe``: those are what belongs to a person or
    a milestone. The platform's own are append-only, so that no two releases ever wait for each
    other on one row. ``meaning`` says in words what is on it.
    """

    template: str
    book: str
    normal: int
    tracked: bool = False
    can_owe: bool = False
    meaning: str = ""

    def name(self, names: Mapping[str, str]) -> str:
        """The account of what ``names`` says: {"milestone": "mst_0193..."}."""
        return self.template.format_map(names)

    def of(self, **placeholders: str) -> Account:
        """The same row, filled from other names: ``PAYABLE.of(payee="previous_payee")``."""
        return replace(
            self,
            template=self.template.format_map(
                {name: f"{{{placeholder}}}" for name, placeholder in placeholders.items()}
            ),
        )

    @property
    def of_platform(self) -> bool:
        """Whether it is a single account of the platform, which any two postings may share."""
        return "{" not in self.template

    @property
    def shape(self) -> str:
        """The name with ``*`` for every id: as the trial balance shows all of this row."""
        return _PLACEHOLDER.sub("*", self.template)

    @property
    def like(self) -> str:
        """An SQL pattern (LIKE) of all accounts of this row."""
        return _PLACEHOLDER.sub("%", self.template).replace("_", r"\_")

    def sql(self, **columns: str) -> str:
        """An SQL expression of the name, from columns: ``HELD.sql(milestone="m.milestone_id")``."""
        parts = []
        for index, part in enumerate(_PLACEHOLDER.split(self.template)):
            if index % 2:
                parts.append(_sql_id(part, columns[part]))
            elif part:
                parts.append(f"'{part}'")
        return " || ".join(parts)


def _sql_id(placeholder: str, column: str) -> str:
    prefix = _PLACEHOLDERS[placeholder]
    return column if prefix is None else f"'{prefix}_' || replace({column}::text, '-', '')"


STRIPE = Account("asset:stripe", PLATFORM, DEBIT, meaning="the platform's balance at Stripe")
UNSETTLED = Account(
    "asset:stripe_unsettled", PLATFORM, DEBIT, meaning="paid, and not settled by Stripe yet"
)
RESERVED = Account("asset:stripe_reserved", PLATFORM, DEBIT, meaning="held back by Stripe")
BANK = Account("asset:bank", PLATFORM, DEBIT, meaning="the platform's bank account")
TAKEN_UNEXPLAINED = Account(
    "asset:unexplained:{balance_transaction}",
    PLATFORM,
    DEBIT,
    tracked=True,
    meaning="taken at Stripe, and not explained",
)
# In the currency of Stripe's balance, at each day's rate: of either sign in the end.
DISPUTE = Account(
    "asset:dispute:{chargeback}", PLATFORM, DEBIT, meaning="withdrawn for a chargeback"
)
DISPUTED = Account(
    "liab:disputed:{chargeback}",
    PLATFORM,
    CREDIT,
    tracked=True,
    meaning="whose it was that a chargeback took",
)
# What was converted, a position in each currency, of either sign.
EXCHANGE = Account("asset:exchange", PLATFORM, DEBIT, meaning="converted by Stripe")
RECEIVABLE = Account("asset:receivable:payee:{payee}", PLATFORM, DEBIT, meaning="owed by the payee")
HELD = Account(
    "liab:escrow:{milestone}:held", PLATFORM, CREDIT, tracked=True, meaning="held for the milestone"
)
FEE_HELD = Account(
    "liab:escrow:{milestone}:fee_held",
    PLATFORM,
    CREDIT,
    tracked=True,
    meaning="the payer's fee, not earned yet",
)
PAYABLE = Account(
    "liab:payee:{payee}:payable",
    PLATFORM,
    CREDIT,
    tracked=True,
    meaning="the payee's, not sent yet",
)
PENDING = Account(
    "liab:payee:{payee}:pending", PLATFORM, CREDIT, tracked=True, meaning="the payee's, clearing"
)
RESERVE = Account(
    "liab:payee:{payee}:reserve", PLATFORM, CREDIT, tracked=True, meaning="the payee's, in reserve"
)
SUSPENSE = Account(
    "liab:suspense:{payment}",
    PLATFORM,
    CREDIT,
    tracked=True,
    meaning="paid, and for nothing that waits",
)
BROUGHT_UNEXPLAINED = Account(
    "liab:unexplained:{balance_transaction}",
    PLATFORM,
    CREDIT,
    tracked=True,
    meaning="brought at Stripe, and not explained",
)
# Bank debits that moved the balance and failed: each comes and goes, with what Stripe kept.
FAILED_DEBITS = Account("liab:failed_debits", PLATFORM, CREDIT, meaning="bank debits that failed")
TRANSFERS_IN_FLIGHT = Account(
    "liab:transfers_in_flight", PLATFORM, CREDIT, meaning="on its way to the payee"
)
REFUNDS_IN_FLIGHT = Account(
    "liab:refunds_in_flight", PLATFORM, CREDIT, meaning="on its way back to the payer"
)
PLATFORM_FEE = Account("rev:platform_fee", PLATFORM, CREDIT, meaning="the payer's fee, earned")
SERVICE_FEE = Account("rev:service_fee", PLATFORM, CREDIT, meaning="the payee's fee, earned")
PROCESSING = Account("exp:processing", PLATFORM, DEBIT, meaning="Stripe's fees")
DISPUTE_FEE = Account("exp:dispute_fee", PLATFORM, DEBIT, meaning="Stripe's fees of disputes")
FX = Account("exp:fx", PLATFORM, DEBIT, meaning="gained or lost by exchange rates")
BAD_DEBT = Account("exp:bad_debt", PLATFORM, DEBIT, meaning="given up")
OTHER_BUSINESS = Account(
    "eq:other_business", PLATFORM, CREDIT, meaning="of other products at Stripe"
)
PLATFORM_CAPITAL = Account(
    "eq:platform_capital", PLATFORM, CREDIT, meaning="the platform's own money at Stripe"
)
# What the account holds is Stripe's to say, and ours to follow: a reversal takes also what others
# paid in, and may be told before the conversion of what arrived.
CONN_BALANCE = Account(
    "conn:{account}:balance",
    CONNECTED,
    DEBIT,
    tracked=True,
    can_owe=True,
    meaning="the payee's balance at Stripe",
)
CONN_IN_TRANSIT = Account(
    "conn:{account}:in_transit",
    CONNECTED,
    DEBIT,
    tracked=True,
    meaning="on its way to the payee's bank",
)
# What moves a payee's account without us, of either sign: it is theirs, and never paid out by us.
CONN_EXTERNAL = Account(
    "conn:{account}:external", CONNECTED, DEBIT, meaning="moved in the payee's account without us"
)
CONN_OWNER = Account("conn:{account}:owner", CONNECTED, CREDIT, meaning="with the payee")

CHART: tuple[Account, ...] = (
    STRIPE,
    UNSETTLED,
    RESERVED,
    BANK,
    EXCHANGE,
    TAKEN_UNEXPLAINED,
    DISPUTE,
    RECEIVABLE,
    HELD,
    FEE_HELD,
    PAYABLE,
    PENDING,
    RESERVE,
    SUSPENSE,
    DISPUTED,
    BROUGHT_UNEXPLAINED,
    FAILED_DEBITS,
    TRANSFERS_IN_FLIGHT,
    REFUNDS_IN_FLIGHT,
    PLATFORM_FEE,
    SERVICE_FEE,
    PROCESSING,
    DISPUTE_FEE,
    FX,
    BAD_DEBT,
    OTHER_BUSINESS,
    PLATFORM_CAPITAL,
    CONN_BALANCE,
    CONN_IN_TRANSIT,
    CONN_EXTERNAL,
    CONN_OWNER,
)

# The names (LIKE) of what may fall below zero; the schema says the same.
(CAN_OWE,) = (account.like for account in CHART if account.can_owe)
# All assets, and all that is owed, as patterns (LIKE).
ANY_ASSET, ANY_LIABILITY = "asset:%", "liab:%"

ID_PATTERN = "({})_[A-Za-z0-9]+".format(
    "|".join([*filter(None, _PLACEHOLDERS.values()), *_STRIPE_PREFIXES])
)
"""A regular expression (Python's and PostgreSQL's) of the ids within accounts' names."""

_ID = re.compile(ID_PATTERN)
_BY_SHAPE = {account.shape: account for account in CHART}


WILDCARD = "*"


def pattern_of(name: str) -> str:
    """An SQL pattern (LIKE) of what a person wrote: ``*`` stands for any characters."""
    escaped = re.sub(r"([\\%_])", r"\\\1", name)
    return escaped.replace(WILDCARD, "%")


def account_named(name: str) -> Account:
    """The row of the chart that an account's name belongs to.

    Raises:
        UnknownAccount.
    """
    account = _BY_SHAPE.get(name) or _BY_SHAPE.get(_ID.sub("*", name))
    if account is None:
        raise UnknownAccount(f"the chart of accounts has no {name!r}")
    return account


def normal_side(name: str) -> int:
    """The side on which the account grows; DEBIT for a name that the chart does not have."""
    try:
        return account_named(name).normal
    except UnknownAccount:
        return DEBIT
