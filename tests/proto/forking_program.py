"""Forks three workers that share a client, as gunicorn and Celery do; prints how each ended."""

import os
import sys

if sys.argv[2]:
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "1"  # read when gRPC is imported

from escrow.client import connect_sync
from escrow.v1.escrow_service_pb2 import GetEscrowRequest

CLIENT = connect_sync(sys.argv[1], tenant="acme", caller="orders")
REQUEST = GetEscrowRequest(escrow_id="escrow_1")


def work() -> int:
    for _ in range(10):
        CLIENT.escrows.GetEscrow(REQUEST, timeout=20)
    return 0


if sys.argv[2]:
    CLIENT.escrows.GetEscrow(REQUEST)
workers = []
for _ in range(3):
    worker = os.fork()
    if worker == 0:
        os._exit(work())
    workers.append(worker)
for worker in workers:
    ended = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    sys.stdout.write(f"{ended}\n")
