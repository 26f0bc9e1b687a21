"""A worker's loop: slots of their own, a stop that finishes, and trouble that passes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager

import pytest
import structlog
from opentelemetry.trace import Span

from service.runtime import Runtime
from service.telemetry import _add_trace_ids
from service.tracing import continued
from service.workers import loop
from service.workers.loop import Worker
from tests.recorded import Spans

PATIENCE_S = 5.0
NO_HOUSE: Runtime = None  # type: ignore[assignment]  # the loop itself never enters it


class Queue(Worker[str]):
    """A queue in memory. What is named in ``gates`` goes on when its gate is opened."""

    def __init__(self, *due: str, slots: int = 2) -> None:
        super().__init__(NO_HOUSE, slots=slots)
        self.due = list(due)
        self.asked: list[int] = []
        self.begun: list[str] = []
        self.done: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.troubles: list[Exception] = []
        self.changed = asyncio.Condition()

    async def take(self, limit: int) -> Sequence[str]:
        self.asked.append(limit)
        if self.troubles:
            raise self.troubles.pop()
        taken, self.due = self.due[:limit], self.due[limit:]
        return taken

    def span(self, item: str) -> AbstractContextManager[Span]:
        return continued("do", "", {"item": item})

    async def do(self, item: str) -> None:
        self.begun.append(item)
        await self._tell()
        if item in self.gates:
            await self.gates[item].wait()
        if item.startswith("bad"):
            raise ValueError(item)
        self.done.append(item)
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def gate(self, item: str) -> asyncio.Event:
        return self.gates.setdefault(item, asyncio.Event())

    async def until_begun(self, *items: str) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: set(items) <= set(self.begun))

    async def until_done(self, *items: str) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: set(items) <= set(self.done))


@asynccontextmanager
async def working(worker: Queue) -> AsyncIterator[asyncio.Task[None]]:
    """The loop runs inside, and is told to stop at the end."""
    running = asyncio.create_task(worker.run())
    try:
        yield running
    finally:
        worker.stop()
        async with asyncio.timeout(PATIENCE_S):
            await running


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses short enough for a test; that they are taken is seen by what the loop asks for."""
    monkeypatch.setattr(loop, "REST_S", 0.001)
    monkeypatch.setattr(loop, "TROUBLE_REST_S", 0.01)


async def test_a_slow_item_keeps_only_its_own_slot() -> None:
    worker = Queue("slow", "a", "b", "c", slots=2)
    gate = worker.gate("slow")

    async with working(worker):
        await worker.until_done("a", "b", "c")
        assert worker.done == ["a", "b", "c"]
        worker.due.append("d")  # what becomes due later as well
        await worker.until_done("d")
        gate.set()
        await worker.until_done("slow")
    assert max(worker.asked) == 2


async def test_it_takes_no_more_than_it_has_slots_for() -> None:
    worker = Queue("slow 1", "slow 2", "c", slots=2)
    gates = [worker.gate("slow 1"), worker.gate("slow 2")]

    async with working(worker):
        await worker.until_begun("slow 1", "slow 2")
        asked = len(worker.asked)
        for _ in range(20):  # turns of the event loop in which a third could begin
            await asyncio.sleep(0.001)
        assert (worker.begun, len(worker.asked)) == (["slow 1", "slow 2"], asked)
        gates[1].set()
        await worker.until_done("slow 2", "c")  # at once, in the slot that became free
        gates[0].set()


async def test_stop_finishes_what_was_begun_and_takes_nothing_new() -> None:
    worker = Queue("slow", slots=2)
    gate = worker.gate("slow")

    async with working(worker) as running:
        await worker.until_begun("slow")
        worker.stop()
        worker.due.append("too late")
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not running.done()
        gate.set()
    assert worker.done == ["slow"]
    assert worker.due == ["too late"]


async def test_a_queue_out_of_reach_is_asked_again_after_a_rest() -> None:
    worker = Queue("a")
    worker.troubles = [ConnectionError("gone"), ConnectionError("still gone")]

    with structlog.testing.capture_logs() as logs:
        async with working(worker):
            await worker.until_done("a")

    assert [log["event"] for log in logs] == ["worker in trouble", "worker in trouble"]


async def test_an_item_that_fails_leaves_the_others_alone() -> None:
    worker = Queue("bad 1", "a", "bad 2", "b")

    with structlog.testing.capture_logs() as logs:
        async with working(worker):
            await worker.until_done("a", "b")

    failed = [log["item"] for log in logs if log["event"] == "item failed"]
    assert sorted(failed) == ["'bad 1'", "'bad 2'"]


async def test_what_is_logged_of_an_item_names_its_span(spans: Spans) -> None:
    worker = Queue("bad")
    with structlog.testing.capture_logs([_add_trace_ids]) as logs:
        await worker.run_once()

    span = spans.named("do")
    context = span.get_span_context()
    assert context is not None
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert [(line["trace_id"], line["span_id"]) for line in logs] == [
        (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    ]


async def test_one_turn_does_what_is_due_and_counts_it() -> None:
    worker = Queue("a", "b", "c", slots=2)

    assert [await worker.run_once() for _ in range(3)] == [2, 1, 0]
    assert worker.done == ["a", "b", "c"]
