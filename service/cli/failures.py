"""What a command says when it fails: one line on standard error, or one JSON object there.

Exit status: 1 the books or the schema are not what they should be, or somebody said no; 2 it could
not be done, and nothing was changed, or no answer came (NO_ANSWER).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import typer

from service.cli.calling import NoAnswer, ServiceRefusal
from service.cli.printing import as_text
from service.domain.errors import Refusal
from service.rpc.errors import status_of

NOT_DONE = 2


def fail(problem: Exception, *, as_json: bool) -> int:
    """Says what went wrong; the exit status."""
    message, details = _told(problem)
    if not message:  # no command was named: its help has been printed instead
        return NOT_DONE
    line = " ".join(message.split())
    if as_json:
        print(as_text({"error": {"message": line, **details}}), file=sys.stderr)  # noqa: T201
    else:
        facts = _facts(message, details["metadata"])
        print(f"escrow: {line}{facts}", file=sys.stderr)  # noqa: T201 - its voice
    return NOT_DONE


def _told(problem: Exception) -> tuple[str, dict[str, Any]]:
    violations = [asdict(each) for each in getattr(problem, "violations", ())]
    if isinstance(problem, Refusal):
        status, reason = status_of(type(problem)).name, problem.reason()
        return problem.message, _details(status, reason, problem.metadata, violations)
    if isinstance(problem, ServiceRefusal):
        told = problem.details
        says = told.message or f"the service answered {problem.status}"
        return says, _details(problem.status, told.reason, told.metadata, violations)
    if isinstance(problem, NoAnswer):
        return str(problem), _details("UNAVAILABLE", "NO_ANSWER")
    if isinstance(problem, typer.TyperException):
        return problem.format_message(), _details("INVALID_ARGUMENT", "USAGE")
    reason = re.sub(r"(?<!^)(?=[A-Z])", "_", type(problem).__name__).upper()
    return str(problem), _details("FAILED_PRECONDITION", reason, violations=violations)


def _details(
    status: str,
    reason: str,
    metadata: Mapping[str, str] | None = None,
    violations: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "status": status,
        "reason": reason,
        "metadata": dict(metadata or {}),
        "violations": violations or [],
    }


def _facts(message: str, metadata: Mapping[str, str]) -> str:
    """What the sentence does not say already; it has the amounts in words."""
    untold = [
        f"{name}: {text}"
        for name, text in metadata.items()
        if text not in message and not name.endswith("_minor")
    ]
    return f" ({', '.join(untold)})" if untold else ""
