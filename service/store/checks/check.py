"""What a check is, and the expressions that several checks are made of."""

from __future__ import annotations

from typing import NamedTuple

from service.domain import accounts
from service.domain.accounts import Account


class Check(NamedTuple):
    """One thing that must hold: ``breaches`` selects the rows for which it does not."""

    name: str
    says: str
    examined: str
    breaches: str


# The currencies that a tenant's books know: what was asked for, and what Stripe settled it in.
BOOKS = """(
    SELECT tenant_id, currency FROM journals
    UNION SELECT tenant_id, currency FROM balance_transactions
) AS b"""


def _holds(account: Account, name: str, row: str) -> str:
    """What an account holds, on its normal side, from the entries alone. ``row`` is the alias whose
    tenant and currency count.
    """
    return f"""\
(SELECT coalesce(sum(e.amount_minor), 0) * {account.normal} FROM entries AS e
    WHERE e.tenant_id = {row}.tenant_id AND e.account = {name}
    AND e.currency = {row}.currency)"""


def of_milestone(account: Account) -> str:
    """What an account of milestone ``m`` of escrow ``e0`` holds."""
    return _holds(account, account.sql(milestone="m.milestone_id"), "e0")


def platform(account: Account) -> str:
    """What an account of the platform itself holds, in a row of ``BOOKS``."""
    assert account.book == accounts.PLATFORM
    return _holds(account, account.sql(), "b")


def as_json(statement: str, *columns: str) -> str:
    """The same rows, each as the text of one JSON object, by the names of their columns or by
    these: whatever SQL can hold can be told so, also a time for which Python has no value.
    """
    names = f" ({', '.join(columns)})" if columns else ""
    return f"SELECT to_jsonb(told)::text FROM (\n{statement}\n) AS told{names}"
