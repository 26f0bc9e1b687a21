"""The statements that are rightly not of one tenant, by their names, each with why it is not.

A statement that is not among them has to enter every table by its tenant: test_tenant_of_tables.py,
test_one_tenant.py, test_distribution_rules.py. One is added here only when it answers nobody but
workers, operators of the installation and `escrow verify`, may be slow, and no commit waits for it.
"""

import re
from collections.abc import Mapping

FINDS_WORK = "finds at which tenants there is something to do, whatever it is"
LEASES = "takes what is due, of all tenants, for one worker; on a distributed database per tenant"
LOCKED = "reads the keys of rows that a lease took and that cannot be read"
PROVES = "is verification: it reads everything, and names the tenant of what is wrong"
WATCHED = "counts what waits, for the metrics of the installation"
OPERATED = "is read by who operates the installation, and names the tenant of each row"

WHY: Mapping[str, str] = {
    "balances.NOT_DUE": FINDS_WORK,
    "effects.DUE_TENANTS": FINDS_WORK,
    "deadlines.DUE_TENANTS": FINDS_WORK,
    "receivables.DUE": FINDS_WORK,
    "releases.WAITING": FINDS_WORK,
    "stripe_events.DUE_TENANTS": FINDS_WORK,
    "sweeps.FIND_DUE": FINDS_WORK,
    "deadlines.LEASE_DUE": LEASES,
    "effects.LEASE_DUE": LEASES,
    "stripe_events.LEASE": LEASES,
    "effects.LEASED_UNTIL": LOCKED,
    "stripe_events.LEASED_UNTIL": LOCKED,
    "books.BALANCES": PROVES,
    "books.JOURNALS": PROVES,
    "closings.LIST": OPERATED,
    "queues.OF_TENANTS closings": WATCHED,
    "queues.OF_TENANTS sweeps": WATCHED,
    "queues.WAITING approvals": WATCHED,
    "queues.WAITING chargebacks": WATCHED,
    "queues.WAITING deadlines": WATCHED,
    "queues.WAITING differences": WATCHED,
    "queues.WAITING effects": WATCHED,
    "queues.WAITING evidence": WATCHED,
    "queues.WAITING freezes": WATCHED,
    "queues.WAITING hold_limits": WATCHED,
    "queues.WAITING inbox": WATCHED,
    "queues.WAITING receivables": WATCHED,
    "queues.WAITING refunds": WATCHED,
    "queues.WAITING set_aside": WATCHED,
    "queues.WAITING settlements": WATCHED,
    "queues.WAITING strange_answers": WATCHED,
    "queues.WAITING suspense": WATCHED,
    "queues.WAITING transfers": WATCHED,
    "queues.WAITING unexplained": WATCHED,
    "tenants.TENANTS": OPERATED,
    "verify, I1 zero sum": PROVES,
    "verify, I2 moved by": PROVES,
    "verify, I2 stripe": PROVES,
    "verify, I3 no liability below zero": PROVES,
    "verify, I4 cover": PROVES,
    "verify, I5 I6 milestones": PROVES,
    "verify, I5 frozen": PROVES,
    "verify, I7 told once": PROVES,
    "verify, amendments": PROVES,
    "verify, deadlines": PROVES,
    "verify, disputes": PROVES,
    "verify, chargebacks": PROVES,
    "verify, dispute fees": PROVES,
    "verify, connected": PROVES,
    "verify, events": PROVES,
    "verify, exchange": PROVES,
    "verify, held": PROVES,
    "verify, in flight": PROVES,
    "verify, moments": PROVES,
    "verify, payable": PROVES,
    "verify, payments": PROVES,
    "verify, readable": PROVES,
    "verify, receivables": PROVES,
    "verify, refunds": PROVES,
    "verify, sequence": PROVES,
    "verify, sequence of escrows": PROVES,
    "verify, split": PROVES,
    "verify, snapshots": PROVES,
    "verify, timeline": PROVES,
    "verify, transfers": PROVES,
    "verify, waiting, accounts at Stripe that were never read (escrow sweep)": PROVES,
    "verify, waiting, balance transactions that cannot be booked yet": PROVES,
    "verify, waiting, balance transactions that nobody has explained": PROVES,
    "verify, waiting, chargebacks that nobody has settled (escrow chargebacks list --unsettled)": (
        PROVES
    ),
    "verify, waiting, deadlines that were put off (escrow deadlines list)": PROVES,
    "verify, waiting, disputes that an operator has to decide (escrow disputes list --state"
    " mediation)": PROVES,
    "verify, waiting, events set aside for a person (escrow events list)": PROVES,
    "verify, waiting, events to apply": PROVES,
    "verify, waiting, freezes": PROVES,
    "verify, waiting, journals from beyond the database's clock": PROVES,
    "verify, waiting, open effects": PROVES,
    "verify, waiting, open effects whose answer does not fit, for a person (escrow effects"
    " list)": PROVES,
    "verify, waiting, operations older than a minute without a position in their sequence": PROVES,
    "verify, waiting, payments in suspense (escrow suspense list)": PROVES,
    "verify, waiting, payments not settled": PROVES,
    "verify, waiting, refunds that are not with the payer": PROVES,
    "verify, waiting, refunds that failed, for a person (escrow refunds list)": PROVES,
    "verify, waiting, what waits for a second person (escrow approvals list)": PROVES,
    "verify, waiting, what payees owe (escrow receivables list)": PROVES,
    "verify, waiting, releases waiting for their payee or a retry": PROVES,
}
"""By the name of the statement, as test_statements.py has it, without the package."""


def short(name: str) -> str:
    """A statement of a module has a long name too, a queue a shorter one, and a check comes with
    the statement that counts what it examined.
    """
    name = name.removeprefix("service.store.").removesuffix(", examined")
    return re.sub(r"^queues\.(?=[a-z])", "queues.WAITING ", name)


def across_tenants(name: str) -> str:
    """Why a statement is not of one tenant; "" when it has to be."""
    return WHY.get(short(name), "")
