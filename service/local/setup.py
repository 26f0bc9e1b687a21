"""What ``escrow up`` was asked to run, and where: read from its options and the environment."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.local.identities import Identities
from service.local.problem import LocalProblem

HOST = "127.0.0.1"
TENANT = "default"
STRIPE = "https://api.stripe.com"
ENDPOINTS = ("platform", "connect")


class SetupProblem(LocalProblem):
    """The system cannot be started as asked."""


@dataclass(frozen=True, slots=True)
class RealStripe:
    """A test account at Stripe itself, as the environment names it."""

    secret_key: str = field(repr=False)
    api_base: str
    webhook_secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Setup:
    """``stripe`` is None to use the sandbox, ``database_url`` to use the embedded PostgreSQL."""

    folder: Path
    grpc_port: int
    gateway_port: int
    sandbox_port: int
    stripe: RealStripe | None
    database_url: str | None

    @property
    def identities(self) -> Identities:
        """Who may call, and by which certificates."""
        return Identities(self.folder / "tls")

    @property
    def target(self) -> str:
        return f"{HOST}:{self.grpc_port}"

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def sandbox_url(self) -> str | None:
        return None if self.stripe else f"http://{HOST}:{self.sandbox_port}"

    @property
    def database_folder(self) -> Path:
        """What the sandbox has made does not exist at Stripe, and the other way round."""
        return self.folder / ("postgres-at-stripe" if self.stripe else "postgres")

    def webhook_url(self, endpoint: str) -> str:
        """Where Stripe posts its events; ``endpoint`` is platform or connect."""
        return f"{self.gateway_url}/stripe/{TENANT}/{endpoint}"


def read_setup(folder: Path, grpc_port: int, gateway_port: int, sandbox_port: int) -> Setup:
    """Joins the options with the environment. A port of 0 becomes a free one.

    Raises:
        SetupProblem: ports are taken, and it names all of them; or the Stripe account of the
            environment cannot be used.
    """
    stripe = _real_stripe()
    asked = {"grpc": grpc_port, "gateway": gateway_port}
    asked |= {} if stripe else {"sandbox": sandbox_port}
    chosen, problems = {"sandbox": sandbox_port}, []
    for name, port in asked.items():
        try:
            chosen[name] = _free(port)
        except OSError as error:
            problems.append((f"port {port} ({_reason(error)})", f"--{name}-port 0"))
    if problems:
        what, options = zip(*problems, strict=True)
        raise SetupProblem(
            f"cannot listen on {HOST}: {', '.join(what)}; stop what listens there, or let free"
            f' ports be taken: make run ARGS="{" ".join(options)}"'
        )
    return Setup(
        folder,
        chosen["grpc"],
        chosen["gateway"],
        chosen["sandbox"],
        stripe,
        os.environ.get("ESCROW_DATABASE_URL") or None,
    )


def _free(port: int) -> int:
    """The port, or any for 0. Raises OSError: it is taken."""
    with socket.create_server((HOST, port)) as probe:
        found: int = probe.getsockname()[1]
        return found


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _real_stripe() -> RealStripe | None:
    key = os.environ.get("STRIPE_SECRET_KEY", "").strip()
    if not key:
        return None
    if not key.startswith(("sk_test_", "rk_test_")):
        raise SetupProblem(
            "STRIPE_SECRET_KEY is not a test key (sk_test_...): a story is played with it, so it "
            "is never a live one; unset it to use the sandbox"
        )
    given = {
        name: os.environ.get(f"STRIPE_WEBHOOK_SECRET_{name.upper()}", "") for name in ENDPOINTS
    }
    if not all(given.values()):
        raise SetupProblem(
            "with STRIPE_SECRET_KEY set, also set STRIPE_WEBHOOK_SECRET_PLATFORM and "
            "STRIPE_WEBHOOK_SECRET_CONNECT, both to what `stripe listen --print-secret` says (the "
            "Stripe CLI signs all that it forwards with one secret); or unset STRIPE_SECRET_KEY to "
            "use the sandbox"
        )
    api_base = os.environ.get("STRIPE_API_BASE", "").strip().rstrip("/") or STRIPE
    return RealStripe(key, api_base, given)
