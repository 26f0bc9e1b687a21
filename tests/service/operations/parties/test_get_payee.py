"""GetPayee: what a payee owns, on its way from the escrow to the bank."""

from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import Marketplace, acceptance, usd


async def balance_of(market: Marketplace, payee: party_pb.Payee) -> dict[str, int]:
    """The parts of the one balance that are not zero."""
    (balance,) = (await market.find_payee(payee)).balances
    parts = ((field.name, money.amount_minor) for field, money in balance.ListFields())
    return {name: amount_minor for name, amount_minor in parts if amount_minor}


async def test_where_the_money_is(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    escrow = await market.delivered_escrow(payee=payee)
    assert list((await market.find_payee(payee)).balances) == []

    await market.accept(escrow)
    assert await balance_of(market, payee) == {"payable": 8_000}

    await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")
    for event in await market.news():
        await market.tell(event)
    await market.inbox.run_once()
    await market.transfers.run_once()
    assert await balance_of(market, payee) == {"in_flight": 8_000}

    await market.settle()
    assert await balance_of(market, payee) == {"connected": 8_000, "available": 8_000}


async def test_one_entry_for_each_currency(market: Marketplace) -> None:
    payee = await market.new_payee(active=False)
    for currency in ("USD", "EUR"):
        escrow = await market.new_escrow(payee=payee, currency=currency)
        await market.pay(await market.fund(escrow))
        await market.settle()
        await market.deliver(escrow)
        await market.payer.escrows.AcceptDelivery(acceptance(escrow))

    balances = (await market.find_payee(payee)).balances

    assert [balance.payable.currency for balance in balances] == ["EUR", "USD"]
    assert {balance.payable.amount_minor for balance in balances} == {8_000}
    assert balances[1].in_flight == usd(0)
