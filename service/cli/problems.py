"""What an operator can mend: `main` prints one line about it, and no traceback."""

from __future__ import annotations

from importlib.util import find_spec

import asyncpg

from escrow.client import CredentialsUnusable
from service.cli.calling import NoAnswer, ServiceRefusal
from service.cli.checkout import CheckoutOnly
from service.cli.csv_output import CsvProblem
from service.cli.docs import DocsDiffer
from service.cli.policy_files import PolicyProblem
from service.config import ConfigError
from service.database import DatabaseProblem
from service.domain.errors import DatabaseUnavailable
from service.migrations import MigrationError
from service.rpc.contract import ContractError
from service.rpc.grpc_server import PortTaken
from service.rpc.identity.verified import AuthFileUnusable
from service.rpc.tls import TlsFilesUnusable

PROBLEMS = (
    CheckoutOnly,
    ConfigError,
    ContractError,
    CredentialsUnusable,
    CsvProblem,
    DatabaseProblem,
    DatabaseUnavailable,
    DocsDiffer,
    MigrationError,
    NoAnswer,
    PolicyProblem,
    PortTaken,
    ServiceRefusal,
    asyncpg.InsufficientPrivilegeError,  # another login: the one that migrates, say
    AuthFileUnusable,
    TlsFilesUnusable,
)


def problems() -> tuple[type[Exception], ...]:
    """All of them, with those of service.local where it is installed."""
    if find_spec("service.local") is None:
        return PROBLEMS
    from service.local.problem import LocalProblem  # noqa: PLC0415 - the image has no service.local

    return (*PROBLEMS, LocalProblem)
