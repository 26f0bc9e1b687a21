"""Bearer tokens (JWT): checked, then known by their hash for an hour, or until they expire."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from service.domain.errors import IdentityUnavailable, Unauthenticated
from service.rpc.identity.caller import IS_NAME
from service.rpc.identity.document import EVERY_TENANT, IS_TOKEN, AuthDocument, IssuerEntry
from service.rpc.identity.jwks import Jwks, KeysUnavailable
from service.rpc.identity.roles import Role, together
from service.rpc.text import no_control_characters

MOST_KNOWN = 10_000
CHECKED_FOR_S = 3600.0
"""Then a token is checked again: its issuer may have withdrawn the key that signed it."""
LONGEST_TOKEN = 8_192


@dataclass(frozen=True, slots=True)
class Holder:
    """What a proof of identity says: who, in which role, for which tenants, until when (Unix)."""

    name: str
    role: Role
    tenants: frozenset[str]
    until: float
    end_user: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    holder: Holder
    checked_at: float  # monotonic


class Tokens:
    """Says who holds a token. What is wrong with one is said in a few words that help whoever made
    it, and nothing of what was expected.
    """

    def __init__(self, document: AuthDocument, folder: Path) -> None:
        self._issuers = {entry.issuer: entry for entry in document.issuers}
        self._keys = {entry.issuer: Jwks(entry, folder) for entry in document.issuers}
        self._roles = document.every_role()
        self._united: dict[tuple[str, ...], Role] = {}
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def holder(self, authorization: str) -> Holder:
        """Raises Unauthenticated, IdentityUnavailable."""
        digest = hashlib.sha256(authorization.encode()).digest()
        known = self._known.get(digest)
        if known is not None and time.monotonic() - known.checked_at < CHECKED_FOR_S:
            if known.holder.until <= time.time():
                raise _refused("has expired")
            return known.holder
        holder = await self._check(authorization)
        self._known[digest] = _Known(holder, time.monotonic())
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return holder

    async def _check(self, authorization: str) -> Holder:
        given = IS_TOKEN(authorization) if len(authorization) <= LONGEST_TOKEN else None
        if given is None:
            raise _refused("is no bearer token: authorization: Bearer <JWT>")
        token = given[1]
        issuer, header = self._issuer_of(token)
        kid, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in issuer.algorithms:
            raise _refused("is signed in a way that is not allowed here")
        if not isinstance(kid, str):
            raise _refused("does not say by which key it is signed (kid)")
        try:
            key = await self._keys[issuer.issuer].key(kid)
        except KeysUnavailable as problem:
            raise IdentityUnavailable from problem
        if key is None:
            raise _refused("is signed by a key that its issuer does not have")
        if key.algorithm_name != algorithm:
            raise _refused("is signed in another way than its key is for")
        return self._holder_of(_claims(token, key, issuer), issuer)

    def _issuer_of(self, token: str) -> tuple[IssuerEntry, Mapping[str, Any]]:
        """By its own word, which the key then proves."""
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise _refused("cannot be read") from None
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise _refused("is of an issuer that is not known here")
        return self._issuers[issuer], header

    def _holder_of(self, claims: Mapping[str, Any], issuer: IssuerEntry) -> Holder:
        subject, actor = claims["sub"], claims.get("act")
        name, end_user = subject, ""
        if actor is not None:
            name = actor.get("sub") if isinstance(actor, dict) else None
            end_user = subject
            if not _is_person(end_user):
                raise _refused("names no end user (sub)")
        if not isinstance(name, str) or not IS_NAME(name):
            raise _refused("names no caller (sub, or act.sub)")
        if float(claims["exp"]) - float(claims["iat"]) > issuer.longest_life_s:
            raise _refused("lives too long")
        return Holder(
            name,
            self._role(claims, issuer),
            _tenants(claims, issuer),
            float(claims["exp"]) + issuer.clock_skew_s,
            end_user,
        )

    def _role(self, claims: Mapping[str, Any], issuer: IssuerEntry) -> Role:
        if issuer.role is not None:
            return self._roles[issuer.role]
        assert issuer.roles_claim is not None
        given = dict.fromkeys(_texts(claims.get(issuer.roles_claim)))
        names = tuple(name for name in given if name in self._roles)
        if not names:
            raise _refused("gives no role that is known here")
        if names not in self._united:
            self._united[names] = together([self._roles[name] for name in names])
        return self._united[names]


def _tenants(claims: Mapping[str, Any], issuer: IssuerEntry) -> frozenset[str]:
    allowed = frozenset(issuer.tenants)
    if issuer.tenants_claim is None:
        return allowed
    named = frozenset(_texts(claims.get(issuer.tenants_claim))) - {EVERY_TENANT}
    held = named if EVERY_TENANT in allowed else named & allowed
    if not held:
        raise _refused("gives no tenant that its issuer may speak for")
    return held


def _claims(token: str, key: jwt.PyJWK, issuer: IssuerEntry) -> Mapping[str, Any]:
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=issuer.algorithms,
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=issuer.clock_skew_s,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except jwt.ExpiredSignatureError:
        raise _refused("has expired") from None
    except (jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError):
        raise _refused("is not valid yet") from None
    except jwt.InvalidAudienceError:
        raise _refused("is for another audience") from None
    except jwt.InvalidSignatureError:
        raise _refused("is not signed by its issuer") from None
    except jwt.MissingRequiredClaimError as missing:
        raise _refused(f"has no {missing.claim}") from None
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError):  # of times that are none
        raise _refused("cannot be read") from None
    return claims


def _is_person(subject: str) -> bool:
    """Whether a payer or payee could have it as their reference."""
    try:
        subject.encode()  # JSON can hold what no text of a database can
    except UnicodeEncodeError:
        return False
    return 0 < len(subject.strip()) <= len(subject) <= 200 and not no_control_characters(subject)


def _texts(claim: object) -> Iterable[str]:
    """A claim that is a list of texts, or one text with spaces between (as ``scope``)."""
    if isinstance(claim, str):
        return claim.split()
    return [each for each in claim if isinstance(each, str)] if isinstance(claim, list) else []


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(f"The token {why}.")
