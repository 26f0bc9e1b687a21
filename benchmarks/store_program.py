"""The store alone: releases by the service's own operation, in one process, without gRPC.

    {"concurrency": 64, "count": 1000, "first": 0}

It is composed and configured as the service is, but is not called over the network.
"""

from __future__ import annotations

import uvloop

from benchmarks.jobs import Answer, Job, answer_jobs
from benchmarks.load import drive, release_request
from escrow.v1.escrow_service_pb2 import ReleaseMilestoneRequest
from service.config import load_config
from service.domain.call import Call, Party
from service.operations.escrows.release_milestone import release_milestone
from service.runtime import Runtime
from service.server import running


async def release(runtime: Runtime, job: Job) -> Answer:
    """Loads, decides and commits the releases of one job, so many at a time."""
    requests = [release_request(n) for n in range(job["first"], job["first"] + job["count"])]

    async def send(request: ReleaseMilestoneRequest) -> None:
        call = Call("default", "bench", Party.PAYER, request.request_id)
        await release_milestone(runtime, call, request)

    return await drive(send, requests, job["concurrency"])


async def main() -> None:
    async with running(load_config(), serve=False, work=False) as service:
        await answer_jobs(lambda job: release(service.runtime, job))


if __name__ == "__main__":
    uvloop.run(main())
