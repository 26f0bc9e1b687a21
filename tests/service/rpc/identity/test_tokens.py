"""What a token has to be, so that its holder may call; everything else is refused, and says why."""

import asyncio
import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from service.domain.call import Party
from service.domain.errors import IdentityUnavailable, TenantNotHeld, Unauthenticated
from service.rpc.identity import jwks
from service.rpc.identity import tokens as tokens_module
from service.rpc.identity.caller import Caller
from service.rpc.identity.document import AuthDocument
from service.rpc.identity.roles import permits
from service.rpc.identity.tokens import Tokens
from service.rpc.identity.verified import VerifiedIdentities
from tests.service.rpc.identity.issuer import ISSUER, Issuer, forged, write_document

ISSUES = Issuer()  # its keys take a while to make


class Nobody:
    """A connection without a certificate."""

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}


@pytest.fixture
def identities(tmp_path: Path) -> VerifiedIdentities:
    file = write_document(tmp_path / "auth.json", ISSUES)
    return VerifiedIdentities(file, {"default", "acme"})


async def caller(identities: VerifiedIdentities, token: str, **metadata: str) -> Caller:
    given = [("authorization", f"Bearer {token}")]
    given += [(name.replace("_", "-"), value) for name, value in metadata.items()]
    return await identities.identify(given, Nobody())


@pytest.mark.parametrize("kid", ISSUES.keys)
async def test_every_kind_of_key_proves_a_caller(identities: VerifiedIdentities, kid: str) -> None:
    found = await caller(identities, ISSUES.token(kid))

    assert (found.name, found.tenant_id, found.role.name) == ("orders", "default", "service")
    assert (found.party, found.end_user) == (Party.SERVICE, "")


async def test_the_end_user_is_whom_the_actor_acts_for(identities: VerifiedIdentities) -> None:
    token = ISSUES.token(sub="ann-7", act={"sub": "orders"})

    found = await caller(identities, token, escrow_party="payer")

    assert (found.name, found.end_user, found.party) == ("orders", "ann-7", Party.PAYER)


async def test_a_caller_of_several_tenants_names_one(identities: VerifiedIdentities) -> None:
    token = ISSUES.token(tenants=["default", "acme", "elsewhere"])

    with pytest.raises(TenantNotHeld):
        await caller(identities, token)
    assert (await caller(identities, token, escrow_tenant="acme")).tenant_id == "acme"
    for not_held in ("elsewhere", "nowhere"):
        with pytest.raises(TenantNotHeld):
            await caller(identities, token, escrow_tenant=not_held)
    with pytest.raises(TenantNotHeld):
        await caller(identities, ISSUES.token(), escrow_tenant="acme")


async def test_several_roles_permit_what_one_of_them_does(identities: VerifiedIdentities) -> None:
    found = await caller(identities, ISSUES.token(roles=["auditor", "finance", "unheard of"]))

    assert found.role.name == "auditor+finance"
    assert {*found.role.permissions} == {
        *("*.read", "payee.payout", "policy.write", "refund.create", "person.name"),
        "approval.decide",
    }


async def test_a_role_that_is_given_twice_is_one(identities: VerifiedIdentities) -> None:
    assert (await caller(identities, ISSUES.token(roles=["service"] * 3))).role.name == "service"


async def test_no_role_lends_its_permissions_to_the_party_of_another(
    identities: VerifiedIdentities,
) -> None:
    """An auditor who is a service too does not release as an operator, nor audits as a payer."""
    token = ISSUES.token(roles=["auditor", "service"])

    auditor = await caller(identities, token)
    payer = await caller(identities, token, escrow_party="payer")

    assert (auditor.party, payer.party) == (Party.OPERATOR, Party.PAYER)
    assert permits(auditor.role, "operator.read")
    assert not permits(auditor.role, "escrow.release")
    assert permits(payer.role, "escrow.release")
    assert not permits(payer.role, "operator.read")


def _with_claims(**claims: Any) -> str:  # noqa: ANN401  any claims
    return ISSUES.token(**claims)


def _unsigned() -> str:
    return forged(ISSUES.token(), {"alg": "none", "typ": "JWT", "kid": "ec"}, signature="")


def _signed_with_the_public_key() -> str:
    """HS256 with what everybody knows: the old trick."""
    _, key = ISSUES.keys["rsa"]
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = forged(ISSUES.token("rsa"), {"alg": "HS256", "kid": "rsa"}, signature="")
    body = unsigned.rpartition(".")[0]
    mac = hmac.new(public, body.encode(), hashlib.sha256).digest()
    return f"{body}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _of_another_key() -> str:
    return Issuer().token("ec")


def _brings_its_own_key() -> str:
    """Its header names a key of its maker's; only the issuer's count."""
    stranger = Issuer()
    return stranger.token("ec", {"jwk": stranger.jwks()["keys"][1], "jku": "https://evil.example"})


