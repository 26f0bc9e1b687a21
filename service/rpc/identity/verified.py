"""ESCROW_AUTH=mtls or jwt: who calls is what a certificate or a token proves, never what is said.

A token says more than the certificate of the connection that brings it: it wins where both are
there. The tenant is one of those that the proof gives; the metadata ``escrow-tenant`` only chooses
among them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NoReturn

import structlog
from pydantic import ValidationError

from service.domain.errors import TenantNotHeld, Unauthenticated
from service.rpc.identity.caller import (
    AUTHORIZATION,
    PARTY,
    PERSON,
    TENANT,
    Caller,
    Metadata,
    Peer,
    given_keys,
    party_of,
    person_of,
)
from service.rpc.identity.certificates import Certificates
from service.rpc.identity.document import EVERY_TENANT, AuthDocument
from service.rpc.identity.roles import acting_for
from service.rpc.identity.tokens import Holder, Tokens

LOOK_EVERY_S = 5.0

log = structlog.get_logger()


class AuthFileUnusable(Exception):
    """ESCROW_AUTH_FILE cannot be used. The message is one line."""


class VerifiedIdentities:
    """Says who calls, by the document of a file, which is read again when it changes. ``tenants``
    are those that are configured, and may change too.

    Raises:
        AuthFileUnusable.
    """

    def __init__(self, file: Path, tenants: AbstractSet[str]) -> None:
        self._file = file
        self._tenants = tenants
        self._read_text = ""
        self._use(*_load(file))

    def _use(self, text: str, document: AuthDocument) -> None:
        self._read_text = text
        self._tokens = Tokens(document, self._file.parent)
        self._certificates = Certificates(document)

    async def follow(self) -> NoReturn:
        """Reads the file again when it has changed; what cannot be used changes nothing."""
        said = ""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                text, document = await asyncio.to_thread(_load, self._file)
            except AuthFileUnusable as problem:
                if str(problem) != said:  # once, and not every few seconds
                    said = str(problem)
                    log.error("auth file not used", problem=said)  # noqa: TRY400
                continue
            said = ""
            if text != self._read_text:
                self._use(text, document)
                log.info("auth file read again")

    async def identify(self, metadata: Metadata, peer: Peer) -> Caller:
        """The caller of a call.

        Raises:
            Unauthenticated, IdentityUnavailable, TenantNotHeld, InvalidField, PartyNotAllowed.
        """
        authorization = [value for key, value in metadata if key == AUTHORIZATION]
        if len(authorization) > 1:
            raise Unauthenticated("The call brings more than one token.")
        if authorization:
            holder = await self._tokens.holder(str(authorization[0]))
        else:
            holder = self._certificates.holder(peer)
        given = given_keys(metadata, (TENANT, PARTY, PERSON))
        party = party_of(given, holder.role)
        role = acting_for(party, holder.role)
        return Caller(
            self._tenant_of(holder, given.get(TENANT)),
            holder.name,
            role,
            party,
            holder.end_user,
            person_of(given, role, party),
            holder.role.of_programs,
        )

    def _tenant_of(self, holder: Holder, named: str | None) -> str:
        held = self._tenants if EVERY_TENANT in holder.tenants else self._tenants & holder.tenants
        if named is None:
            if len(held) == 1:
                return next(iter(held))
            raise TenantNotHeld(f"You hold several tenants, or none; name one in {TENANT}.")
        if named not in held:
            raise TenantNotHeld
        return named


def _load(file: Path) -> tuple[str, AuthDocument]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise AuthFileUnusable(f"ESCROW_AUTH_FILE: cannot read {file}: {reason}") from None
    try:
        return text, AuthDocument.model_validate_json(text)
    except ValidationError as error:
        problems = [
            ".".join(str(part) for part in detail["loc"]) + f": {detail['msg']}"
            for detail in error.errors(include_url=False, include_context=False)
        ]
        raise AuthFileUnusable(f"ESCROW_AUTH_FILE: {'; '.join(problems)}") from None
