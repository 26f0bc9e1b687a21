"""The floor of an RPC: a grpc.aio server with the service's settings that only answers.

    python -m benchmarks.echo_server Release=900 Get=850

The method named ``Release`` answers every request with 900 bytes. Nothing is parsed.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import grpc
import uvloop

from service.config import Settings
from service.rpc.grpc_server import Listening, server_options

SERVICE = "benchmarks.Echo"


def _handler(answer: bytes) -> grpc.RpcMethodHandler[bytes, bytes]:
    async def echo(_request: bytes, _context: object) -> bytes:
        return answer

    return grpc.unary_unary_rpc_method_handler(echo)


async def serve(answers: dict[str, int]) -> None:
    """Serves until SIGTERM."""
    limits = Settings.model_fields
    listening = Listening(
        host="127.0.0.1",
        port=0,
        default_deadline_s=limits["grpc_default_deadline_s"].default,
        max_connection_age_s=limits["grpc_max_connection_age_s"].default,
        drain_s=0,
        reflection=False,
    )
    # The service's own options: with others the comparison would not be fair.
    server = grpc.aio.server(options=server_options(listening))
    handlers = {name: _handler(bytes(size)) for name, size in answers.items()}
    server.add_registered_method_handlers(SERVICE, handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo listening on 127.0.0.1:{port}", flush=True)  # noqa: T201  the parent reads it
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    sizes = dict(argument.split("=") for argument in sys.argv[1:])
    uvloop.run(serve({name: int(size) for name, size in sizes.items()}))
