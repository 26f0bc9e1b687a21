"""What people name on the command line, found by the login that reads. What is the id that a call
needs already is not looked up.
"""

from __future__ import annotations

import asyncio
import re
from uuid import UUID

import typer

from service.cli.reading import open_reader
from service.domain import ids
from service.domain.errors import (
    DeadlineMissing,
    EscrowMissing,
    FreezeMissing,
    MilestoneMissing,
    Missing,
    ProposalMissing,
)
from service.store.books import Connection
from service.store.escrows import find_escrow
from service.store.names import find_named

_ESCROW_ID = re.compile(r"esc_[0-9a-f]{32}")
_MILESTONE_ID = re.compile(r"mst_[0-9a-f]{32}")
_FREEZE_ID = re.compile(r"frz_[0-9a-f]{32}")
_PROPOSAL_ID = re.compile(r"prp_[0-9a-f]{32}")
_DEADLINE_ID = re.compile(r"ddl_[0-9a-f]{32}")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")


async def find_escrow_named(
    connection: Connection, tenant: str, name: str, *, hint: str = "ESCROW"
) -> UUID:
    """By its id, its reference or whatever else leads to it. ``hint`` names the argument.

    Raises:
        EscrowMissing: nothing does. typer.BadParameter: that could be several.
    """
    if _ESCROW_ID.fullmatch(name):
        return ids.parse(name)
    named = await find_named(connection, tenant, name)
    found = sorted({each.escrow_id for each in named if each.escrow_id})
    if not found:
        raise EscrowMissing(f"No escrow of tenant {tenant} is called {name!r}.")
    if len(found) > 1:
        shown = ", ".join(ids.show(ids.ESCROW, each) for each in found)
        raise typer.BadParameter(
            f"{len(found)} escrows are called {name!r}: {shown}", param_hint=hint
        )
    return found[0]


def escrow_named(tenant: str, name: str, *, hint: str = "ESCROW") -> str:
    """The id of an escrow; see ``find_escrow_named``."""
    if _ESCROW_ID.fullmatch(name):
        return name

    async def find() -> UUID:
        async with open_reader() as runtime:
            return await find_escrow_named(runtime.pool, tenant, name, hint=hint)

    return ids.show(ids.ESCROW, asyncio.run(find()))


def milestone_named(tenant: str, escrow: str, milestone: str) -> tuple[str, str]:
    """The ids of an escrow and of its milestone, which is named by its id or its number.

    Raises:
        EscrowMissing, MilestoneMissing. typer.BadParameter: it is neither.
    """
    if _MILESTONE_ID.fullmatch(milestone):
        return escrow_named(tenant, escrow), milestone
    if not _NUMBER.fullmatch(milestone):
        says = f"{milestone!r} is neither mst_ and 32 hexadecimal digits nor a number from 1"
        raise typer.BadParameter(says, param_hint="MILESTONE")

    async def find() -> tuple[UUID, UUID]:
        async with open_reader() as runtime:
            escrow_id = await find_escrow_named(runtime.pool, tenant, escrow)
            records = await find_escrow(runtime.pool, tenant, escrow_id)
            if records is None:
                raise EscrowMissing
            if int(milestone) > len(records.milestones):
                most = len(records.milestones)
                raise MilestoneMissing(f"This escrow has no milestone {milestone}, but {most}.")
            return escrow_id, records.milestones[int(milestone) - 1].milestone_id

    escrow_id, milestone_id = asyncio.run(find())
    return ids.show(ids.ESCROW, escrow_id), ids.show(ids.MILESTONE, milestone_id)


def check_freeze_id(freeze_id: str) -> None:
    """Raises typer.BadParameter."""
    if not _FREEZE_ID.fullmatch(freeze_id):
        raise typer.BadParameter(f"{freeze_id!r} is not frz_ and 32 hexadecimal digits")


def check_deadline_id(deadline_id: str) -> None:
    """Raises typer.BadParameter."""
    if not _DEADLINE_ID.fullmatch(deadline_id):
        raise typer.BadParameter(f"{deadline_id!r} is not ddl_ and 32 hexadecimal digits")


def check_proposal_id(proposal_id: str) -> None:
    """Raises typer.BadParameter."""
    if not _PROPOSAL_ID.fullmatch(proposal_id):
        raise typer.BadParameter(f"{proposal_id!r} is not prp_ and 32 hexadecimal digits")


def escrow_of_deadline(tenant: str, deadline_id: str) -> str:
    """The id of the escrow that a deadline is of.

    Raises:
        DeadlineMissing. typer.BadParameter: it is no deadline's id.
    """
    check_deadline_id(deadline_id)
    missing = DeadlineMissing(f"No deadline {deadline_id} runs here.", deadline_id=deadline_id)
    return _escrow_of(tenant, deadline_id, missing)


def escrow_of_proposal(tenant: str, proposal_id: str) -> str:
    """The id of the escrow that a proposal is of.

    Raises:
        ProposalMissing. typer.BadParameter: it is no proposal's id.
    """
    check_proposal_id(proposal_id)
    missing = ProposalMissing(f"There is no {proposal_id} here.", proposal_id=proposal_id)
    return _escrow_of(tenant, proposal_id, missing)


def escrow_of_freeze(tenant: str, freeze_id: str) -> str:
    """The id of the escrow that a freeze is of.

    Raises:
        FreezeMissing. typer.BadParameter: it is no freeze's id.
    """
    check_freeze_id(freeze_id)
    missing = FreezeMissing(f"There is no freeze {freeze_id} here.", freeze_id=freeze_id)
    return _escrow_of(tenant, freeze_id, missing)


def _escrow_of(tenant: str, child_id: str, missing: Missing) -> str:
    """The id of the escrow that something is below; raises what is given."""

    async def find() -> UUID:
        async with open_reader() as runtime:
            found = await find_named(runtime.pool, tenant, child_id)
        if not found or found[0].escrow_id is None:
            raise missing
        return found[0].escrow_id

    return ids.show(ids.ESCROW, asyncio.run(find()))
