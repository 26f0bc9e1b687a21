"""``escrow show``: whatever has a name, with its state, its money, its waits and its past."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from service.cli.explained_document import as_document
from service.cli.explained_tables import print_explained
from service.cli.printing import AsJson, people, print_json
from service.cli.reading import open_reader
from service.cli.tables import Rows, print_table, table
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import Missing
from service.operations.operators.explain.named import THEMSELVES, Explained, explain
from service.store.names import Named, find_named
from service.store.tenants import find_tenants

Name = Annotated[
    str,
    typer.Argument(
        help="Any id of ours, any of Stripe's that we store, any reference of a caller's, or the"
        " id of a request."
    ),
]
OfTenant = Annotated[str | None, typer.Option("--tenant", help="Whose. (else anybody's)")]


def show(name: Name, tenant: OfTenant = None, *, as_json: AsJson = False) -> None:
    """Shows what has this name: state, money, what it waits for and who can act, and its past.

    Where several have it they are listed, with their tenant. Stripe is not asked.
    """
    matches, explained = asyncio.run(_find(name.strip(), tenant))
    if as_json:
        listed = [_match_document(whose, named) for whose, named in matches]
        found = as_document(explained) if explained else {}
        print_json({"name": name, "matches": listed, **found})
    elif explained:
        print_explained(explained, tenant=matches[0][0])
    else:
        people.print(f"{len(matches)} have this name; show one by its id:", markup=False)
        rows: Rows = [_match_document(whose, named) for whose, named in matches]
        print_table(table(rows))


async def _find(name: str, tenant: str | None) -> tuple[list[tuple[str, Named]], Explained | None]:
    """What has the name, and the only one explained.

    Raises:
        Missing: nothing has.
    """
    async with open_reader() as runtime:
        tenants = [tenant] if tenant else await find_tenants(runtime.pool)
        matches = [
            (whose, named)
            for whose in tenants
            for named in await find_named(runtime.pool, whose, name)
        ]
        if not matches:
            raise Missing(
                f"Nothing is called {name!r} here (tenants: {', '.join(tenants) or 'none yet'}).",
                name=name,
            )
        if len(matches) > 1 and not _same_escrow(matches):
            return matches, None
        whose, named = matches[0]
        call = Call(whose, "cli:reader", Party.OPERATOR)
        return matches, await explain(runtime, call, named)


def _same_escrow(matches: list[tuple[str, Named]]) -> bool:
    """Whether one escrow shows all of it: a refund that was adopted, and what it had frozen."""
    whose = {(tenant, named.escrow_id) for tenant, named in matches}
    return len(whose) == 1 and all(
        named.escrow_id is not None and named.kind not in THEMSELVES for _, named in matches
    )


def _match_document(tenant: str, named: Named) -> dict[str, str]:
    escrow_id = ids.show(ids.ESCROW, named.escrow_id) if named.escrow_id else ""
    return {"tenant": tenant, "kind": named.kind, "id": named.id, "escrow_id": escrow_id}
