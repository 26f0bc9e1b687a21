"""After the bad day: everything works again, and whatever was owed is told, answered and done.

What heals itself is given its chance first: processes come back, clients insist on an answer, open
payments are read. The service sweeps what moved the balances at Stripe, and no events: so what
Stripe did not deliver is sent again here from its list of events, as an operator would, and the
events that never existed are made, because some facts (an inquiry, a warning, a payout's arrival)
are told by nothing else. At the end the sweeps have read everything, without anybody's help.
"""

import asyncio
from collections.abc import Sequence

from escrow.v1 import escrow_service_pb2 as pb
from service.effects.settle import LONGEST_PAUSE
from service.operations.sweeps.sweep_balance_transactions import LEASE
from tests.chaos.approvals import waiting
from tests.chaos.caller import Breach, Caller
from tests.chaos.chargebacks import end_chargebacks
from tests.chaos.refunds import end_refunds
from tests.chaos.strangers import end_disputes
from tests.chaos.weather import DAY_S, LEASE_S, Weather, pass_time
from tests.scenarios.sandbox_client import Json
from tests.world import TENANTS, World

ANSWER_DEADLINE_S = 30.0
DRAIN_DEADLINE_S = 40.0
DRAIN_POLL_S = 0.1
# Well below the life of an idempotency key in all: requests may be under way while this passes.
DRAIN_STEP_S = 100.0
REDELIVERIES = 5
RETRY_HOURS = 24 * 4  # Stripe gives up after three days
ARRIVAL_S = 3 * 24 * 3600  # card payments become available, payouts arrive

OPEN_PAYMENTS = """
SELECT 'pay_' || replace(payment_id::text, '-', '') FROM payments
WHERE state NOT IN ('SUCCEEDED', 'CANCELED', 'FAILED', 'REJECTED')"""
OPEN_WORK = """
SELECT kind AS what, state, error::text AS why FROM effects
WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')
UNION ALL
SELECT type, state, reason FROM stripe_events WHERE state IN ('RECEIVED', 'PARKED')
UNION ALL
SELECT 'deadline', kind, refusal FROM deadlines WHERE act_at <= now()
UNION ALL
SELECT 'refund', state, failure_code FROM refunds WHERE state = 'REQUESTED'
UNION ALL
SELECT 'receivable', d.state, d.refusal_code FROM receivables AS d
JOIN releases AS r USING (tenant_id, escrow_id, release_id)
WHERE d.state = 'OWED' AND d.refusals = 0 AND d.recover_at IS NOT NULL AND r.state = 'TRANSFERRED'
UNION ALL
SELECT 'release', r.state, r.refusal_code FROM releases AS r
JOIN payees AS p ON p.tenant_id = r.tenant_id AND p.payee_id = r.payee_id
WHERE r.state = 'WAITING' AND p.state = 'ACTIVE' AND NOT EXISTS (
    SELECT FROM freezes AS f WHERE f.tenant_id = r.tenant_id AND f.payment_id = r.payment_id
    AND f.state = 'OPEN' AND f.beyond_minor > 0)"""
BOOKED = "SELECT balance_transaction_id FROM balance_transactions WHERE tenant_id = $1"
# A payee's account that is due, read just now, or soon to be read because it got money.
READING = """
SELECT EXISTS (SELECT FROM sweeps WHERE stripe_account <> '' AND due_at <= now() + $1::interval)"""
UNDER_WAY = "SELECT max(started_at) FROM effect_attempts WHERE ended_at IS NULL"
DISTURBED_ACCOUNTS = "SELECT stripe_account FROM payees WHERE stripe_account IS NOT NULL"


PAYEES = "SELECT stripe_account FROM payees WHERE tenant_id = $1 AND stripe_account IS NOT NULL"


async def recover(
    world: World, weather: Weather, caller: Caller, currencies: Sequence[str]
) -> dict[str, int]:
    """Heals the system and waits until nothing is on its way; what chaos had done, by kind.
    ``currencies`` are the platform's, of which it gets enough for every refund.
    """
    done: dict[str, int] = (await world.sandbox.control("DELETE", "chaos"))["done"]
    await weather.clear_up()
    # The leases of those who died end, and every effect's pause is over: a process whose clock was
    # hours behind makes an effect look old, and an old one waits long before it is sent again.
    await world.let_pass(max(LEASE_S, LONGEST_PAUSE.total_seconds()))
    await asyncio.gather(*(caller.insist(i, ANSWER_DEADLINE_S) for i in caller.intentions))
    await _ask_again(caller)
    await _end_restrictions(world)
    await _drain(world, caller)  # before much time passes: Stripe forgets keys after a day
    await _end_attempts(world, weather)
    await _read_open_payments(world, caller)
    await end_refunds(world, currencies)
    await end_disputes(world)
    await world.sandbox.control("POST", "chaos/generate")
    for is_last in (False, True):  # what was late may have made something new
        await _deliver_everything(world)
        await _drain(world, caller)
        if is_last:
            async for _ in weather.deadlines.pass_rest():
                await _drain(world, caller)
        await pass_time(world, ARRIVAL_S)
    await _deliver_everything(world)
    await _drain(world, caller)
    if await end_chargebacks(caller, lambda: _drain(world, caller)):
        await pass_time(world, ARRIVAL_S)  # what was let go is sent, and what is owed called back
        await _deliver_everything(world)
        await _drain(world, caller)
    await _await_sweeps(world, caller)
    await _drain(world, caller)
    return done


