"""The folder of ``escrow up``: held by one process at a time, and where it says what runs."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import starmap
from pathlib import Path
from zlib import crc32

from service.local.environments import SANDBOX_KEY
from service.local.identities import Identities
from service.local.problem import LocalProblem

OWN = "ESCROW_UP_OWN"  # names of `env` with what they were set to, in short


class FolderProblem(LocalProblem):
    """The folder cannot be used, or nothing runs in it."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is, for people, ``escrow demo`` and scripts."""

    grpc: str
    gateway: str
    sandbox: str | None
    database_url: str
    tenant: str
    logs: str
    tls: str
    """The folder of the certificates; see service/local/identities.py."""
    pid: int

    @property
    def identities(self) -> Identities:
        return Identities(Path(self.tls))


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Locks the folder, creating it if needed. The kernel releases the lock when this process ends.

    Raises:
        FolderProblem: another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "up.lock").open("a+")
    except OSError as error:
        raise FolderProblem(f"cannot use {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise FolderProblem(
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
    """Keeps the addresses in `up.json`, and in `env` for a shell, as long as the block runs."""
    exported = {
        "ESCROW_AUTH": "mtls",
        "ESCROW_DATABASE_URL": addresses.database_url,
        "ESCROW_SERVICE_TARGET": addresses.grpc,
        **addresses.identities.of_operator(),
    }
    if addresses.sandbox:  # a key for Stripe itself is never written to a file
        exported |= {"STRIPE_SECRET_KEY": SANDBOX_KEY, "STRIPE_API_BASE": addresses.sandbox}
    own = {n: v for n, v in exported.items() if v != os.environ.get(n)}
    exported[OWN] = " ".join(starmap(_mark, own.items()))
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


def forget_published(environment: MutableMapping[str, str]) -> None:
    """Takes out what a shell has from `env`: an earlier run was there, and another will be here.
    What somebody has set otherwise since is theirs.
    """
    own = set(environment.pop(OWN, "").split())
    for name, value in [*environment.items()]:
        if _mark(name, value) in own:
            del environment[name]


def _mark(name: str, value: str) -> str:
    return f"{name}={crc32(value.encode()):08x}"


def read_addresses(folder: Path) -> Addresses:
    """What runs in the folder. Raises FolderProblem when nothing does."""
    try:
        addresses = Addresses(**json.loads((folder / "up.json").read_text()))
        os.kill(addresses.pid, 0)
    except (OSError, ValueError, TypeError):
        raise FolderProblem(
            f"nothing runs in {folder}: start it with `escrow up`, or name its --data-dir"
        ) from None
    return addresses


def write_private(file: Path, text: str) -> None:
    """Writes a file that only its owner may read."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
