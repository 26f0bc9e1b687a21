"""From webhook received to ledger posted: the gateway, the service and a worker, at a steady rate.

It has no floor, and its worker polls all the time, so it runs by itself after the rounds.
"""

from __future__ import annotations

from benchmarks.fixture import AWAITING_PAYMENT
from benchmarks.plan import Plan
from benchmarks.samples import Sample
from benchmarks.stand import SECRET, Stand, people, sample_of

NAME = "webhook received to ledger posted"


async def measure_postings(stand: Stand, plan: Plan) -> list[Sample]:
    """One sample a round, after one that warms up: events per second, and how long after it was
    sent an event's journal can be read.
    """
    database = await stand.database()
    await stand.fill(database, AWAITING_PAYMENT, 0, (plan.rounds + 1) * plan.postings)
    await database.owner.execute("VACUUM ANALYZE")
    service = await stand.service("service of the postings", database)
    gateway = await stand.gateway("gateway of the postings", service)
    await stand.worker("worker", database, await stand.stripe())
    samples = []
    for number in range(plan.rounds + 1):
        people.print(f"{NAME}, {number or 'warming up'} ...")
        job = {
            "kind": "postings",
            "target": gateway.address,
            "secret": SECRET,
            "database": database.dsn,
            "rate_per_s": plan.postings_per_s,
            "first": database.take(plan.postings),
            "count": plan.postings,
        }
        answer = await stand.load.run(job)
        samples.append(sample_of(answer, plan.postings))
    return samples[1:]