async def _ask_again(caller: Caller) -> None:
    """Whoever was told to wait for an approval is told what has become of it."""
    asked = waiting(caller)
    for intention in asked:
        intention.refusal = ""
    await asyncio.gather(*(caller.insist(i, ANSWER_DEADLINE_S) for i in asked))


async def _end_attempts(world: World, weather: Weather) -> None:
    """Lets every call to Stripe end before days pass in a moment.

    A seed takes leases from workers that are alive. In the world such a worker ends its call within
    seconds, long before its key is forgotten; here its last retry would arrive days later, and be
    executed a second time. An attempt that never ended may also be a dead process's.
    """
    began = await world.pool.fetchval(UNDER_WAY)
    if began:
        await weather.restart(weather.alive_since(began, "service", "worker"))


async def _end_restrictions(world: World) -> None:
    """Every payee can be paid in the end, so that no release waits for anything but us."""
    for row in await world.pool.fetch(DISTURBED_ACCOUNTS):
        await world.sandbox.control("POST", f"accounts/{row[0]}/restrict", lifted=True)


async def _read_open_payments(world: World, caller: Caller) -> None:
    for row in await world.pool.fetch(OPEN_PAYMENTS):
        await caller.read("GetPayment", pb.GetPaymentRequest(payment_id=row[0]))


async def _deliver_everything(world: World) -> None:
    """First what Stripe itself tries again, then what it lists as not delivered."""
    sandbox = world.sandbox
    for _ in range(RETRY_HOURS):
        if not await sandbox.deliveries("pending"):
            break
        await pass_time(world, 3600)
    for _ in range(REDELIVERIES):  # on a busy machine one of them may be too slow for Stripe
        waiting = await _undelivered(world)
        for event in waiting:
            await sandbox.control("POST", f"events/{event['id']}/redeliver")
        await sandbox.advance(2)
        if not waiting:
            break


async def _undelivered(world: World) -> list[Json]:
    """Oldest first, as a sweep goes through the list; of the platform and all its accounts."""
    events = await world.sandbox.events()
    waiting = [event for event in events if event["pending_webhooks"] > 0]
    return sorted(waiting, key=lambda event: event["created"])


async def _drain(world: World, caller: Caller) -> None:
    """Until there is no open effect, no event to apply and no release that could be transferred."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_DEADLINE_S
    while open_work := await world.pool.fetch(OPEN_WORK):
        if loop.time() > deadline:
            caller.breaches += [Breach("never ends", dict(row)) for row in open_work]
            return
        await world.let_pass(DRAIN_STEP_S)
        await asyncio.sleep(DRAIN_POLL_S)


async def _await_sweeps(world: World, caller: Caller) -> None:
    """Until every balance transaction that Stripe lists has its row in the books of every tenant.

    Nothing is under way any more, so a day may pass: payees' accounts are read that seldom. What is
    called back because a day has passed moves an account again after its pass: where no pass is
    due or under way and something is unread, another day passes.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_DEADLINE_S
    await world.let_pass(DAY_S)
    while unread := await _unread(world):
        if loop.time() > deadline:
            caller.breaches.append(Breach("never read", unread))
            return
        reading = await world.pool.fetchval(READING, LEASE)
        await world.let_pass(DRAIN_STEP_S if reading else DAY_S)
        await asyncio.sleep(DRAIN_POLL_S)


async def _unread(world: World) -> dict[str, list[str]]:
    """The balance transactions of the platform and of a tenant's payees that have no row."""
    listed = {}
    for account in ("", *[a["id"] for a in await world.sandbox.all_of("/v1/accounts")]):
        found = await world.sandbox.all_of("/v1/balance_transactions", account)
        listed[account] = {each["id"] for each in found}
    unread = {}
    for tenant in TENANTS:
        booked = {row[0] for row in await world.pool.fetch(BOOKED, tenant)}
        payees = [row[0] for row in await world.pool.fetch(PAYEES, tenant)]
        ours = set().union(*(listed.get(account, set()) for account in ("", *payees)))
        unread[tenant] = sorted(ours - booked)
    return {tenant: ids for tenant, ids in unread.items() if ids}
