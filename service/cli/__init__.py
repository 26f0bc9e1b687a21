"""The command line, ``escrow``: up, demo, serve, work, migrate, journals, balances, verify, sweep,
effects, events, suspense, chaos, docs, version.

Every command speaks to people; ``--json`` makes it speak to programs. Exit status: 0 done, 1 the
books or the schema are not what they should be, 2 it could not be done (one line says why).
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Runs the command line; a problem that an operator can mend is one line, not a traceback."""
    # gRPC would log whenever a process that has a channel starts a program; read at its import.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    # The imports take a second: Ctrl-C meanwhile ends the process, and not in the middle of one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from service.cli.commands import app  # noqa: PLC0415 - see above
    from service.cli.problems import problems  # noqa: PLC0415 - likewise

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except problems() as problem:
        print(f"escrow: {problem}", file=sys.stderr)  # noqa: T201 - this is the program's voice
        sys.exit(2)
