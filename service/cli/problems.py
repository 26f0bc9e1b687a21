"""What an operator can mend, and so is told in one line."""

from __future__ import annotations

from service.cli.chaos import NoTestEquipment
from service.cli.docs import DocsDiffer
from service.config import ConfigError
from service.database import DatabaseProblem
from service.local.children import ChildEnded
from service.local.postgres.embedded import EmbeddedPostgresError
from service.local.schema_dump import SchemaDumpError
from service.local.setup import SetupProblem
from service.local.story.stage import StoryStuck
from service.migrations import MigrationError
from service.rpc.contract import ContractError
from service.rpc.grpc_server import PortTaken

PROBLEMS = (
    ChildEnded,
    ConfigError,
    ContractError,
    DatabaseProblem,
    DocsDiffer,
    EmbeddedPostgresError,
    MigrationError,
    NoTestEquipment,
    PortTaken,
    SchemaDumpError,
    SetupProblem,
    StoryStuck,
)
