"""Requests of older API versions mean what they meant; the current version stays strict."""

import aiohttp
import pytest

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.events import API_VERSION
from stripe_sandbox.older_parameters import ACCOUNT_DEFAULT_VERSION, to_current, version_of
from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import API_KEY, Running

INTENT = {"amount": "2000", "currency": "usd"}


async def create_intent(
    running: Running, version: str | None, form: dict[str, str]
) -> tuple[int, str, Json]:
    """(status, Stripe-Version of the answer, body) of a payment intent asked for in a version."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    headers |= {"Stripe-Version": version} if version else {}
    url = f"{running.url}/v1/payment_intents"
    async with running.http.post(url, data=aiohttp.FormData(form), headers=headers) as answer:
        return answer.status, answer.headers["Stripe-Version"], await answer.json()


async def test_without_a_version_a_request_speaks_its_accounts_default(running: Running) -> None:
    form = INTENT | {"payment_method_types[]": "card", "payment_method": "pm_card_visa"}
    status, version, intent = await create_intent(running, None, form | {"confirm": "true"})
    assert (status, version) == (200, ACCOUNT_DEFAULT_VERSION)
    assert (intent["status"], intent["payment_method_types"]) == ("succeeded", ["card"])
    assert intent["capture_method"] == "automatic"


async def test_an_older_name_is_unknown_to_the_current_version(running: Running) -> None:
    form = INTENT | {"payment_method_types[]": "card"}
    status, version, body = await create_intent(running, API_VERSION, form)
    assert (status, version, body["error"]["param"]) == (400, API_VERSION, "payment_method_types")


async def test_what_no_version_knew_is_refused_in_every_version(running: Running) -> None:
    status, _, body = await create_intent(running, None, INTENT | {"payment_types": "card"})
    assert (status, body["error"]["code"]) == (400, "parameter_unknown")


async def test_a_version_is_a_date_with_a_name(running: Running) -> None:
    status, _, body = await create_intent(running, "latest", INTENT)
    assert (status, body["error"]["message"]) == (400, "Invalid Stripe API version: latest")
    with pytest.raises(InvalidRequestError):
        version_of("2020-8-1")


@pytest.mark.parametrize(
    ("version", "capture_method"), [("2024-03-01", "automatic"), ("2024-04-10", None)]
)
def test_a_change_concerns_the_versions_before_it(version: str, capture_method: str | None) -> None:
    sent: dict[str, Json] = {"amount": "1"}
    current, kept = to_current("POST", "/v1/payment_intents", version, sent)
    assert current.get("capture_method") == capture_method
    assert (sent, kept) == ({"amount": "1"}, {})


def test_a_parameter_without_a_successor_is_kept_apart() -> None:
    sent = {"coupon": "c", "name": "Ada"}
    for path in ("/v1/customers", "/v1/customers/cus_1"):
        assert to_current("POST", path, "2024-06-20", sent) == ({"name": "Ada"}, {"coupon": "c"})
    assert to_current("POST", "/v1/customers/cus_1/sources", "2024-06-20", sent) == (sent, {})
    assert to_current("POST", "/v1/customers", "2025-03-31.basil", sent) == (sent, {})


async def test_older_accounts_can_receive_money_at_once(running: Running) -> None:
    _, _, account = await running.raw("POST", "/v1/accounts", {"type": "standard"})
    assert account["capabilities"] == {}
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with running.http.post(f"{running.url}/v1/accounts", headers=headers) as answer:
        older = await answer.json()
    assert older["capabilities"] == {"legacy_payments": "active"}
    assert (older["payouts_enabled"], older["requirements"]["currently_due"]) == (False, [])
