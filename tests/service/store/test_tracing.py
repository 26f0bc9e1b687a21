"""What is told of shared batches: a span linked with everybody's, sizes, waits and conflicts."""

import asyncio
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from service.store.commit import Commits, Overtaken, write
from service.store.lane import Lane
from service.store.pool import ServicePool
from service.store.tracing import COMMITS
from service.tracing import continued
from tests.recorded import Metrics, Spans
from tests.records import new_effect, new_payer, new_unit


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def statements(span: ReadableSpan) -> list[tuple[object, object]]:
    """(units, rows) of each statement of a commit."""
    told = [event.attributes or {} for event in span.events]
    return [(each["escrow.commit.units"], each["escrow.commit.rows"]) for each in told]


async def travel(lane: Lane[str, str], *items: str) -> None:
    """All at once, each below a span of its own trace."""

    async def one(item: str) -> None:
        with continued(item, ""):
            await lane.join(item)

    await asyncio.gather(*(one(item) for item in items))


async def echo(items: Sequence[str]) -> Sequence[str]:
    await asyncio.sleep(0.02)
    return items


async def test_a_batch_is_linked_with_everybody_in_it(spans: Spans) -> None:
    await travel(Lane(echo, batches=COMMITS), "a", "b", "c")

    batch, travelers = spans.named("commit"), [spans.named(name) for name in "abc"]
    assert batch.parent is not None
    assert batch.parent.span_id == context_of(travelers[0]).span_id
    assert linked(batch) == [context_of(span).span_id for span in travelers]
    for span in travelers:
        (link,) = span.links
        assert link.context.span_id == context_of(batch).span_id
        assert isinstance((link.attributes or {})["escrow.wait.duration"], float)


async def test_a_batch_of_nobody_recorded_is_no_span(spans: Spans) -> None:
    lane: Lane[str, str] = Lane(echo, batches=COMMITS)
    await asyncio.gather(lane.join("a"), lane.join("b"))

    assert not spans.ended


async def test_who_came_first_is_not_around_the_batches_after(spans: Spans) -> None:
    lane: Lane[str, str] = Lane(echo, batches=COMMITS)
    first = asyncio.create_task(travel(lane, "a"))
    await asyncio.sleep(0.01)  # the first batch is under way
    await asyncio.gather(first, travel(lane, "b"))

    traces = {span.name: context_of(span).trace_id for span in spans.ended if span.name in "ab"}
    commits = [context_of(span).trace_id for span in spans.ended if span.name == "commit"]
    assert commits == [traces["a"], traces["b"]]


async def test_sizes_and_waits_are_counted(metrics: Metrics) -> None:
    lane: Lane[str, str] = Lane(echo, batches=COMMITS)
    await asyncio.gather(lane.join("a"), lane.join("b"), lane.join("c"))

    points = metrics.points()
    (size,) = points["escrow.commit.batch.size"].values()
    (wait,) = points["escrow.commit.wait.duration"].values()
    assert (size.count, size.sum) == (1, 3)
    assert (wait.count, wait.min >= 0.02) == (1, True)  # of the one who waited longest


async def test_a_commit_tells_its_rows(pool: ServicePool, spans: Spans) -> None:
    unit = new_unit()
    unit.put(new_effect())
    with continued("story", ""):
        await Commits(pool).commit(unit)

    span = spans.named("commit")
    assert dict(span.attributes or {}) == {
        "escrow.commit.units": 1,
        "escrow.commit.conflicts": 0,
        "escrow.commit.refused": 0,
    }
    assert statements(span) == [(1, 2)]


async def test_conflicts_and_splits_are_counted(
    pool: ServicePool, spans: Spans, metrics: Metrics
) -> None:
    """Two new payers, and one whose row somebody has changed meanwhile."""
    payer = new_payer()
    stored = new_unit()
    stored.put(payer)
    await write(pool, [stored])
    payer.version += 1
    units = [new_unit(), new_unit(), new_unit()]
    for unit, record in zip(units, (new_payer(), payer, new_payer()), strict=True):
        unit.put(record)
    commits = Commits(pool)
    with continued("story", ""):
        ends = await asyncio.gather(*map(commits.commit, units), return_exceptions=True)

    assert [type(end) for end in ends] == [type(None), Overtaken, type(None)]
    span, points = spans.named("commit"), metrics.points()
    assert (span.attributes or {})["escrow.commit.conflicts"] == 1
    assert (span.attributes or {})["escrow.commit.refused"] == 1
    # All, the first, the rest, and each of that.
    assert [units for units, _ in statements(span)] == [3, 1, 2, 1, 1]
    assert points["escrow.commit.conflicts"][()].value == 1
    assert points["escrow.commit.splits"][()].value == 2
