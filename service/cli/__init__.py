"""The command line, ``escrow``: up, demo, serve, work, migrate, journals, verify, docs, version.

Every command speaks to people; ``--json`` makes it speak to programs. Exit status: 0 done, 1 the
books or the schema are not what they should be, 2 it could not be done (one line says why).
"""

from __future__ import annotations

import os
import sys

import typer

# Read when gRPC is imported. It would log whenever a process that has a channel starts a program.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from service.cli import demo, docs, journals, migrate, process, up, verify, version

app = typer.Typer(
    name="escrow",
    help="Holds marketplace money: funded by the payer, released when the delivery is accepted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, and so secrets
)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("serve")(process.serve)
app.command("work")(process.work)
app.add_typer(migrate.app, name="migrate")
app.command("journals")(journals.journals)
app.command("verify")(verify.verify)
app.command("docs")(docs.docs)
app.command("version")(version.version)


def main() -> None:
    """Runs the command line; what an operator can mend is one line, and not a traceback."""
    from service.cli.problems import PROBLEMS  # noqa: PLC0415 - slow, and not needed for --help

    try:
        app()
    except PROBLEMS as problem:
        print(f"escrow: {problem}", file=sys.stderr)  # noqa: T201 - this is the program's voice
        sys.exit(2)
