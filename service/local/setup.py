"""What ``escrow up`` runs where: its folder, ports, secrets, and each process's environment."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
TENANT = "default"
SANDBOX_KEY = "sk_test_sandbox"  # the sandbox takes any, and no other Stripe takes this one
ENDPOINTS = ("platform", "connect")
# What would make our processes run otherwise than planned here.
NOT_INHERITED = (
    "ESCROW_TENANTS_FILE",
    "ESCROW_GRPC_HOST",
    "ESCROW_GATEWAY_HOST",
    "ESCROW_DIRECT_DATABASE_URL",
)


class SetupProblem(Exception):
    """It cannot be started as asked. The message is one line: what is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class RealStripe:
    """A test account at Stripe itself, as the environment names it."""

    secret_key: str = field(repr=False)
    webhook_secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Setup:
    """What was asked for. ``stripe`` is None for the sandbox, ``database_url`` for our own."""

    folder: Path
    grpc_port: int
    gateway_port: int
    sandbox_port: int
    stripe: RealStripe | None
    database_url: str | None

    @property
    def target(self) -> str:
        return f"{HOST}:{self.grpc_port}"

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def sandbox_url(self) -> str | None:
        return None if self.stripe else f"http://{HOST}:{self.sandbox_port}"

    def webhook_url(self, endpoint: str) -> str:
        """Where Stripe posts its events; ``endpoint`` is platform or connect."""
        return f"{self.gateway_url}/stripe/{TENANT}/{endpoint}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is, for who comes later: people, ``escrow demo``, scripts."""

    grpc: str
    gateway: str
    sandbox: str | None
    database_url: str
    tenant: str
    logs: str
    pid: int


def read_setup(folder: Path, grpc_port: int, gateway_port: int, sandbox_port: int) -> Setup:
    """The options and the environment together. A port of 0 becomes a free one.

    Raises:
        SetupProblem: a port is taken, or the environment names an account that will not do.
    """
    stripe = _real_stripe()
    chosen = {
        "grpc": _port("--grpc-port", grpc_port),
        "gateway": _port("--gateway-port", gateway_port),
        "sandbox": sandbox_port if stripe else _port("--sandbox-port", sandbox_port),
    }
    return Setup(
        folder,
        chosen["grpc"],
        chosen["gateway"],
        chosen["sandbox"],
        stripe,
        os.environ.get("ESCROW_DATABASE_URL") or None,
    )


def _port(option: str, port: int) -> int:
    try:
        with socket.create_server((HOST, port)) as probe:
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        raise SetupProblem(
            f"port {port} on {HOST} cannot be used ({_reason(error)}): "
            f"stop what listens there, or choose another with {option}"
        ) from None


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _real_stripe() -> RealStripe | None:
    key = os.environ.get("STRIPE_SECRET_KEY", "").strip()
    if not key:
        return None
    if not key.startswith(("sk_test_", "rk_test_")):
        raise SetupProblem(
            "STRIPE_SECRET_KEY is not a test key (sk_test_...): this believes every caller, so it "
            "never gets a live one; unset it to use the sandbox"
        )
    given = {
        name: os.environ.get(f"STRIPE_WEBHOOK_SECRET_{name.upper()}", "") for name in ENDPOINTS
    }
    if not all(given.values()):
        raise SetupProblem(
            "with STRIPE_SECRET_KEY set, also set STRIPE_WEBHOOK_SECRET_PLATFORM and "
            "STRIPE_WEBHOOK_SECRET_CONNECT to what `stripe listen --print-secret` says; "
            "or unset it to use the sandbox"
        )
    return RealStripe(key, given)


# --- the folder ---------------------------------------------------------------------------------


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """One at a time. The kernel lets go of the lock however this process ends.

    Raises:
        SetupProblem: somebody else has it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "up.lock").open("a+")
    except OSError as error:
        raise SetupProblem(f"cannot use {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SetupProblem(
                f"`escrow up` runs already in {folder} (process {lock.read().strip() or 'unknown'})"
                ": stop it, or choose another folder with --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
        lock.truncate(0)


@contextmanager
def published(folder: Path, addresses: Addresses) -> Iterator[None]:
    """Writes the addresses down for as long as they are true, also as `env` for a shell."""
    exported = {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": addresses.database_url,
        "ESCROW_SERVICE_TARGET": addresses.grpc,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exported.items()]
    files = {
        folder / "up.json": json.dumps(asdict(addresses), indent=2),
        folder / "env": "# What `escrow up` runs; gone when it stops.\n" + "\n".join(lines),
    }
    for file, text in files.items():
        write_private(file, text + "\n")
    try:
        yield
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def read_addresses(folder: Path) -> Addresses:
    """What runs in the folder. Raises SetupProblem when nothing does."""
    try:
        addresses = Addresses(**json.loads((folder / "up.json").read_text()))
        os.kill(addresses.pid, 0)
    except (OSError, ValueError, TypeError):
        raise SetupProblem(
            f"nothing runs in {folder}: start it with `escrow up`, or name its --data-dir"
        ) from None
    return addresses


def write_private(file: Path, text: str) -> None:
    """Writes a file that nobody else may read."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)


# --- the processes' environments ----------------------------------------------------------------


def new_webhook_secrets() -> Mapping[str, str]:
    """One for each endpoint; made anew for every start, kept by nobody but the two programs."""
    return {endpoint: f"whsec_{secrets.token_urlsafe(32)}" for endpoint in ENDPOINTS}


def service_environment(setup: Setup, database_url: str) -> dict[str, str]:
    """For ``serve`` and ``work``."""
    environment = _inherited() | {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": database_url,
        "ESCROW_GRPC_PORT": str(setup.grpc_port),
        "ESCROW_REFLECTION": "true",
    }
    if setup.sandbox_url:
        environment |= {
            "STRIPE_SECRET_KEY": SANDBOX_KEY,
            "STRIPE_API_BASE": setup.sandbox_url,
            "STRIPE_RATE_PER_S": "1000",  # it has no limit
        }
    return environment


def gateway_environment(setup: Setup, webhook_secrets: Mapping[str, str]) -> dict[str, str]:
    """For the gateway."""
    named = {
        f"STRIPE_WEBHOOK_SECRET_{endpoint.upper()}": secret
        for endpoint, secret in webhook_secrets.items()
    }
    return (
        _inherited()
        | named
        | {
            "ESCROW_GATEWAY_PORT": str(setup.gateway_port),
            "ESCROW_SERVICE_TARGET": setup.target,
        }
    )


def sandbox_environment() -> dict[str, str]:
    """For the sandbox: it takes options only."""
    return _inherited()


def _inherited() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return kept | {"PYTHONUNBUFFERED": "1"}
