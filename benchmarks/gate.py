"""What CI holds us to: the CPU of a release, by that of an echo, and nothing else.

Calls per second are left alone: on a machine that others use they swing by a third. CPU per call is
made dearer by others too (colder caches, more wake-ups for the same work), by up to a half in some
rounds; so the least of all rounds is compared, of the release and of the echo.
"""

from __future__ import annotations

from benchmarks.fixture import FUNDED
from benchmarks.goals import GATE, Verdict, verdicts
from benchmarks.load import METHODS
from benchmarks.plan import BUSY, GatePlan
from benchmarks.samples import Sample
from benchmarks.stand import Stand, people


async def measure_gate(stand: Stand, plan: GatePlan) -> Verdict:
    """Rounds of releases and echoes beside each other, after one that warms up."""
    samples: dict[str, list[Sample]] = {"release": [], "echo": []}
    database = await stand.database()
    rounds = plan.rounds + 1
    await stand.fill(database, FUNDED, 0, rounds * plan.releases + len(METHODS))
    await database.owner.execute("VACUUM ANALYZE")
    service = await stand.service("service", database)
    echo = await stand.echo(service, database.take(len(METHODS)))
    for number in range(rounds):
        job = {"kind": "release", "concurrency": BUSY, "target": echo.address, "echo": True}
        samples["echo"].append(await stand.measured(echo, plan.echoes, {**job, "first": 0}))
        job = {"kind": "release", "concurrency": BUSY, "target": service.address}
        job |= {"first": database.take(plan.releases)}
        samples["release"].append(await stand.measured(service, plan.releases, job))
        figures = ", ".join(
            f"{name} {_cpu_us(of_it[-1]):.0f} us" for name, of_it in samples.items()
        )
        people.print(f"{f'round {number}' if number else 'warming up'}: CPU of {figures}")
    least = {name: [min(of_it[1:], key=_cpu_us)] for name, of_it in samples.items()}
    (verdict,) = verdicts(least, [GATE])
    return verdict


def _cpu_us(sample: Sample) -> float:
    assert sample.cpu_us is not None
    return sample.cpu_us