NOW = time.time()
REFUSED: Mapping[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: _with_claims(exp=NOW - 60), "has expired"),
    "not yet valid": (lambda: _with_claims(nbf=NOW + 3_600), "is not valid yet"),
    "issued in the future": (lambda: _with_claims(iat=NOW + 3_600, exp=NOW + 7_200), "not valid"),
    "of another audience": (lambda: _with_claims(aud="shop"), "is for another audience"),
    "of another issuer": (lambda: _with_claims(iss="https://evil.example"), "not known here"),
    "without an end": (lambda: _with_claims(exp=None), "has no exp"),
    "without a beginning": (lambda: _with_claims(iat=None), "has no iat"),
    "without a caller": (lambda: _with_claims(sub=None), "has no sub"),
    "of a strange caller": (lambda: _with_claims(sub="or\nders"), "names no caller"),
    "of nobody who acts": (lambda: _with_claims(act={"sub": ""}), "names no caller"),
    "of a time without end": (lambda: _with_claims(exp=float("inf")), "cannot be read"),
    "of an end user with controls": (
        lambda: _with_claims(sub="a\x00b", act={"sub": "orders"}),
        "names no end user",
    ),
    "of an end user that is no text": (
        lambda: _with_claims(sub="a\ud800b", act={"sub": "orders"}),
        "names no end user",
    ),
    "of an end user that is blank": (
        lambda: _with_claims(sub=" ", act={"sub": "orders"}),
        "names no end user",
    ),
    "that lives too long": (lambda: _with_claims(exp=NOW + 10**6), "lives too long"),
    "without a role": (lambda: _with_claims(roles=["unheard of"]), "gives no role"),
    "without roles": (lambda: _with_claims(roles=None), "gives no role"),
    "of no tenant": (lambda: _with_claims(tenants=[]), "gives no tenant"),
    "of every tenant by its own word": (lambda: _with_claims(tenants=["*"]), "gives no tenant"),
    "unsigned": (_unsigned, "is no bearer token"),
    "unsigned, with a signature": (lambda: f"{_unsigned()}AAAA", "in a way that is not allowed"),
    "signed with the public key": (_signed_with_the_public_key, "in a way that is not allowed"),
    "of another key": (_of_another_key, "is not signed by its issuer"),
    "that brings its own key": (_brings_its_own_key, "is not signed by its issuer"),
    "of an unknown key": (lambda: ISSUES.token(header={"kid": "new"}), "does not have"),
    "of a kid that is a path": (lambda: ISSUES.token(header={"kid": "../../key"}), "not have"),
    "of a kid that is no text": (
        lambda: forged(ISSUES.token(), {"alg": "ES256", "kid": 7}),
        "cannot be read",
    ),
    "without a kid": (lambda: forged(ISSUES.token(), {"alg": "ES256"}), "by which key"),
    "of another algorithm than its key": (
        lambda: forged(ISSUES.token("rsa"), {"alg": "ES256", "kid": "rsa"}),
        "in another way than its key is for",
    ),
    "that demands more": (
        lambda: ISSUES.token(header={"crit": ["escrow"], "escrow": 1}),
        "cannot be read",
    ),
    "that is none": (lambda: "abc", "is no bearer token"),
    "of garbage": (lambda: "a.b.c", "cannot be read"),
    "that is too long": (lambda: ISSUES.token(more="x" * 10_000), "is no bearer token"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_is_refused(identities: VerifiedIdentities, name: str) -> None:
    make, why = REFUSED[name]

    with pytest.raises(Unauthenticated, match=why) as caught:
        await caller(identities, make())

    assert ISSUER not in str(caught.value)  # nothing of what was expected


async def test_two_tokens_are_refused(identities: VerifiedIdentities) -> None:
    given = [("authorization", f"Bearer {ISSUES.token()}")] * 2

    with pytest.raises(Unauthenticated, match="more than one token"):
        await identities.identify(given, Nobody())


async def test_who_brings_nothing_is_told_what_to_bring(identities: VerifiedIdentities) -> None:
    for said in ([], [("escrow-tenant", "default"), ("escrow-role", "operator")]):
        with pytest.raises(Unauthenticated, match="client certificate, or send a bearer token"):
            await identities.identify(said, Nobody())


async def test_what_is_said_gives_no_role_and_no_name(identities: VerifiedIdentities) -> None:
    said = {"escrow_role": "operator", "escrow_caller": "boss"}

    found = await caller(identities, ISSUES.token(), **said)

    assert (found.name, found.role.name) == ("orders", "service")


async def test_a_known_token_ends_when_it_expires(tmp_path: Path) -> None:
    file = write_document(tmp_path / "auth.json", ISSUES, clock_skew_s=0)
    tokens = Tokens(AuthDocument.model_validate_json(file.read_text()), tmp_path)
    authorization = f"Bearer {ISSUES.token(exp=time.time() + 1.2)}"
    known = await tokens.holder(authorization)

    assert await tokens.holder(authorization) is known
    time.sleep(1.3)  # noqa: ASYNC251  the clock of the world, which nothing here can move
    with pytest.raises(Unauthenticated, match="has expired"):
        await tokens.holder(authorization)


Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def published(
    tmp_path: Path, issuer: Issuer, answers: Answers
) -> AsyncIterator[VerifiedIdentities]:
    """Whom an issuer's tokens prove, whose keys are fetched from where ``answers`` answers."""
    app = web.Application()
    app.router.add_get("/jwks", answers)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    file = write_document(tmp_path / "auth.json", issuer, jwks_file=None, jwks_url=url)
    yield VerifiedIdentities(file, {"default"})
    await runner.cleanup()


async def test_made_up_kids_do_not_make_us_ask_for_ever(tmp_path: Path) -> None:
    issuer = Issuer()
    async with published(tmp_path, issuer, issuer.answer) as identities:
        assert (await caller(identities, issuer.token())).name == "orders"
        for number in range(50):
            with pytest.raises(Unauthenticated, match="does not have"):
                await caller(identities, issuer.token(header={"kid": f"made-up-{number}"}))
        assert issuer.asked == 1


async def test_keys_may_arrive_in_parts(tmp_path: Path) -> None:
    issuer = Issuer()

    async def in_parts(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        whole = json.dumps(issuer.jwks()).encode()
        for part in (whole[:100], whole[100:]):
            await response.write(part)
            await asyncio.sleep(0.05)
        return response

    async with published(tmp_path, issuer, in_parts) as identities:
        assert (await caller(identities, issuer.token())).name == "orders"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"keys": [7]}', b" " * (1 << 20) + b"{}", b""])
async def test_an_issuer_that_answers_nonsense_has_no_keys(tmp_path: Path, body: bytes) -> None:
    issuer = Issuer()

    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    async with published(tmp_path, issuer, nonsense) as identities:
        with pytest.raises(IdentityUnavailable):
            await caller(identities, issuer.token())


@pytest.mark.parametrize(
    "strange",
    [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": ["RS256"]},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": "OKP", "crv": "Ed448", "x": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 1, "y": None},
    ],
    ids=json.dumps,
)
async def test_a_strange_key_takes_no_other_away(tmp_path: Path, strange: dict[str, Any]) -> None:
    file = write_document(tmp_path / "auth.json", ISSUES)
    keys = [{**strange, "kid": "strange"}, *ISSUES.jwks()["keys"]]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": keys}))

    assert (await caller(VerifiedIdentities(file, {"default"}), ISSUES.token())).name == "orders"


