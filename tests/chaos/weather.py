"""What happens to the system meanwhile: processes die, clocks move, leases run out, books close.

It is drawn before a seed begins, as a forecast: what happens before which step.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from tests.chaos.closings import Closings
from tests.chaos.currencies import Currencies
from tests.chaos.deadlines import Deadlines
from tests.scenarios.program import until
from tests.world import World

MORTAL = ("service", "worker", "gateway")
STEP_CHANCE = {
    "kill": 0.03,
    "time": 0.06,
    "lease": 0.05,
    "outage": 0.004,
    "closing": 0.03,
    "burst": 0.03,
    "rates": 0.25,  # where the seed converts
    "deadlines": 0.08,
}
LEASE_S = 120.0  # beyond every lease
DAY_S = 25 * 3600  # beyond the life of an idempotency key
# Much less than that life: a call to Stripe may be under way while this passes.
MOMENTS_S = (10, 120, 1800, 7200)
BURST_S = 3600  # whatever is late arrives
BURST_LASTS_S = 0.05  # it takes about that long to store
# How many deliveries are late: on some days so many that they come in bursts when time passes.
SLOW_MAIL = (0.05, 0.05, 0.5)


async def pass_time(world: World, seconds: float) -> None:
    """Stripe's clock and what our tables wait for move together, as all clocks do."""
    await world.let_pass(seconds)
    await world.sandbox.advance(seconds)


class Weather:
    """The forecast of one seed over a world, and the processes that are about to come back."""

    def __init__(
        self,
        world: World,
        closings: Closings,
        currencies: Currencies,
        deadlines: Deadlines,
        seed: int,
        steps: int,
    ) -> None:
        self._world = world
        self._currencies = currencies
        self._closings = closings
        self.deadlines = deadlines
        self._started_at: dict[str, datetime] = {}
        self._step = 0
        self._one_at_a_time = asyncio.Lock()
        self._reviving: dict[str, asyncio.Task[str]] = {}
        self.kills = 0
        draw = random.Random(f"{seed} weather")
        self.rates = {"delay": draw.choice(SLOW_MAIL)}
        """What is otherwise than usual at Stripe today."""
        self._forecast: list[Callable[[], Awaitable[None]] | None] = [
            self._draw(draw) for _ in range(steps)
        ]

    async def next_step(self) -> None:
        """What comes before the next step of anybody."""
        step, self._step = self._step, self._step + 1
        event = self._forecast[step] if step < len(self._forecast) else None
        if event is not None:
            async with self._one_at_a_time:
                await event()

    def alive_since(self, moment: datetime, *names: str) -> list[str]:
        """Those of the programs that have not been killed after this moment."""
        return [name for name in names if self._started_at.get(name, moment) <= moment]

    async def restart(self, names: Sequence[str]) -> None:
        """Stops them, so that they end what they are at, and starts them again."""
        await asyncio.gather(*(self._world.stop(name) for name in names))
        for name in names:
            self._revive(name)
        await self.clear_up()

    async def clear_up(self) -> None:
        """Every process runs again, and the gateway has found the service."""
        await asyncio.gather(*self._reviving.values())
        self._reviving.clear()
        await until(self._gateway_is_ready, "gateway that is ready")

    async def _gateway_is_ready(self) -> bool:
        async with self._world.sandbox.http.get(f"{self._world.gateway_url}/readyz") as answer:
            return answer.status == 200

    def _draw(self, draw: random.Random) -> Callable[[], Awaitable[None]] | None:
        point, victim = draw.random(), draw.choice(MORTAL)
        seconds, dice = draw.choice(MOMENTS_S), random.Random(draw.random())
        events: dict[str, Callable[[], Awaitable[None]]] = {
            "kill": lambda: self._kill(victim),
            "time": lambda: pass_time(self._world, seconds),
            "lease": lambda: self._world.let_pass(LEASE_S),
            "outage": self._outage,
            "closing": lambda: self._closings.close(dice),
            "burst": lambda: self._burst(victim, dice),
            "rates": lambda: self._currencies.move_rates(self._world, dice),
        }
        if self.deadlines.happen:
            events["deadlines"] = lambda: self.deadlines.pass_some(dice)
        if self._currencies.convert:
            events["rates"] = lambda: self._currencies.move_rates(self._world, dice)
        for name, chance in STEP_CHANCE.items():
            point -= chance
            if point < 0:
                return events.get(name)
        return None

    async def _kill(self, name: str) -> None:
        reviving = self._reviving.get(name)
        if reviving is not None and not reviving.done():
            return
        await self._world.kill(name)
        self.kills += 1
        self._revive(name)

    def _revive(self, name: str) -> None:
        self._started_at[name] = datetime.now(UTC)
        self._reviving[name] = asyncio.create_task(self._world.start(name))

    async def _burst(self, victim: str, dice: random.Random) -> None:
        """What is late arrives all at once, and maybe somebody dies in the middle of it."""
        arrival = asyncio.create_task(pass_time(self._world, BURST_S))
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * BURST_LASTS_S)
            await self._kill(victim)
        await arrival

    async def _outage(self) -> None:
        """Everything is down for longer than Stripe remembers keys; nothing is under way then."""
        await self.clear_up()
        for name in MORTAL:
            await self._world.kill(name)
            self.kills += 1
        await pass_time(self._world, DAY_S)
        for name in MORTAL:
            self._revive(name)
