"""ListEvents and WatchEvents: all that happens, in one order, from any place in it."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from escrow.client import connect_sync
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import event_service_pb2 as feed_pb
from escrow.watching import watch_events as follow_events
from escrow.watching import watch_events_sync as follow_events_sync
from service.cli.docs_events import first_states
from service.domain import ids
from service.domain.states.escrow import ESCROW
from service.domain.states.milestone import MILESTONE
from service.domain.states.payment import PAYMENT
from service.domain.states.release import RELEASE
from service.operations import waiting
from service.operations.feed import watch_events
from service.operations.feed.cursors import show_cursor
from service.store.sequence import Place, seal_operations
from tests.records import TENANT
from tests.service.operations.marketplace import NEIGHBOUR, Marketplace
from tests.until import until

PATIENCE_S = 10.0
NEW = (
    (ids.ESCROW, ESCROW),
    (ids.MILESTONE, MILESTONE),
    (ids.PAYMENT, PAYMENT),
    (ids.RELEASE, RELEASE),
)


async def seal(market: Marketplace) -> None:
    await seal_operations(market.work_runtime.pool, market.tenant, most=10_000)


async def listed(market: Marketplace, **asked: Any) -> Sequence[feed_pb.Event]:  # noqa: ANN401
    request = feed_pb.ListEventsRequest(page_size=500, **asked)
    return (await market.service.feed.ListEvents(request)).events


@asynccontextmanager
async def watching(call: Any) -> AsyncIterator[Any]:  # noqa: ANN401  a stream, and how to read it
    async def read() -> Any:  # noqa: ANN401
        return await asyncio.wait_for(anext(aiter(call)), PATIENCE_S)

    try:
        yield read
    finally:
        call.cancel()


async def test_every_operation_is_an_event_as_its_timeline_has_it(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    other = await market.new_escrow(payee=payee)
    await market.accept(escrow)
    assert await listed(market) == []  # nothing has its position yet

    await seal(market)
    events = await listed(market)

    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert len({event.id for event in events}) == len(events)
    assert all(event.type == event.change.operation for event in events)
    for each in (escrow, other):
        told = [event.change for event in events if event.escrow_id == each.id]
        assert told == await market.timeline(each)
        assert [event.change for event in await listed(market, escrow_id=each.id)] == told
    assert any(t.HasField("amount") for event in events for t in event.change.transitions)
    moved = [t for event in events for t in event.change.transitions]
    new = {(t.subject.partition("_")[0], t.to) for t in moved if not getattr(t, "from")}
    assert new == {(kind, first) for kind, machine in NEW for first in first_states(machine)}
    parties = [event for event in events if not event.escrow_id]
    assert {"create_payer", "create_payee"} <= {event.type for event in parties}
    assert {event.change.version for event in parties} == {0}


async def test_pages_from_a_cursor_go_on_where_the_last_one_ended(market: Marketplace) -> None:
    await market.funded_escrow()
    await seal(market)
    whole, seen, after = await listed(market), list[feed_pb.Event](), ""

    for _ in whole:
        request = feed_pb.ListEventsRequest(page_size=2, after=after)
        page = await market.service.feed.ListEvents(request)
        seen += page.events
        after = page.cursor
        if page.at_end:
            break
    assert seen == whole
    assert after == whole[-1].cursor
    assert await listed(market, after=after) == []
    assert await listed(market, after=whole[2].cursor) == whole[3:]

    types = ["create_escrow", "create_payer"]
    chosen = [event for event in whole if event.type in types]
    assert chosen
    assert await listed(market, types=types) == chosen
    request = feed_pb.ListEventsRequest(page_size=1, types=["fund_escrow"])
    first = await market.service.feed.ListEvents(request)
    assert (list(first.events), first.cursor) == ([], whole[0].cursor)  # not the end, and none


async def test_a_cursor_is_this_tenants_and_of_this_database(market: Marketplace) -> None:
    await market.new_escrow()
    await seal(market)
    last = (await listed(market))[-1]
    place = Place(last.position, uuid4())
    theirs = show_cursor(NEIGHBOUR, Place(last.position, uuid4()))
    raw = base64.urlsafe_b64decode(last.cursor + "=")
    spoiled = base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode().rstrip("=")
    lost = [show_cursor(TENANT, place), show_cursor(TENANT, Place(10**9, uuid4()))]

    for cursor in (theirs, spoiled, "nonsense", last.cursor[:-4], last.cursor + "AAAA", "\u00e4"):
        for ask in (
            market.service.feed.ListEvents(feed_pb.ListEventsRequest(after=cursor)),
            anext(aiter(market.service.feed.WatchEvents(feed_pb.WatchEventsRequest(after=cursor)))),
        ):
            async with market.refuses("INVALID_FIELD") as refusal:
                await ask
            assert set(refusal.fields) == {"after"}
    for cursor in lost:
        async with market.refuses("CURSOR_LOST"):
            await market.service.feed.ListEvents(feed_pb.ListEventsRequest(after=cursor))
    both = feed_pb.WatchEventsRequest(after=last.cursor, from_beginning=True)
    async with market.refuses("INVALID_FIELD"):
        await anext(aiter(market.service.feed.WatchEvents(both)))


async def test_a_watcher_hears_what_happens_from_where_it_begins(market: Marketplace) -> None:
    await market.new_escrow()
    await seal(market)
    before = await listed(market)
    watch = market.service.feed.WatchEvents
    beginning = watch(feed_pb.WatchEventsRequest(from_beginning=True))
    after = watch(feed_pb.WatchEventsRequest(after=before[1].cursor))
    chosen = watch(feed_pb.WatchEventsRequest(types=["fund_escrow"]))
    async with (
        watching(beginning) as all_of_it,
        watching(after) as rest,
        watching(chosen) as some,
        watching(watch(feed_pb.WatchEventsRequest())) as new,
    ):
        assert not (await all_of_it()).events
        assert list((await all_of_it()).events) == before
        assert (await rest()).cursor == before[1].cursor
        assert list((await rest()).events) == before[2:]
        assert (await new()).cursor == (await some()).cursor == before[-1].cursor

        escrow = await market.new_escrow()
        await market.fund(escrow)
        await seal(market)

        told = (await new()).events
        assert list((await all_of_it()).events) == list((await rest()).events) == list(told)
        assert {"create_escrow", "fund_escrow"} <= {event.type for event in told}
        (funded,) = (await some()).events
        assert (funded.type, funded.escrow_id) == ("fund_escrow", escrow.id)


async def test_who_hears_nothing_is_told_how_far_it_is(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a reader of a rare type begins where it began before, whenever it is cut."""
    monkeypatch.setattr(watch_events, "TELLS_PLACE_S", 0.0)
    rare = market.service.feed.WatchEvents(feed_pb.WatchEventsRequest(types=["settle_chargeback"]))
    async with watching(rare) as read:
        await read()
        await market.new_escrow()
        await seal(market)
        told = await read()

    assert not told.events
    assert told.cursor == (await listed(market))[-1].cursor


