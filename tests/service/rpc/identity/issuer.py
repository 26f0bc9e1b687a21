"""An issuer of tokens with real keys, and a document that believes it."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER, AUDIENCE = "https://login.example", "escrow"


class Issuer:
    """Signs tokens, and publishes its public keys as a JWK set."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {
            "rsa": ("RS256", rsa.generate_private_key(65537, 2048)),
            "ec": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "ed": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
        }
        self.asked = 0

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self._jwk(kid) for kid in self.keys]}

    def _jwk(self, kid: str) -> dict[str, Any]:
        algorithm, key = self.keys[kid]
        public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        return {**public, "kid": kid, "use": "sig", "alg": algorithm}

    def token(self, kid: str = "ec", header: dict[str, Any] | None = None, **claims: Any) -> str:  # noqa: ANN401  any claims
        """A token that is right but for what is given; a claim that is None is left out."""
        algorithm, key = self.keys[kid]
        now = time.time()
        whole = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "orders",
            "iat": now,
            "exp": now + 300,
            "roles": ["service"],
            "tenants": ["default"],
            **claims,
        }
        present = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(present, key, algorithm, headers={"kid": kid, **(header or {})})

    async def answer(self, _: web.Request) -> web.Response:
        """Its JWK set over HTTP."""
        self.asked += 1
        return web.json_response(self.jwks())


def write_document(
    file: Path,
    issuer: Issuer,
    own_roles: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,  # noqa: ANN401  any field
) -> Path:
    """An auth file beside the issuer's keys."""
    (file.parent / "jwks.json").write_text(json.dumps(issuer.jwks()))
    entry = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks_file": "jwks.json",
        "tenants": ["*"],
        "tenants_claim": "tenants",
        "roles_claim": "roles",
    }
    file.write_text(json.dumps({"roles": {**own_roles}, "issuers": [{**entry, **changes}]}))
    return file


def forged(token: str, header: dict[str, Any], signature: str | None = None) -> str:
    """The same claims under another header."""
    _, claims, was = token.split(".")
    raw = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{raw}.{claims}.{was if signature is None else signature}"
