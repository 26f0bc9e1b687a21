"""Our programs without their imports: a process that has done them forks one for each start.

They take most of a short program's time, and a run of the tests starts many hundreds. What is
forked is a process of its own, with the arguments, the environment and the files of the test, and
goes the way of ``python -m <module>`` from its first line on. Some tests start that, as people do.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Whose imports are done before the fork.
IMPORTED = ("service.cli.run", "stripe_sandbox.__main__", "webhook_gateway.__main__")
LONGEST_REQUEST = 1_000_000  # bytes: the arguments and the environment
LONGEST_OUTPUT = 2**26
NUMBER = struct.Struct("i")


@dataclass(frozen=True)
class Said:
    """What a program has said when it has ended, and its exit status."""

    status: int
    out: str
    err: str

    def row(self, *first: str) -> list[str]:
        """The columns of the line of a table that begins with these, amounts without currency."""
        lines = (line.replace(" USD", "").split() for line in self.out.splitlines())
        return next(line for line in lines if line[: len(first)] == list(first))


class Forked:
    """A program that was started. ``returncode`` is None as long as it runs, and then as in
    ``asyncio.subprocess.Process``.
    """

    def __init__(self, pid: int, ended: socket.socket) -> None:
        self.pid = pid
        self._ended = asyncio.create_task(_number(ended))

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it ends this moment
                os.kill(self.pid, number)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)


async def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    out: int,
    err: int,
    quiet: bool = False,
) -> Forked:
    """Starts ``python -m <command>`` with these variables and no others.

    It writes to ``out`` and ``err``, file descriptors that stay the caller's; where it is to be
    ``quiet``, gRPC does not log.
    """
    told, its_end = socket.socketpair()
    request = json.dumps([list(command), dict(environment), str(folder)]).encode()
    try:
        socket.send_fds(_forker("NONE" if quiet else ""), [request], [its_end.fileno(), out, err])
    finally:
        its_end.close()
    told.setblocking(False)
    pid = NUMBER.unpack(await asyncio.get_running_loop().sock_recv(told, NUMBER.size))[0]
    return Forked(pid, told)


async def _number(told: socket.socket) -> int:
    with told:
        (number,) = NUMBER.unpack(await asyncio.get_running_loop().sock_recv(told, NUMBER.size))
    return int(number)


async def run_escrow(arguments: Sequence[str], environment: Mapping[str, str]) -> Said:
    """Runs a command of ``escrow`` with these variables and no others, to its end."""
    (out, out_written), (err, err_written) = os.pipe(), os.pipe()
    command = ["service", *arguments]
    try:
        process = await start(
            command, environment, Path.cwd(), out=out_written, err=err_written, quiet=True
        )
    finally:
        os.close(out_written)
        os.close(err_written)
    said_out, said_err, status = await asyncio.gather(_read(out), _read(err), process.wait())
    return Said(status, said_out, said_err)


async def _read(pipe: int) -> str:
    reader = asyncio.StreamReader(limit=LONGEST_OUTPUT)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
    )
    try:
        return (await reader.read()).decode()
    finally:
        transport.close()


@cache
def _forker(grpc_verbosity: str) -> socket.socket:
    """Our end of its socket; it ends when that is closed. gRPC reads its verbosity when it is
    imported, so each has a forker of its own.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_REQUEST)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", __name__, str(its.fileno())],
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "GRPC_VERBOSITY": grpc_verbosity,
            "GRPC_ENABLE_FORK_SUPPORT": "false",
        },
    )
    its.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(requests: socket.socket) -> None:
    """Forks for each request. What is forked tells of the program, which it forks in turn."""
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()  # so that it is shared with what is forked
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who tell
    while True:
        request, fds, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not request:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            _tell(request, *fds)
            return
        for fd in fds:
            os.close(fd)


def _tell(request: bytes, told: int, out: int, err: int) -> None:
    """Tells the program's pid when it has begun, and its status when it has ended."""
    program = os.fork()
    if program == 0:
        os.close(told)
        _become(request, out, err)
        return
    os.close(out)
    os.close(err)
    os.write(told, NUMBER.pack(program))
    _, ended = os.waitpid(program, 0)
    with suppress(BrokenPipeError):  # the test did not wait
        os.write(told, NUMBER.pack(os.waitstatus_to_exitcode(ended)))
    os._exit(0)


def _become(request: bytes, out: int, err: int) -> None:
    """This process is the program from now on. It ends as any other: by SystemExit."""
    (module, *arguments), environment, folder = json.loads(request)
    for ours, its in ((out, 1), (err, 2)):
        os.dup2(ours, its)
        os.close(ours)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
