"""Armed faults go wrong exactly as they say, and as often."""

import aiohttp
import pytest

from tests.stripe_sandbox.conftest import Running

CUSTOMER = {"name": "Ada"}


async def post(running: Running, key: str = "k1") -> int:
    status, _, _ = await running.raw("POST", "/v1/customers", CUSTOMER, Idempotency_Key=key)
    return status


async def count(running: Running) -> int:
    return len((await running.client.v1.customers.list_async()).data)


async def arm(running: Running, kind: str, **fault: object) -> None:
    await running.control("POST", "faults", kind=kind, path_prefix="/v1/customers", **fault)


async def test_a_connection_cut_before_the_effect(running: Running) -> None:
    await arm(running, "cut_before_effect")
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(running)
    assert await count(running) == 0
    assert await post(running) == 200


async def test_a_connection_cut_after_the_effect(running: Running) -> None:
    await arm(running, "cut_after_effect")
    with pytest.raises(aiohttp.ClientPayloadError):
        await post(running)
    assert await count(running) == 1
    status, headers, _ = await running.raw("POST", "/v1/customers", CUSTOMER, Idempotency_Key="k1")
    assert (status, headers["Idempotent-Replayed"]) == (200, "true")
    assert await count(running) == 1


@pytest.mark.parametrize("status", [409, 429, 500])
async def test_a_status_instead_of_the_effect(running: Running, status: int) -> None:
    await arm(running, "status", status=status, times=2)
    assert [await post(running) for _ in range(3)] == [status, status, 200]
    assert await count(running) == 1


async def test_an_error_after_the_effect_leaves_the_true_answer_under_the_key(
    running: Running,
) -> None:
    await arm(running, "error_after_effect")
    assert [await post(running), await post(running)] == [500, 200]
    assert await count(running) == 1


@pytest.mark.parametrize("effect", [True, False])
async def test_an_error_stored_under_the_key(running: Running, effect: bool) -> None:
    await arm(running, "stored_error", effect=effect)
    assert [await post(running), await post(running)] == [500, 500]
    assert await count(running) == effect
    assert await post(running, key="k2") == 200


async def test_a_fault_strikes_only_what_it_names(running: Running) -> None:
    await arm(running, "status", method="DELETE")
    assert await post(running) == 200
    await running.control("DELETE", "faults")
    assert (await running.control("GET", "faults"))["data"] == []


@pytest.mark.parametrize(
    "fault",
    [{}, {"kind": "nonsense"}, {"kind": "status", "status": 418}, {"kind": "status", "times": "x"}],
)
async def test_a_fault_that_makes_no_sense_is_refused(
    running: Running, fault: dict[str, object]
) -> None:
    async with running.http.post(f"{running.url}/_sandbox/faults", json=fault) as answer:
        assert answer.status == 400
