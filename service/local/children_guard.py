"""Ends a group of processes when the process that started them is gone, even by SIGKILL.

Run as a program, it leads a process group of its own; the processes to guard are started into that
group. Standard input is a pipe whose other end only the starter holds, so it ends with the starter
and not before. The pipe named by the argument is held open by the guarded processes, so its end is
theirs. It needs only the standard library, so that it starts fast.
"""

import os
import select
import signal
import sys

GRACE_S = 40  # above the service's own limit


def guard(held_by_guarded: int) -> None:
    """Waits for the end of standard input, asks the group to end, and kills it after GRACE_S."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGTERM)
    select.select([held_by_guarded], [], [], GRACE_S)
    os.killpg(0, signal.SIGKILL)  # itself too


if __name__ == "__main__":
    guard(int(sys.argv[1]))
