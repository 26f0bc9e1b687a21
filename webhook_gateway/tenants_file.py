"""Reads the tenants file: JSON that names each tenant's webhook secrets.

    {"tenants": {"acme": {"webhook_secrets": {
        "platform": {"current": {"file": "acme/new"}, "previous": {"file": "acme/old"}},
        "connect":  {"current": "whsec_..."}}}}}

A secret is a string, or names a file (a mounted secret) relative to the tenants file. Other keys
of a tenant belong to the service, which may read the same file.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from webhook_gateway.config import Secret, problems_of, usable_secret


class Endpoint(StrEnum):
    """The two webhook endpoints of a tenant; each has its own secret at Stripe."""

    PLATFORM = "platform"
    CONNECT = "connect"


Secrets = tuple[str, ...]  # the current one first
Stamp = tuple[int, int, int] | None  # changes when a file does; None while there is no file

# A tenant's name travels in URLs and in gRPC metadata.
TenantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class SecretFile(BaseModel):
    """A secret that is mounted as a file of its own."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    file: Path


class EndpointSecrets(BaseModel):
    """What Stripe signs with, and during a rotation what it signed with before."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    current: Secret | SecretFile
    previous: Secret | SecretFile | None = None


class TenantEntry(BaseModel):
    """One tenant, as far as the gateway is concerned."""

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    webhook_secrets: dict[Endpoint, EndpointSecrets] = Field(min_length=1)
    """The signing secrets of its endpoints ``platform`` and ``connect``, each with the ``current``
    one and, while it is rolled, the ``previous`` one."""


class TenantsDocument(BaseModel):
    """The whole file."""

    model_config = ConfigDict(hide_input_in_errors=True)

    tenants: dict[TenantName, TenantEntry] = Field(min_length=1)


@dataclass
class TenantsReading:
    """What a reading found. ``secrets`` may be used only if there are no ``problems``.

    ``stamps`` holds every file that was looked at, as it was just before it was read.
    """

    secrets: dict[tuple[str, str], Secrets] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    stamps: dict[Path, Stamp] = field(default_factory=dict)

    def text_of(self, file: Path) -> str | None:
        """The file's text, or None and a problem."""
        self.stamps[file] = stamp(file)
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            self.problems.append(f"cannot read {file}: {reason}")
            return None


def stamp(file: Path) -> Stamp:
    """Which version of a file there is. Kubernetes replaces a mounted secret by moving a link."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_tenants(file: Path) -> TenantsReading:
    """Reads the file and every secret that it names, and collects all that is wrong."""
    reading = TenantsReading()
    text = reading.text_of(file)
    if text is None:
        return reading
    try:
        document = TenantsDocument.model_validate_json(text)
    except ValidationError as error:
        reading.problems += [f"{file}: {problem}" for problem in problems_of(error)]
        return reading
    for tenant, entry in document.tenants.items():
        for endpoint, given in entry.webhook_secrets.items():
            sources = [given.current] if given.previous is None else [given.current, given.previous]
            found = [_reveal(source, file.parent, reading) for source in sources]
            reading.secrets[tenant, endpoint] = tuple(secret for secret in found if secret)
    return reading


def _reveal(source: SecretStr | SecretFile, folder: Path, reading: TenantsReading) -> str | None:
    if isinstance(source, SecretStr):
        return source.get_secret_value()
    file = folder / source.file
    text = reading.text_of(file)
    if text is None:
        return None
    try:
        return usable_secret(SecretStr(text)).get_secret_value()
    except PydanticCustomError as error:
        reading.problems.append(f"{file}: {error.message()}")
        return None
