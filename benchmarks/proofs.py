"""Callers that prove who they are: what a service with mTLS and tokens is given, and its load."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from service.local.certificates import Authority

ISSUER, AUDIENCE, KID = "https://login.example", "escrow", "bench"
LIFETIME_S = 86_000  # longer than any run, and shorter than the service allows


def proofs(folder: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The settings of a service that believes one issuer over mTLS, and the proof of a caller."""
    authority = Authority(folder)
    server = authority.issue("server", hosts=["127.0.0.1", "localhost"])
    client = authority.issue("bench", uri="spiffe://bench/load")
    key = ec.generate_private_key(ec.SECP256R1())
    public: dict[str, Any] = jwt.get_algorithm_by_name("ES256").to_jwk(
        key.public_key(), as_dict=True
    )
    (folder / "jwks.json").write_text(json.dumps({"keys": [{**public, "kid": KID}]}))
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_file": "jwks.json"}
    issuer |= {"tenants": ["*"], "role": "service"}  # type: ignore[dict-item]  # JSON
    (folder / "auth.json").write_text(json.dumps({"issuers": [issuer]}))
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bench", "iat": now, "exp": now + LIFETIME_S}
    settings = {
        "ESCROW_AUTH": "mtls",
        "ESCROW_AUTH_FILE": str(folder / "auth.json"),
        "ESCROW_TLS_CERTIFICATE_FILE": str(server.certificate),
        "ESCROW_TLS_KEY_FILE": str(server.key),
        "ESCROW_TLS_CLIENT_CA_FILE": str(authority.file),
    }
    proof = {
        "ca": str(authority.file),
        "certificate": str(client.certificate),
        "key": str(client.key),
        "token": jwt.encode(claims, key, "ES256", headers={"kid": KID}),
    }
    return settings, proof
