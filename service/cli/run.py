"""Runs a command, and gives its exit status: every way of failing ends here."""

from __future__ import annotations

import errno
import os
import signal
import sys

import typer

from service.cli.commands import app
from service.cli.failures import fail
from service.cli.printing import OutputFailed, ReaderGone
from service.cli.problems import problems
from service.domain.errors import Refusal

INTERRUPTED = 1
READER_GONE = 128 + signal.SIGPIPE  # as a shell says it


def run() -> int:
    """Runs what the arguments of this process name. Anything that escapes is a bug."""
    # Where the arguments themselves are wrong, nobody has read them.
    as_json = "--json" in sys.argv
    expected: tuple[type[Exception], ...] = (typer.TyperException, Refusal, *problems())
    if any(_is_not_text(argument) for argument in sys.argv):
        return fail(typer.BadParameter("an argument is not UTF-8"), as_json=as_json)
    try:
        return app(standalone_mode=False) or 0
    except ReaderGone:
        _write_nothing_more()
        return READER_GONE
    except typer.Abort:
        print("Aborted.", file=sys.stderr)  # noqa: T201 - the program's voice
        return INTERRUPTED
    except (OutputFailed, OSError) as problem:
        if isinstance(problem, OSError):  # of a help, which typer writes by itself
            if problem.errno not in (errno.ENOSPC, errno.EIO):
                raise
            problem = OutputFailed(problem)
        _write_nothing_more()
        return fail(problem, as_json=as_json)
    except expected as problem:
        return fail(problem, as_json=as_json)


def _write_nothing_more() -> None:
    """What Python flushes yet goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_not_text(argument: str) -> bool:
    """Bytes that are not UTF-8 come as halves of characters, which nothing can write."""
    return any("\ud800" <= character <= "\udfff" for character in argument)
