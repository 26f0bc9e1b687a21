"""Commands that change something: they call the service, which wants to know who asks."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.local.certificates import Authority
from service.local.identities import Identities
from tests.forked import Said, run_escrow
from tests.postgres import Database
from tests.service.cli.processes import served
from tests.service.cli.test_policy import OWN, WHY
from tests.service.operations.marketplace import Marketplace
from tests.service.rpc.identity.issuer import Issuer, write_document

Apply = Callable[..., Any]
ISSUES = Issuer()
OF_OPERATORS = {"watch": {"permissions": ["*.read", "policy.write"], "parties": ["operator"]}}


async def escrow(*arguments: str, **variables: str) -> Said:
    """Runs a command that has nothing but these variables: no database, and no key for Stripe."""
    ours = ("ESCROW_", "STRIPE_")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return await run_escrow(arguments, inherited | variables)


@pytest.fixture
def apply(tmp_path: Path) -> Apply:
    """Applies a policy: ``escrow --as WHO policy apply``."""
    file = tmp_path / "policy.yaml"
    file.write_text(OWN)

    async def run(who: str, *more: str, **variables: str) -> Said:
        named = ("--as", who) if who else ()
        return await escrow(*named, "policy", "apply", str(file), *WHY, *more, **variables)

    return run


async def kept(market: Marketplace) -> list[tuple[str, str, str]]:
    """Who changed a policy, for whom they acted, and why."""
    query = (
        "SELECT caller, party, note FROM operations WHERE kind = 'create_policy_version'"
        " ORDER BY occurred_at"
    )
    return [tuple(row) for row in await market.owner.fetch(query)]


def by_tokens(document: Path) -> dict[str, str]:
    return {"ESCROW_AUTH": "jwt", "ESCROW_AUTH_FILE": str(document)}


async def test_a_certificate_says_which_operators_and_the_command_line_who_of_them(
    market: Marketplace, database: Database, identities: Identities, apply: Apply
) -> None:
    own = identities.of_operator()
    async with served(market, database, identities.of_service()) as target:
        access = {"ESCROW_SERVICE_TARGET": target, **own}
        said = await apply("jo@example.com", "--json", **access)
        again = await apply("", ESCROW_OPERATOR="sam", **access)

    assert said.status == 0, said.err
    assert json.loads(said.out)["policy_version"] == 2
    assert again.out == "version 2 says the same already\n"
    assert await kept(market) == [
        ("operator for jo@example.com", "operator", f"policy version 2: {WHY[1]}")
    ]


async def test_a_token_says_who_works(
    market: Marketplace, database: Database, tmp_path: Path, apply: Apply
) -> None:
    token = tmp_path / "token"
    token.write_text(ISSUES.token(sub="jo@example.com", roles=["finance"]))
    document = write_document(tmp_path / "auth.json", ISSUES)
    async with served(market, database, by_tokens(document)) as target:
        said = await apply("", ESCROW_SERVICE_TARGET=target, ESCROW_OPERATOR_TOKEN_FILE=str(token))

    assert said.status == 0, said.err
    assert [caller for caller, *_ in await kept(market)] == ["jo@example.com"]


async def test_only_a_role_that_may_name_a_person_is_believed(
    market: Marketplace, database: Database, tmp_path: Path, apply: Apply
) -> None:
    token = tmp_path / "token"
    token.write_text(ISSUES.token(sub="robot", roles=["watch"]))
    document = write_document(tmp_path / "auth.json", ISSUES)
    document.write_text(json.dumps({**json.loads(document.read_text()), "roles": OF_OPERATORS}))
    async with served(market, database, by_tokens(document)) as target:
        access = {"ESCROW_SERVICE_TARGET": target, "ESCROW_OPERATOR_TOKEN_FILE": str(token)}
        async with market.unchanged():
            refused = await apply("jo", "--json", **access)
        said = await apply("", **access)

    error = json.loads(refused.err)["error"]
    assert (error["status"], error["reason"]) == ("PERMISSION_DENIED", "PERMISSION_MISSING")
    assert error["metadata"] == {"permission": "person.name", "role": "watch"}
    assert said.status == 0, said.err
    assert [caller for caller, *_ in await kept(market)] == ["robot"]


async def test_whoever_is_not_an_operator_changes_nothing(
    market: Marketplace, database: Database, identities: Identities, tmp_path: Path, apply: Apply
) -> None:
    own = identities.of_operator()
    stranger = Authority(tmp_path / "other").issue("x", uri="spiffe://escrow.local/operator")
    of_shop = identities.files("you")
    wrong = {
        "party": (of_shop.certificate, of_shop.key),  # a microservice's
        "ESCROW_OPERATOR_CERTIFICATE_FILE and": stranger,  # the right name, of another authority
        "cannot read": (tmp_path / "nowhere.pem", of_shop.key),
    }
    async with served(market, database, identities.of_service()) as target:
        for says, (certificate, key) in wrong.items():
            files = {
                "ESCROW_OPERATOR_CERTIFICATE_FILE": str(certificate),
                "ESCROW_OPERATOR_KEY_FILE": str(key),
            }
            async with market.unchanged():
                said = await apply("jo", **{"ESCROW_SERVICE_TARGET": target, **own, **files})
            assert (said.status, said.out, said.err.count("\n")) == (2, "", 1), said
            assert says in said.err
        async with market.unchanged():
            plain = await apply("jo", ESCROW_SERVICE_TARGET=target)
    assert "plain text as ESCROW_SERVICE_CA_FILE is not set" in plain.err


async def test_without_a_service_one_line_says_what_to_do(apply: Apply) -> None:
    nowhere = {"ESCROW_SERVICE_TARGET": "127.0.0.1:1"}

    said = await apply("jo", **nowhere)
    told = await escrow(
        "--as", "jo", "events", "retry", "evt_1", *WHY, "--request-id", "x", "--json", **nowhere
    )

    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("escrow: nothing answers at 127.0.0.1:1 (")
    assert "start the service (escrow serve), or set ESCROW_SERVICE_TARGET" in said.err
    error = json.loads(told.err)["error"]
    assert (error["status"], error["reason"]) == ("UNAVAILABLE", "NO_ANSWER")
    assert error["message"].endswith("With --request-id x it is not done twice")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"ESCROW_OPERATOR_KEY_FILE": "k"},
            "ESCROW_OPERATOR_CERTIFICATE_FILE and ESCROW_OPERATOR_KEY_FILE: set both or neither",
        ),
        (
            {"ESCROW_OPERATOR_KEY_FILE": "k", "ESCROW_OPERATOR_CERTIFICATE_FILE": "c"},
            "ESCROW_SERVICE_CA_FILE: is required with a certificate",
        ),
        (
            {"ESCROW_OPERATOR_TOKEN_FILE": "t", "ESCROW_SERVICE_TARGET": "escrow.svc:1"},
            "ESCROW_SERVICE_CA_FILE: the token would be sent in plain text",
        ),
    ],
)
async def test_settings_that_cannot_be_used_are_named(
    apply: Apply, variables: dict[str, str], says: str
) -> None:
    said = await apply("jo", **variables)

    assert (said.status, said.err) == (2, f"escrow: {says}\n")