async def test_who_follows_and_hears_nothing_keeps_their_place_and_misses_nothing(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_events, "TELLS_PLACE_S", 0.0)
    await market.new_escrow()
    await seal(market)
    kept = list[str]()

    async def keep(cursor: str) -> None:
        kept.append(cursor)

    async def follow(after: str) -> feed_pb.Event:
        rare = follow_events(market.service, after=after, types=["fund_escrow"], progress=keep)
        async with asyncio.timeout(PATIENCE_S):
            return await anext(rare)

    following = asyncio.create_task(follow(""))
    await until(lambda: kept)
    assert kept == [(await listed(market))[-1].cursor]  # at once, where it began
    escrow = await market.new_escrow()
    await seal(market)
    quiet = (await listed(market))[-1].cursor
    await until(lambda: kept[-1] == quiet)
    following.cancel()
    await market.fund(escrow)  # while nobody follows
    await seal(market)

    assert (await follow(kept[-1])).escrow_id == escrow.id

    assert kept[-1] == quiet  # nobody has said that the event is done with


async def test_code_without_asyncio_keeps_its_place_too(market: Marketplace) -> None:
    await market.new_escrow()
    await seal(market)
    events = await listed(market)
    kept = list[str]()

    def follow() -> list[str]:
        target, seen = f"127.0.0.1:{market.running.port}", list[str]()
        with connect_sync(target, tenant=market.tenant, caller="orders") as client:
            for event in follow_events_sync(client, from_beginning=True, progress=kept.append):
                seen.append(event.cursor)
                if len(seen) > len(events):
                    return seen
        raise AssertionError

    following = asyncio.create_task(asyncio.to_thread(follow))
    await until(lambda: kept and kept[-1] == events[-1].cursor)
    await market.new_escrow()
    await seal(market)

    seen = await asyncio.wait_for(following, PATIENCE_S)
    assert seen[:-1] == [event.cursor for event in events]


