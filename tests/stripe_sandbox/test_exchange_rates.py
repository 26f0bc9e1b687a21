"""The table of rates, the control that changes them, and amounts in minor units."""

import pytest
import stripe

from stripe_sandbox import exchange_rates
from stripe_sandbox.app import full_registry
from stripe_sandbox.connect.new_account import CURRENCY_BY_COUNTRY
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import Store
from tests.stripe_sandbox.conftest import Running, Start


def converted(amount: int, source: str, target: str, **dollars: float) -> tuple[int, float]:
    """An amount in another currency, and the rate, when currencies are worth so many dollars."""
    sandbox = Sandbox(full_registry(), Store())
    sandbox.execute(sandbox.platform, exchange_rates.change_exchange_rates, params=dollars)
    rate = sandbox.execute(sandbox.platform, lambda call: exchange_rates.rate(call, source, target))
    return exchange_rates.converted(amount, rate), float(rate)


@pytest.mark.parametrize(
    ("amount", "source", "target", "dollars", "expected", "rate"),
    [
        (10_500, "eur", "usd", {"eur": 1.10}, 11_550, 1.1),
        (5_250, "eur", "usd", {"eur": 1.15}, 6_038, 1.15),  # 6037.5
        (5_249, "eur", "usd", {"eur": 1.15}, 6_036, 1.15),  # 6036.35
        (8_800, "usd", "eur", {"eur": 1.10}, 8_000, 0.909091),
        (10_000, "gbp", "eur", {"gbp": 1.27, "eur": 1.08}, 11_759, 1.17593),
        # The yen has no decimals: 1000 are 6.50 dollars.
        (1_000, "jpy", "usd", {"jpy": 0.0065}, 650, 0.65),
        (1_010, "jpy", "usd", {"jpy": 0.0065}, 657, 0.65),  # 656.5
        (1_000, "usd", "jpy", {"jpy": 0.0064}, 1_563, 1.5625),  # 10.00 dollars are 1562.5
        (1, "usd", "jpy", {"jpy": 0.0064}, 2, 1.5625),  # 1.5625
        # The dinar of Kuwait has three: 10.020 are 32.565 dollars.
        (10_020, "kwd", "usd", {"kwd": 3.25}, 3_257, 0.325),  # 3256.5
        (10_005, "kwd", "usd", {"kwd": 3.25}, 3_252, 0.325),  # 3251.625
        (1_000, "usd", "kwd", {"kwd": 3.25}, 3_077, 3.07692),  # 3076.92
        (1_000, "jpy", "kwd", {"jpy": 0.0064, "kwd": 3.25}, 1_969, 1.96923),
        (2_000, "kwd", "jpy", {"jpy": 0.0064, "kwd": 3.25}, 1_016, 0.507813),  # 1015.626
    ],
)
def test_amounts_are_converted_through_major_units_and_rounded_half_up(
    amount: int, source: str, target: str, dollars: dict[str, float], expected: int, rate: float
) -> None:
    assert converted(amount, source, target, **dollars) == (expected, rate)


async def test_the_control_changes_a_rate_until_a_reset(running: Running) -> None:
    async def rates() -> dict[str, float]:
        shown = await running.control("GET", "exchange_rates")
        return dict(shown["usd_per_unit"])

    table = await rates()
    assert (table["usd"], table["eur"], table["jpy"], table["kwd"]) == (1, 1.08, 0.0064, 3.25)
    answer = await running.control("POST", "exchange_rates", eur=1.1, xof=0.00165)
    assert (answer["usd_per_unit"]["eur"], answer["usd_per_unit"]["gbp"]) == (1.1, 1.27)
    await running.control("POST", "exchange_rates", EUR=1.15)
    assert await rates() == {**table, "eur": 1.15, "xof": 0.00165}
    await running.control("POST", "reset")
    assert await rates() == table


@pytest.mark.parametrize(
    "rates", ['{"eur": 0}', '{"eur": -1}', '{"eur": "1.1"}', '{"eur": true}', '{"eur": NaN}',
              '{"usd": 2}', '{"euro": 1.1}']
)  # fmt: skip
async def test_a_rate_that_is_none_is_refused(running: Running, rates: str) -> None:
    url = f"{running.url}/_sandbox/exchange_rates"
    async with running.http.post(url, data=rates) as answer:
        assert answer.status == 400
    table = (await running.control("GET", "exchange_rates"))["usd_per_unit"]
    assert (table["usd"], table["eur"]) == (1, 1.08)


async def test_rates_and_settings_survive_a_restart(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("sandbox") / "state.db"
    first = await start(data=data)
    await first.worth(eur=1.2)
    await first.hold("usd", "eur")
    await first.stop()
    second = await start(data=data)
    assert (await second.control("GET", "exchange_rates"))["usd_per_unit"]["eur"] == 1.2
    settings = await second.control("POST", "settings")
    assert settings["settlement_currencies"] == ["usd", "eur"]
    assert settings["accounts_settle_in"] == "external_accounts"


def test_every_country_of_an_account_has_a_rate() -> None:
    assert set(CURRENCY_BY_COUNTRY.values()) <= set(exchange_rates.USD_PER_UNIT)


async def test_stripe_serves_what_one_whole_unit_comes_to(running: Running) -> None:
    await running.control("POST", "exchange_rates", eur=1.1, jpy=0.0065)

    euro = await running.client.v1.exchange_rates.retrieve_async("eur")

    assert (euro.id, euro.object) == ("eur", "exchange_rate")
    assert euro.rates["usd"] == 1.1
    assert euro.rates["jpy"] == 169.231
    assert euro.rates["eur"] == 1
    with pytest.raises(stripe.InvalidRequestError, match="No such exchange rate: 'xxx'") as refusal:
        await running.client.v1.exchange_rates.retrieve_async("xxx")
    assert refusal.value.http_status == 404
