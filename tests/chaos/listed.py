"""What Stripe lists, and whose it is: by the marks in its metadata, not by code of the service."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from tests.chaos.strangers import ORDER
from tests.scenarios.sandbox_client import Json, SandboxClient


def is_ours(made: Json) -> bool:
    """Whether a refund, or a reversal, was asked for by an effect of ours."""
    return "effect" in (made["metadata"] or {})


class AtStripe(NamedTuple):
    """What Stripe lists, by id."""

    moved: dict[str, Json]
    charges: dict[str, Json]
    refunds: dict[str, Json]
    disputes: dict[str, Json]
    transfers: dict[str, Json]
    warnings: dict[str, Json]
    adopted: set[str]
    """The refunds that strangers made, and operators made ours."""
    taken: Counter[str]
    """What operators said of the reversals that strangers made: how much of each is explained."""

    @property
    def reversals(self) -> dict[str, Json]:
        """Every one is shown by its transfer."""
        shown = (r for t in self.transfers.values() for r in t["reversals"]["data"])
        return {reversal["id"]: reversal for reversal in shown}


async def read_lists(sandbox: SandboxClient, taken_over: set[str], taken: Counter[str]) -> AtStripe:
    expand = {"expand[0]": "data.source"}
    lists = [await sandbox.all_of("/v1/balance_transactions", **expand)] + [
        await sandbox.all_of(f"/v1/{name}")
        for name in ("charges", "refunds", "disputes", "transfers", "radar/early_fraud_warnings")
    ]
    moved, charges, *others = ({each["id"]: each for each in found} for found in lists)
    refunds, disputes, transfers, warnings = others
    return AtStripe(moved, charges, refunds, disputes, transfers, warnings, taken_over, taken)


def cause_of(source: Json, there: AtStripe) -> Json:
    """The charge or the transfer that a balance transaction is of, or that it takes back."""
    if charge := source.get("charge"):
        return there.charges[charge]
    if transfer := source.get("transfer"):
        return there.transfers[transfer]
    return source


def is_impersonation(cause: Json) -> bool:
    return ORDER in cause["metadata"] and "payment" in cause["metadata"]


def payment_of(there: AtStripe, charge: str | None) -> str:
    """The payment of ours that a charge is of, or claims to be of; "" of another product's."""
    metadata: Mapping[str, str] = there.charges[charge]["metadata"] if charge else {}
    return metadata.get("payment", "")