async def test_what_goes_wrong_where_a_place_is_kept_ends_the_following(
    market: Marketplace,
) -> None:
    """It is no failure of the stream: begun again it would go on as if the place was kept."""

    class NotKept(TimeoutError):
        pass

    async def keep(_: str) -> None:
        raise NotKept

    with pytest.raises(NotKept):
        async with asyncio.timeout(PATIENCE_S):
            await anext(follow_events(market.service, from_beginning=True, progress=keep))


async def test_a_place_that_was_given_to_another_is_lost(market: Marketplace) -> None:
    """A standby without the last commits has taken over, and has gone on since."""
    await market.new_escrow()
    await seal(market)
    async with watching(market.service.feed.WatchEvents(feed_pb.WatchEventsRequest())) as read:
        await read()
        await market.owner.execute(
            "UPDATE positions SET operation_id = gen_random_uuid() WHERE position ="
            " (SELECT max(position) FROM positions)"
        )
        await market.new_escrow()
        await market.owner.execute(
            "INSERT INTO positions SELECT tenant_id, (SELECT max(position) FROM positions) +"
            " row_number() OVER (ORDER BY operation_id), operation_id, now() FROM operations AS o"
            " WHERE NOT EXISTS (SELECT FROM positions AS p WHERE p.operation_id = o.operation_id)"
        )
        await market.owner.execute(
            "UPDATE sealings SET position = (SELECT max(position) FROM positions)"
        )
        async with market.refuses("CURSOR_LOST"):
            await read()
        await market.owner.execute("DELETE FROM positions")
        await market.owner.execute("DELETE FROM sealings")


