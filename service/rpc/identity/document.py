"""Who may call, as an administrator writes it: the file of ESCROW_AUTH_FILE (JSON).

    {
      "roles": {"checkout": {"permissions": ["escrow.read", "escrow.fund"], "parties": ["payer"]}},
      "certificates": [
        {"uri": "spiffe://shop/ns/prod/sa/orders", "caller": "orders", "role": "service",
         "tenants": ["acme"]},
        {"dns": "escrow-gateway.payments.svc", "caller": "gateway", "role": "gateway",
         "tenants": ["*"]}
      ],
      "revoked_certificates": ["<sha256 of the certificate, in hexadecimal>"],
      "issuers": [
        {"issuer": "https://login.example", "audience": "escrow",
         "jwks_url": "https://login.example/.well-known/jwks.json", "tenants": ["acme"]}
      ]
    }

It is read again when it changes. One that cannot be used is refused at the start, and later leaves
what was there before.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    model_validator,
)

from service.domain.call import Party
from service.rpc.identity.caller import FROM_OUTSIDE
from service.rpc.identity.roles import ROLES, Role

Algorithm = Literal["RS256", "ES256", "EdDSA"]
"""Signatures with a key pair only: with a shared secret, the service could make tokens itself."""
CallerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}$")]
TenantName = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9][a-z0-9_-]{0,62})$")]
Permission = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z]+)\.(\*|[a-z]+)$")]
Fingerprint = Annotated[
    str,
    AfterValidator(lambda text: text.replace(":", "").lower()),
    StringConstraints(pattern=r"^[0-9A-Fa-f:]{64,95}$"),
]
EVERY_TENANT = "*"


def _from_outside(party: Party) -> Party:
    if party not in FROM_OUTSIDE:
        raise ValueError(f"a caller cannot act for {party}")
    return party


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoleEntry(_Strict):
    """A role beside the built-in ones. ``of_programs``: only programs have it, and no person; who
    acts for a party otherwise, and names no end user, may not decide disputes of that party.
    """

    permissions: list[Permission] = Field(min_length=1)
    parties: list[Annotated[Party, AfterValidator(_from_outside)]] = Field(min_length=1)
    of_programs: bool = False


class CertificateEntry(_Strict):
    """Who the holder of a client certificate is, by a URI (SPIFFE id) or a DNS name in it."""

    uri: str | None = None
    dns: str | None = None
    caller: CallerName
    role: str
    tenants: list[TenantName] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.uri is None) == (self.dns is None):
            raise ValueError("name either a uri or a dns of the certificate")
        return self


class IssuerEntry(_Strict):
    """Whose tokens are believed, and for what.

    ``tenants`` are those that it may speak for; where ``tenants_claim`` is set, a token holds those
    of them that its claim names. A token's roles are those that ``roles_claim`` names, or ``role``
    for all of them. Its caller is ``sub``; of a token with ``act``, that is the end user, and the
    caller is ``act.sub``.
    """

    issuer: str = Field(min_length=1, max_length=500)
    audience: str = Field(min_length=1, max_length=500)
    jwks_url: HttpUrl | None = None
    jwks_file: Path | None = None
    algorithms: list[Algorithm] = ["RS256", "ES256", "EdDSA"]
    clock_skew_s: int = Field(default=30, ge=0, le=300)
    longest_life_s: int = Field(default=86_400, ge=60)
    """A token that lives longer is refused: it could hardly be taken back."""
    tenants: list[TenantName] = Field(min_length=1)
    tenants_claim: str | None = None
    role: str | None = None
    roles_claim: str | None = None

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("name either a jwks_url or a jwks_file")
        if (self.role is None) == (self.roles_claim is None):
            raise ValueError("name either a role for all tokens or a roles_claim")
        if self.jwks_url and self.jwks_url.scheme != "https" and not _is_loopback(self.jwks_url):
            raise ValueError(
                "jwks_url must be https: keys that were changed on the way would be believed"
            )
        return self


def _is_loopback(url: HttpUrl) -> bool:
    return url.host in ("localhost", "127.0.0.1", "[::1]")


class AuthDocument(_Strict):
    """The whole file."""

    roles: dict[
        Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], RoleEntry
    ] = {}
    certificates: list[CertificateEntry] = []
    revoked_certificates: list[Fingerprint] = []
    issuers: list[IssuerEntry] = []

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if taken := self.roles.keys() & ROLES.keys():
            raise ValueError(
                f"roles: {', '.join(sorted(taken))} are built in, and stay as they are"
            )
        named = {entry.role for entry in self.certificates}
        named |= {entry.role for entry in self.issuers if entry.role is not None}
        if unknown := named - self.roles.keys() - ROLES.keys():
            raise ValueError(f"no such role: {', '.join(sorted(unknown))}")
        for kind in ("uri", "dns"):
            names = [name for entry in self.certificates if (name := getattr(entry, kind))]
            if len(names) != len({*names}):
                raise ValueError(f"certificates: a {kind} is named twice")
        issuers = [entry.issuer for entry in self.issuers]
        if len(issuers) != len({*issuers}):
            raise ValueError("issuers: one is named twice")
        if not self.certificates and not self.issuers:
            raise ValueError("name certificates or issuers: without them no call is accepted")
        return self

    def every_role(self) -> dict[str, Role]:
        """The built-in roles and those of the file, by name."""
        own = {
            name: Role(
                name,
                tuple(entry.permissions),
                tuple(entry.parties),
                of_programs=entry.of_programs,
            )
            for name, entry in self.roles.items()
        }
        return {**ROLES, **own}


IS_TOKEN = re.compile(r"[Bb]earer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)").fullmatch
