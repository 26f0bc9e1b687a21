"""Every command of ``escrow``, in the order of its help."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli import (
    amendments,
    approvals,
    balances,
    cancellations,
    chaos,
    chargebacks,
    check_stripe_key,
    closings,
    deadlines,
    demo,
    disputes,
    docs,
    effects,
    events,
    explain,
    freezes,
    journals,
    log,
    migrate,
    payees,
    policy,
    process,
    receivables,
    refunds,
    reversals,
    shares,
    show,
    suspense,
    sweep,
    trial_balance,
    undecided,
    up,
    verify,
    version,
)
from service.cli.person import Person, name_person

app = typer.Typer(
    name="escrow",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, and so secrets
)


@app.callback()
def escrow(
    *,
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=version.print_release, help="Say which release."
        ),
    ] = False,
    person: Person = None,
) -> None:
    """Holds marketplace money: funded by the payer, released when the delivery is accepted."""
    name_person(person)


app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("serve")(process.serve)
app.command("work")(process.work)
app.add_typer(migrate.app, name="migrate")
app.command("show")(show.show)
app.command("explain")(explain.explain)
app.command("journals")(journals.journals)
app.command("log")(log.log)
app.command("watch")(log.watch)
app.command("balances")(balances.balances)
app.command("trial-balance")(trial_balance.trial_balance_command)
app.command("verify")(verify.verify)
app.command("sweep")(sweep.sweep)
app.command("check-stripe-key")(check_stripe_key.check_stripe_key)
app.add_typer(effects.app, name="effects")
app.add_typer(events.app, name="events")
app.add_typer(suspense.app, name="suspense")
app.add_typer(refunds.app, name="refunds")
app.add_typer(reversals.app, name="reversals")
app.add_typer(receivables.app, name="receivables")
app.add_typer(chargebacks.app, name="chargebacks")
app.add_typer(disputes.app, name="disputes")
app.add_typer(payees.app, name="payees")
app.add_typer(approvals.app, name="approvals")
app.add_typer(policy.app, name="policy")
app.add_typer(freezes.app, name="freezes")
app.add_typer(cancellations.app, name="cancellations")
app.add_typer(amendments.app, name="amendments")
app.add_typer(deadlines.app, name="deadlines")
app.add_typer(shares.app, name="shares")
app.command("undecided")(undecided.undecided)
app.add_typer(closings.app, name="closings")
app.command(
    "chaos",
    add_help_option=False,  # every option is for the driver, and --help too
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(chaos.chaos)
app.command("docs")(docs.docs)
app.command("version")(version.version)