async def test_an_escrow_is_watched_after_a_version(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    escrow = await market.new_escrow()
    watch = market.payer.escrows.WatchEscrow
    from_start = pb.WatchEscrowRequest(escrow_id=escrow.id)
    now = pb.WatchEscrowRequest(escrow_id=escrow.id, after_version=1)
    async with watching(watch(from_start)) as whole, watching(watch(now)) as new:
        first = await whole()
        assert ([entry.version for entry in first.entries], first.version) == ([1], 1)
        assert await new() == pb.WatchEscrowResponse(version=1)

        await market.fund(escrow)  # which nobody has sealed: the version counts

        entries = await market.timeline(escrow)
        heard: list[pb.TimelineEntry] = []
        while len(heard) < len(entries) - 1:
            heard += (await new()).entries
        assert heard == entries[1:]
    ahead = pb.WatchEscrowRequest(escrow_id=escrow.id, after_version=99)
    async with market.refuses("VERSION_AHEAD"):
        await anext(aiter(watch(ahead)))
    monkeypatch.setattr(waiting, "QUIET_S", 0.05)
    last = pb.WatchEscrowRequest(escrow_id=escrow.id, after_version=entries[-1].version)
    events = market.service.feed.WatchEvents(feed_pb.WatchEventsRequest())
    async with watching(watch(last)) as quiet, watching(events) as alive:
        assert await quiet() == await quiet()
        assert (await alive()) == (await alive())


async def test_a_version_that_another_change_has_is_lost(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby without the last commit has taken over. Nothing of what it goes on with is told as
    if it came after that.
    """
    escrow = await market.funded_escrow()
    version = (await market.timeline(escrow))[-1].version
    watch = market.payer.escrows.WatchEscrow
    request = pb.WatchEscrowRequest(escrow_id=escrow.id, after_version=version)
    replace = "UPDATE operations SET operation_id = gen_random_uuid() WHERE escrow_version = $1"
    lose = "UPDATE escrows SET version = version - 1"
    await market.owner.execute("ALTER TABLE operations DISABLE TRIGGER USER")
    before = await market.owner.fetchval(
        "SELECT operation_id FROM operations WHERE escrow_version = $1", version
    )

    async with watching(watch(request)) as behind, watching(watch(request)) as further:
        await behind()
        await further()
        await market.owner.execute(replace, version)
        await market.deliver(escrow)
        for read in (behind, further):
            async with market.refuses("VERSION_REPLACED"):
                await read()
    monkeypatch.setattr(waiting, "QUIET_S", 0.05)
    newest = pb.WatchEscrowRequest(escrow_id=escrow.id, after_version=version + 1)
    async with watching(watch(newest)) as quiet:
        await quiet()
        await market.owner.execute(replace, version + 1)
        async with market.refuses("VERSION_REPLACED"):
            await _last_of(quiet)
    async with watching(watch(newest)) as ahead:
        await ahead()
        await market.owner.execute(lose)
        async with market.refuses("VERSION_AHEAD"):
            await _last_of(ahead)
    await market.owner.execute("UPDATE escrows SET version = version + 1")
    await market.owner.execute(
        "UPDATE operations SET operation_id = $2 WHERE escrow_version = $1", version, before
    )


async def _last_of(read: Any) -> None:  # noqa: ANN401  of a stream
    """Reads until it is refused."""
    for _ in range(100):
        await read()


async def test_two_hundred_watch_one_escrow(market: Marketplace) -> None:
    """One statement looks for them all, and none does once they have gone."""
    escrow = await market.new_escrow()
    clients = [market.client("payer", caller=f"watcher-{number}") for number in range(4)]
    request = pb.WatchEscrowRequest(escrow_id=escrow.id, after_version=1)
    calls = [clients[n % 4].escrows.WatchEscrow(request) for n in range(200)]
    readers = [aiter(call) for call in calls]
    first = await asyncio.gather(*(anext(reader) for reader in readers))
    assert {message.version for message in first} == {1}
    versions = market.running.runtime.versions
    assert list(versions._waiting) == [(TENANT, next(iter(versions._waiting))[1])]

    await market.fund(escrow)

    heard = await asyncio.gather(*(anext(reader) for reader in readers))
    assert {message.entries[0].operation for message in heard} == {"fund_escrow"}
    for call in calls:
        call.cancel()
    await until(lambda: not (versions._waiting or versions._polling))


async def test_a_damaged_record_is_an_event_of_which_no_more_is_shown(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await seal(market)
    whole = await listed(market)
    await market.owner.execute("ALTER TABLE operations DISABLE TRIGGER USER")
    await market.owner.execute(
        "UPDATE operations SET occurred_at = 'infinity' WHERE escrow_id IS NOT NULL"
    )

    events = await listed(market)

    damaged = [event for event in events if event.unreadable]
    assert [event.position for event in events] == [event.position for event in whole]
    assert [(event.id, event.cursor) for event in events] == [(e.id, e.cursor) for e in whole]
    assert len(damaged) == 1 == len(await listed(market, escrow_id=escrow.id))
    await market.owner.execute("UPDATE operations SET occurred_at = now()")
