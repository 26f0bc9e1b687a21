"""Credentials that change while a program runs: certificates and tokens in files.

Kubernetes, cert-manager and Vault renew the files of a running program. They are looked at before a
call, every few seconds at most; what cannot be used leaves what was there before.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import grpc

__all__ = ["CredentialsUnusable", "Renewed", "Retired", "TlsFiles", "TokenFile"]

LOOK_EVERY_S = 5.0

log = logging.getLogger("escrow")

Made = TypeVar("Made")
Material = tuple[bytes, bytes | None, bytes | None]


class CredentialsUnusable(ValueError):
    """The files cannot be used. The message is one line, without what is in them."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Whose certificate is accepted of the server, and the program's own for mTLS (all PEM)."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None

    def read(self) -> Material:
        """The CA, the key and the certificate, as gRPC takes them.

        Raises:
            CredentialsUnusable.
        """
        if (self.certificate is None) is not (self.key is None):
            raise CredentialsUnusable("a certificate needs its key, and a key its certificate")
        files = self.ca, self.key, self.certificate
        try:
            ca, key, certificate = (file.read_bytes() if file else None for file in files)
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except ssl.SSLError as error:
            names = ", ".join(str(file) for file in files if file)
            raise CredentialsUnusable(
                f"cannot use {names}: {error.reason or 'not what they should be'}"
            ) from None
        except OSError as error:
            raise CredentialsUnusable(f"cannot read {error.filename}: {error.strerror}") from None
        assert ca is not None
        return ca, key, certificate


def _no_password() -> bytes:
    """OpenSSL would ask at the terminal."""
    return b""


class Renewed(Generic[Made]):
    """What is made of the files' credentials, a channel mostly, and made anew when they change.

    ``retire`` lets the old one go, which still has calls under way.

    Raises:
        CredentialsUnusable.
    """

    def __init__(
        self,
        files: TlsFiles,
        make: Callable[[grpc.ChannelCredentials], Made],
        retire: Callable[[Made], None],
    ) -> None:
        self._files = files
        self._make = make
        self._retire = retire
        self._used = files.read()
        self._made = make(grpc.ssl_channel_credentials(*self._used))
        self._look = _Look()

    def get(self) -> Made:
        """What is right for a call that begins now."""
        if self._look.is_due():
            self._renew()
        return self._made

    def _renew(self) -> None:
        try:
            found = self._files.read()
        except CredentialsUnusable as problem:
            self._look.failed(str(problem))
            return
        self._look.succeeded()
        if found != self._used:
            old, self._used = self._made, found
            self._made = self._make(grpc.ssl_channel_credentials(*found))
            self._retire(old)
            log.info("certificates read again")


class Retired:
    """Channels of asyncio that were replaced: each is closed when its calls have ended, or after
    ``grace_s`` seconds.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._ending: dict[asyncio.Task[None], grpc.aio.Channel] = {}

    def add(self, channel: grpc.aio.Channel) -> None:
        task = asyncio.create_task(channel.close(self._grace_s))
        self._ending[task] = channel
        task.add_done_callback(self._ending.pop)

    async def close(self) -> None:
        """Cancels the calls that are still open."""
        ending = dict(self._ending)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        for channel in ending.values():
            await channel.close()


class TokenFile:
    """A bearer token in a file, as a ``token`` for connect().

    Raises:
        CredentialsUnusable.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._token = self._read()
        self._look = _Look()

    def __call__(self) -> str:
        """The token for a call that begins now."""
        if self._look.is_due():
            try:
                self._token = self._read()
            except CredentialsUnusable as problem:
                self._look.failed(str(problem))
            else:
                self._look.succeeded()
        return self._token

    def _read(self) -> str:
        try:
            token = self._file.read_text("ascii").strip()
        except OSError as error:
            raise CredentialsUnusable(f"cannot read {self._file}: {error.strerror}") from None
        except UnicodeDecodeError:
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise CredentialsUnusable(f"{self._file} has no token in it: one line of ASCII")
        return token


class _Look:
    """When files are looked at, and that the same problem is told once."""

    def __init__(self) -> None:
        self._at = time.monotonic() + LOOK_EVERY_S
        self._told = ""

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._at:
            return False
        self._at = now + LOOK_EVERY_S
        return True

    def failed(self, problem: str) -> None:
        if problem != self._told:
            log.error("credentials not used: %s", problem)
        self._told = problem

    def succeeded(self) -> None:
        self._told = ""
