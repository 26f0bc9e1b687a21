"""One unit of work: written as a whole, or refused in the domain's words with nothing written."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from service.domain.call import Party
from service.domain.errors import BooksRefused, DatabaseUnavailable, RequestIdReused
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction, booked
from service.domain.unit import EventEnd, Transition, UnitOfWork
from service.migrations import Connection
from service.store.balances import close_books
from service.store.commit import CONFLICTS, REFUSALS, Overtaken, in_words, write
from service.store.fragments import BALANCES
from service.store.operations import Answered, TimelineRow, find_timeline
from service.store.parties import load_parties
from service.store.pool import ServicePool
from service.store.stripe_events import StoredEvent, insert_event
from service.store.tables import TABLES, Table
from tests.records import (
    NOW,
    TENANT,
    Deal,
    fund_deal,
    later,
    new_approval,
    new_chargeback,
    new_effect,
    new_escrow,
    new_milestone,
    new_payee,
    new_payer,
    new_payment,
    new_policy,
    new_receivable,
    new_refund,
    new_transaction,
    new_unit,
)

TABLES_OF_SCHEMA = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""
CONTENT = "SELECT md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), '')) FROM {table} AS t"


async def contents(owner: Connection) -> dict[str, str]:
    """What every table holds, as a digest of all its rows."""
    names = [row["relname"] for row in await owner.fetch(TABLES_OF_SCHEMA)]
    return {name: await owner.fetchval(CONTENT.format(table=name)) for name in names}


@asynccontextmanager
async def nothing_written(owner: Connection) -> AsyncIterator[None]:
    """Fails when the block leaves a trace in any table."""
    before = await contents(owner)
    assert {"operations", "journals", "entries", "balances"} < set(before)
    yield
    assert await contents(owner) == before


def everything(deal: Deal) -> UnitOfWork:
    """A unit that would write every table, and is fit to be written."""
    unit = new_unit("everything")
    payer, payee = new_payer(), new_payee()
    escrow = new_escrow(payer, payee)
    for record in (payer, payee, escrow, new_milestone(escrow), new_payment(escrow), new_effect()):
        unit.put(record)
    post_fee(unit, new_transaction(-1))
    post_release(unit, deal, 1_00, source="everything")
    return unit


def post_release(unit: UnitOfWork, deal: Deal, amount_minor: int, *, source: str) -> None:
    amounts = {"payee_share": amount_minor, "payee_fee": 0, "payer_fee": 0}
    part = Part(deal.names(), amounts)
    unit.post(JournalKind.RELEASED, Source("release", source), "USD", [part])


def post_fee(unit: UnitOfWork, transaction: BalanceTransaction) -> None:
    source, part = Source("balance_transaction", transaction.id), Part({}, {"amount": 1})
    kind = JournalKind.STRIPE_FEE
    unit.post(kind, source, "USD", [part], transaction=transaction)


async def balances(owner: Connection) -> dict[str, int]:
    rows = await owner.fetch("SELECT account, balance_minor FROM balances")
    return {row["account"]: row["balance_minor"] for row in rows}


async def test_a_unit_is_written_whole(pool: ServicePool, owner: Connection) -> None:
    deal = await fund_deal(pool)
    unit = everything(deal)
    unit.response, unit.note = b"\x00\xffanswer", "why"
    unit.transitions.append(Transition("esc_1", "", "AWAITING_FUNDS"))

    await write(pool, [unit])

    row = await owner.fetchrow("SELECT * FROM operations WHERE kind = 'everything'")
    assert row is not None
    assert unit.escrow is not None
    written = dict(row)
    assert written.pop("transaction_id") > 0  # by which it is found to be numbered
    assert written == {
        "tenant_id": TENANT,
        "operation_id": unit.operation_id,
        "kind": "everything",
        "caller": "tests",
        "party": "service",
        "key": unit.call.key,
        "request_hash": b"hash",
        "response": b"\x00\xffanswer",
        "escrow_id": unit.escrow.escrow_id,
        "escrow_version": 1,
        "transitions": '[["esc_1", "", "AWAITING_FUNDS"]]',
        "note": "why",
        "trace_id": "",
        "occurred_at": NOW,
    }
    journal = await owner.fetchrow("SELECT * FROM journals WHERE source_id = 'everything'")
    assert journal is not None
    assert journal["operation_id"] == unit.operation_id
    entries = await owner.fetch(
        "SELECT line, book, account, currency, amount_minor FROM entries"
        " WHERE journal_id = $1 ORDER BY line",
        journal["journal_id"],
    )
    assert [tuple(entry) for entry in entries] == [
        (1, "platform", deal.held, "USD", 1_00),
        (2, "platform", deal.payable, "USD", -1_00),
    ]
    held = await balances(owner)
    assert held[deal.held] == 99_00
    assert held[deal.payable] == 1_00


# Every constraint that has a meaning in the domain, broken for real.

Break = Callable[[ServicePool, Deal], Awaitable[UnitOfWork]]


async def overdraw(_: ServicePool, deal: Deal) -> UnitOfWork:
    unit = everything(deal)
    post_release(unit, deal, 99_01, source="too much")  # 1.00 of the 100.00 is taken already
    return unit


async def take_a_payers_reference(_: ServicePool, deal: Deal) -> UnitOfWork:
    unit = everything(deal)
    unit.put(new_payer(reference=deal.payer.reference))
    return unit


async def take_a_payees_reference(_: ServicePool, deal: Deal) -> UnitOfWork:
    unit = everything(deal)
    unit.put(new_payee(reference=deal.payee.reference))
    return unit


async def take_a_stripe_account(_: ServicePool, deal: Deal) -> UnitOfWork:
    unit = everything(deal)
    unit.put(new_payee(stripe_account=deal.payee.stripe_account))
    return unit


async def take_a_payment_intent(_: ServicePool, deal: Deal) -> UnitOfWork:
    unit = everything(deal)
    unit.put(new_payment(deal.escrow, stripe_payment_intent=deal.payment.stripe_payment_intent))
    return unit


async def take_a_charge(_: ServicePool, deal: Deal) -> UnitOfWork:
    unit = everything(deal)
    unit.put(new_payment(deal.escrow, stripe_charge=deal.payment.stripe_charge))
    return unit


async def book_a_balance_transaction_again(pool: ServicePool, deal: Deal) -> UnitOfWork:
    transaction = new_transaction(-1)
    first, unit = new_unit(), everything(deal)
    post_fee(first, transaction)
    await write(pool, [first])
    unit.put(booked(TENANT, transaction, unit.journals[0].journal_id, NOW))
    return unit


async def use_a_key_again(pool: ServicePool, deal: Deal) -> UnitOfWork:
    await write(pool, [new_unit("everything", key="the same")])
    unit = everything(deal)
    unit.call = new_unit(key="the same").call
    return unit


async def take_a_place_in_the_timeline(_: ServicePool, deal: Deal) -> UnitOfWork:
    unit = everything(deal)
    unit.escrow = deal.escrow  # in the version that its payment made
    return unit


async def tell_a_fact_again(pool: ServicePool, deal: Deal) -> UnitOfWork:
    first = new_unit()
    post_release(first, deal, 1_00, source="told twice")
    await write(pool, [first])
    unit = everything(deal)
    post_release(unit, deal, 1_00, source="told twice")
    return unit


async def add_a_policy_version_again(pool: ServicePool, deal: Deal) -> UnitOfWork:
    first, unit = new_unit(), everything(deal)
    first.put(new_policy())
    await write(pool, [first])
    unit.put(new_policy(created_by="somebody else"))
    return unit


async def close_the_books(pool: ServicePool, deal: Deal) -> UnitOfWork:
    await close_books(pool, TENANT, later(seconds=1), lease=timedelta(0))
    return everything(deal)


async def take_a_refund(pool: ServicePool, deal: Deal) -> UnitOfWork:
    first = new_unit()
    first.put(new_refund(deal.payment, stripe_refund="re_taken"))
    await write(pool, [first])
    unit = everything(deal)
    unit.put(new_refund(deal.payment, stripe_refund="re_taken"))
    return unit


async def hear_of_a_dispute_again(pool: ServicePool, deal: Deal) -> UnitOfWork:
    first = new_unit()
    first.put(new_chargeback(deal.payment, stripe_dispute="du_heard"))
    await write(pool, [first])
    unit = everything(deal)
    unit.put(new_chargeback(deal.payment, stripe_dispute="du_heard"))
    return unit


async def ask_for_an_approval_again(pool: ServicePool, deal: Deal) -> UnitOfWork:
    first = new_unit()
    first.put(new_approval(key="the same"))
    await write(pool, [first])
    unit = everything(deal)
    unit.put(new_approval(key="the same"))
    return unit


BREAKS: dict[str, Break] = {
    "balances_not_negative": overdraw,
    "payers_reference": take_a_payers_reference,
    "payees_reference": take_a_payees_reference,
    "entries_in_open_books": close_the_books,
    "operations_key": use_a_key_again,
    "operations_timeline": take_a_place_in_the_timeline,
    "journals_source": tell_a_fact_again,
    "policies_pkey": add_a_policy_version_again,
    "payments_stripe_payment_intent": take_a_payment_intent,
    "payments_stripe_charge": take_a_charge,
    "payees_stripe_account": take_a_stripe_account,
    "balance_transactions_pkey": book_a_balance_transaction_again,
    "refunds_by_stripe_refund": take_a_refund,
    "approvals_request": ask_for_an_approval_again,
    "chargebacks_by_dispute": hear_of_a_dispute_again,
}


def test_every_constraint_with_a_meaning_is_broken_here() -> None:
    assert set(BREAKS) == set(REFUSALS) | CONFLICTS


async def test_what_is_broken_here_is_only_that(pool: ServicePool) -> None:
    await write(pool, [everything(await fund_deal(pool))])


@pytest.mark.parametrize("constraint", BREAKS)
async def test_the_schema_refuses_in_the_domains_words_and_nothing_is_written(
    pool: ServicePool, owner: Connection, constraint: str
) -> None:
    unit = await BREAKS[constraint](pool, await fund_deal(pool))

    async with nothing_written(owner):
        with pytest.raises(REFUSALS.get(constraint, Overtaken)) as refused:
            await write(pool, [unit])

    cause = refused.value.__cause__
    assert isinstance(cause, asyncpg.IntegrityConstraintViolationError)
    assert cause.as_dict()["constraint_name"] == constraint


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("table", [t for t in TABLES if t.versioned], ids=lambda table: table.name)
async def test_a_record_that_changed_since_it_was_read_is_a_conflict(
    pool: ServicePool, owner: Connection, table: Table, by: int
) -> None:
    deal = await fund_deal(pool)
    effect = new_effect()
    receivable = new_receivable(deal.payee, deal.escrow)
    approval = new_approval()
    first = new_unit()
    first.put(effect)
    first.put(receivable)
    first.put(approval)
    await write(pool, [first])
    stored = (deal.payer, deal.payee, deal.escrow, effect, receivable, approval)
    (record,) = (record for record in stored if type(record) is table.record)
    record.version += by  # as if somebody had written since, or as if the row had been restored
    unit = everything(deal)
    unit.put(record)

    async with nothing_written(owner):
        with pytest.raises(Overtaken, match=f"{table.name} changed since they were read"):
            await write(pool, [unit])


async def test_an_id_that_is_taken_is_never_overwritten(
    pool: ServicePool, owner: Connection
) -> None:
    deal = await fund_deal(pool)
    unit = everything(deal)
    unit.put(new_payer(payer_id=deal.payer.payer_id))

    async with nothing_written(owner):
        with pytest.raises(Overtaken):
            await write(pool, [unit])


async def test_what_the_schema_refuses_without_a_meaning_is_a_bug(
    pool: ServicePool, owner: Connection
) -> None:
    deal = await fund_deal(pool)
    unit = everything(deal)
    deal.milestone.released_minor = deal.milestone.funded_minor + 1
    unit.put(deal.milestone)

    async with nothing_written(owner):
        with pytest.raises(asyncpg.CheckViolationError, match="milestones_frozen_is_held"):
            await write(pool, [unit])


async def test_a_number_that_no_column_can_hold_is_a_bug(
    pool: ServicePool, owner: Connection
) -> None:
    deal = await fund_deal(pool)
    unit = everything(deal)
    unit.put(new_payment(deal.escrow, amount_minor=2**63))

    async with nothing_written(owner):
        with pytest.raises(asyncpg.DataError):
            await write(pool, [unit])


async def test_a_pool_that_is_closed_is_an_outage(pool: ServicePool) -> None:
    await pool.close()

    with pytest.raises(DatabaseUnavailable):
        await write(pool, [new_unit()])
    with pytest.raises(DatabaseUnavailable):
        await load_parties(pool, new_unit())


# Idempotency.


async def test_the_same_key_with_the_same_request_is_answered_with_the_same_bytes(
    pool: ServicePool,
) -> None:
    unit = new_unit(key="one")
    unit.response = b"\x00answer"
    await write(pool, [unit])

    with pytest.raises(Answered) as answered:
        await load_parties(pool, new_unit(key="one"))

    assert answered.value.response == b"\x00answer"


async def test_the_same_key_with_another_request_is_refused(pool: ServicePool) -> None:
    await write(pool, [new_unit(key="one")])

    with pytest.raises(RequestIdReused):
        await load_parties(pool, new_unit(key="one", request_hash=b"other"))


async def test_a_key_is_one_tenants_one_callers_and_one_operations(pool: ServicePool) -> None:
    await write(pool, [new_unit("fund", key="one")])

    with pytest.raises(RequestIdReused):
        await load_parties(pool, new_unit("release", key="one"))
    await load_parties(pool, new_unit("settle", key="one", request_hash=b""))  # no client's
    await load_parties(pool, new_unit("fund", key="one", tenant_id="other"))
    with pytest.raises(Answered):  # whoever acts: the party is no part of the key
        await load_parties(pool, new_unit("fund", key="one", party=Party.OPERATOR))


# Stripe's events end in the commit that holds their effects.


async def receive(pool: ServicePool) -> StoredEvent:
    event = StoredEvent(
        TENANT, "evt_1", "platform", None, "charge.updated", None, False, NOW, b"{}", "", 0, NOW
    )
    assert await insert_event(pool, event, state="RECEIVED")
    return event


async def test_an_event_ends_with_the_unit_it_caused(pool: ServicePool, owner: Connection) -> None:
    event = await receive(pool)
    unit = new_unit(now=later(seconds=3))
    unit.event_end = EventEnd(event.event_id, "PROCESSED", "charge settled")

    await write(pool, [unit])

    row = await owner.fetchrow("SELECT state, reason, processed_at FROM stripe_events")
    assert row is not None
    assert tuple(row) == ("PROCESSED", "charge settled", later(seconds=3))


async def test_an_event_that_has_ended_is_a_conflict(pool: ServicePool, owner: Connection) -> None:
    event = await receive(pool)
    first = new_unit()
    first.event_end = EventEnd(event.event_id, "PROCESSED")
    await write(pool, [first])
    unit = everything(await fund_deal(pool))
    unit.event_end = EventEnd(event.event_id, "IGNORED")

    async with nothing_written(owner):
        with pytest.raises(Overtaken, match="event_ends"):
            await write(pool, [unit])


async def test_a_debit_of_a_balance_that_is_not_there_is_refused(
    pool: ServicePool, owner: Connection
) -> None:
    statement = f"WITH {BALANCES.format('$1')} SELECT true"
    credit = [(TENANT, "liab:payee:pye_1:payable", "USD", 5)]
    debit = [(TENANT, "liab:payee:pye_1:payable", "USD", -5)]

    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await pool.execute(statement, debit)
    assert refused.value.constraint_name == "balances_not_negative"
    assert await balances(owner) == {}

    await pool.execute(statement, credit)
    await pool.execute(statement, debit)
    assert await balances(owner) == {"liab:payee:pye_1:payable": 0}
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(statement, debit)


async def test_what_a_payees_account_holds_may_be_told_below_zero(
    pool: ServicePool, owner: Connection
) -> None:
    """Stripe says what it holds; a reversal may be told before what it takes of."""
    statement = f"WITH {BALANCES.format('$1')} SELECT true"
    account = "conn:acct_1:balance"
    for change, holds in ((-5, -5), (-3, -8), (10, 2), (-2, 0), (-1, -1)):
        await pool.execute(statement, [(TENANT, account, "USD", change)])
        assert (await balances(owner))[account] == holds
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(statement, [(TENANT, "conn:acct_1:in_transit", "USD", -1)])


def test_a_constraint_is_known_by_the_name_of_its_shard() -> None:
    error = asyncpg.CheckViolationError("no")
    error.constraint_name = "balances_not_negative_102041"

    assert isinstance(in_words(error), BooksRefused)


async def test_an_event_of_a_refused_unit_stays_open(pool: ServicePool, owner: Connection) -> None:
    event = await receive(pool)
    unit = await overdraw(pool, await fund_deal(pool))
    unit.event_end = EventEnd(event.event_id, "PROCESSED")

    async with nothing_written(owner):
        with pytest.raises(REFUSALS["balances_not_negative"]):
            await write(pool, [unit])


async def test_the_timeline_tells_each_version_once_and_goes_on_where_it_stopped(
    pool: ServicePool,
) -> None:
    deal = await fund_deal(pool)
    for number in range(2, 6):
        unit = new_unit(f"step {number}", now=later(seconds=number))
        unit.put(deal.escrow)
        unit.transitions.append(Transition("esc_1", str(number - 1), str(number)))
        await write(pool, [unit])

    escrow_id = deal.escrow.escrow_id
    first = await find_timeline(pool, TENANT, escrow_id, after_version=0, limit=3)
    rest = await find_timeline(pool, TENANT, escrow_id, after_version=3, limit=3)

    rows = [row for row in first + rest if isinstance(row, TimelineRow)]
    assert [row.version for row in rows] == [1, 2, 3, 4, 5]
    assert [row.operation for row in rows[3:]] == ["step 4", "step 5"]
    assert rows[3].transitions == [["esc_1", "3", "4"]]
    assert rows[3].occurred_at == later(seconds=4)
