"""The command line, ``escrow``; ``escrow --help`` lists the commands.

Every command speaks to people; ``--json`` makes it speak to programs, in one shape that
docs/command-line.md describes. Exit status: 0 done, 1 the books or the schema are not what they
should be, 2 it could not be done (one line on standard error says why, and nothing was
changed) or no answer came (the line says how to repeat it).
"""

from __future__ import annotations

import os
import signal
import sys

SERVING = {"serve", "work"}  # which keep gRPC's own log


def main() -> None:
    """Runs the command line; a problem that an operator can mend is one line, not a traceback."""
    # gRPC would log whenever a process that has a channel starts a program; read at its import.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    # Nor what a failed handshake looks like from inside: a command says it in one line.
    if not SERVING & {*sys.argv}:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # The imports take a second: Ctrl-C meanwhile ends the process, and not in the middle of one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from service.cli.run import run  # noqa: PLC0415 - see above

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run())