async def test_a_withdrawn_key_ends_the_tokens_that_were_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = Issuer()
    identities = VerifiedIdentities(write_document(tmp_path / "auth.json", issuer), {"default"})
    token = issuer.token("ec")
    assert (await caller(identities, token)).name == "orders"
    del issuer.keys["ec"]
    (tmp_path / "jwks.json").write_text(json.dumps(issuer.jwks()))
    assert (await caller(identities, token)).name == "orders"  # checked a moment ago

    for module, name in ((tokens_module, "CHECKED_FOR_S"), (jwks, "FRESH_S")):
        monkeypatch.setattr(module, name, 0.0)  # an hour later
    monkeypatch.setattr(jwks, "SHORTEST_PAUSE_S", 0.0)
    with pytest.raises(Unauthenticated, match="does not have"):
        await caller(identities, token)


async def test_without_keys_nobody_is_believed_nor_called_a_liar(tmp_path: Path) -> None:
    file = write_document(
        tmp_path / "auth.json", ISSUES, jwks_file=None, jwks_url="http://127.0.0.1:9/jwks"
    )
    identities = VerifiedIdentities(file, {"default"})

    with pytest.raises(IdentityUnavailable):
        await caller(identities, ISSUES.token())


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"jwks_url": "http://login.example/jwks", "jwks_file": None},
        {"role": "service"},  # and a claim
        {"roles_claim": None},
        {"tenants": []},
        {"audience": ""},
        {"unheard_of": 1},
    ],
    ids=json.dumps,
)
def test_a_document_that_would_be_unsafe_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    file = write_document(tmp_path / "auth.json", ISSUES, **changes)

    with pytest.raises(ValidationError):
        AuthDocument.model_validate_json(file.read_text())


def test_pyjwt_is_what_we_think() -> None:
    """The library refuses an algorithm that is not named, whatever the key."""
    with pytest.raises(jwt.InvalidAlgorithmError):
        jwt.decode(_unsigned(), ISSUES.keys["ec"][1].public_key(), algorithms=["ES256"])
