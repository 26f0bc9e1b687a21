import asyncio
import time

from service.loop_lag import PAUSE_S, measure_loop_lag
from tests.recorded import Metrics


async def test_whoever_keeps_the_loop_busy_is_measured(metrics: Metrics) -> None:
    measuring = asyncio.create_task(measure_loop_lag())
    await asyncio.sleep(PAUSE_S / 2)
    time.sleep(PAUSE_S)  # noqa: ASYNC251 - that is the offence
    await asyncio.sleep(0.05)
    measuring.cancel()

    (lag,) = metrics.points()["escrow.event_loop.lag"].values()
    assert lag.count == 1
    assert PAUSE_S / 3 < lag.sum < 2 * PAUSE_S
