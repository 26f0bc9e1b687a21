"""``escrow`` without its imports: a program that has done them forks a process for each command.

They take most of a command's time, and a run of the tests has hundreds of commands. What is forked
is a process of its own, with the arguments, the environment and the pipes of the test, and goes the
way of ``python -m service`` from its first line on. Some tests start that, as people do.
"""

import array
import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LONGEST_REQUEST = 1_000_000  # bytes: the arguments and the environment
LONGEST_OUTPUT = 2**26


@dataclass(frozen=True)
class Said:
    status: int | None
    out: str
    err: str

    def row(self, *first: str) -> list[str]:
        """The columns of the line of a table that begins with these, amounts without currency."""
        lines = (line.replace(" USD", "").split() for line in self.out.splitlines())
        return next(line for line in lines if line[: len(first)] == list(first))


async def run_escrow(arguments: Sequence[str], environment: Mapping[str, str]) -> Said:
    """Runs a command with these variables and no others, to its end."""
    answer, answers = socket.socketpair()
    (out, out_written), (err, err_written) = os.pipe(), os.pipe()
    request = json.dumps([list(arguments), dict(environment), str(Path.cwd())]).encode()
    fds = [answers.fileno(), out_written, err_written]
    with answer:
        try:
            socket.send_fds(_program(), [request], fds)
        finally:
            answers.close()
            os.close(out_written)
            os.close(err_written)
        answer.setblocking(False)
        told = asyncio.get_running_loop().sock_recv(answer, array.array("i").itemsize)
        said_out, said_err, status = await asyncio.gather(_read(out), _read(err), told)
    return Said(int.from_bytes(status, sys.byteorder, signed=True), said_out, said_err)


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
def _program() -> socket.socket:
    """Our end of the program's socket; the program ends when it is closed."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_REQUEST)
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(its.fileno())],
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    its.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(requests: socket.socket) -> None:
    """Forks for each request. What is forked answers for the command, which it forks in turn."""
    # As service/cli does before it imports what reads them.
    os.environ |= {"GRPC_ENABLE_FORK_SUPPORT": "false", "GRPC_VERBOSITY": "NONE"}
    import service.cli.run  # noqa: F401, PLC0415  after the environment

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    while True:
        request, fds, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not request:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            _answer(request, *fds)
            return
        for fd in fds:
            os.close(fd)


def _answer(request: bytes, answers: int, out: int, err: int) -> None:
    command = os.fork()
    if command == 0:
        os.close(answers)
        _become(request, out, err)
    os.close(out)
    os.close(err)
    _, ended = os.waitpid(command, 0)
    status = os.waitstatus_to_exitcode(ended)
    os.write(answers, status.to_bytes(array.array("i").itemsize, sys.byteorder, signed=True))
    os._exit(0)


def _become(request: bytes, out: int, err: int) -> None:
    """This process is ``escrow`` from now on. It ends as any other: by SystemExit."""
    from service.cli import main  # noqa: PLC0415  it was imported long ago

    arguments, environment, folder = json.loads(request)
    for ours, its in ((out, 1), (err, 2)):
        os.dup2(ours, its)
        os.close(ours)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["escrow", *arguments]
    main()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
