import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from service.local.postgres import programs
from service.local.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from service.local.postgres.programs import find_binaries

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
SYSTEM_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
ROOT = Path(__file__).parents[4]

# pytest's tmp_path lies in a folder that only its owner can enter
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path that other users can reach, unlike pytest's tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="escrow-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    wait_until(lambda: not is_running(folder))
    shutil.rmtree(folder)


def embedded(directory: Path, **options: object) -> EmbeddedPostgres:
    return EmbeddedPostgres(directory, settings=FAST, max_connections=20, **options)  # type: ignore[arg-type]  # the options of the constructor


async def query(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def is_running(directory: Path) -> bool:
    return (directory / "server" / "data" / "postmaster.pid").exists()


def wait_until(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


USER_PROGRAM = """
import sys
from pathlib import Path
from service.local.postgres.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"}, max_connections=20) as postgres:
    print(postgres.dsn(), flush=True)
    sys.stdin.read()
"""


class OtherProcess:
    """Another process that uses the same directory until it is told to leave, or is killed."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER_PROGRAM, directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def dsn(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate("")
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def other_process(directory: Path) -> Iterator[OtherProcess]:
    other = OtherProcess(directory)
    try:
        yield other
    finally:
        other.kill()


async def test_second_start_keeps_the_data(directory: Path) -> None:
    with embedded(directory) as postgres:
        await query(postgres.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
    assert not is_running(directory)
    with embedded(directory) as postgres:
        assert await query(postgres.dsn(), "SELECT answer FROM kept") == 42


async def test_settings_reach_the_server(directory: Path) -> None:
    with embedded(directory) as postgres:
        assert await query(postgres.dsn(), "SHOW fsync") == "off"
        assert await query(postgres.dsn(), "SHOW max_connections") == "20"
        assert await query(postgres.dsn(), "SHOW listen_addresses") == ""


async def test_last_of_two_processes_stops_the_server(directory: Path) -> None:
    with embedded(directory) as postgres, other_process(directory) as other:
        assert other.dsn() == postgres.dsn()
        postgres.stop()
        assert await query(EmbeddedPostgres(directory).dsn(), "SELECT 1") == 1
        other.leave()
        assert not is_running(directory)


async def test_first_of_two_processes_leaves_the_server_to_the_second(directory: Path) -> None:
    with other_process(directory) as other:
        other.dsn()
        with embedded(directory) as postgres:
            other.leave()
            assert await query(postgres.dsn(), "SELECT 1") == 1
    assert not is_running(directory)


async def test_killed_user_neither_stops_the_server_nor_keeps_it(directory: Path) -> None:
    with other_process(directory) as other:
        other.dsn()
        with embedded(directory) as postgres:
            other.kill()
            assert await query(postgres.dsn(), "SELECT 1") == 1
    assert not is_running(directory)


def test_watcher_stops_the_server_when_its_only_user_is_killed(directory: Path) -> None:
    with other_process(directory) as other:
        other.dsn()
        assert is_running(directory)
        other.kill()
        wait_until(lambda: not is_running(directory))


def test_processes_that_start_together_make_one_cluster(directory: Path) -> None:
    others = [OtherProcess(directory) for _ in range(3)]
    try:
        assert len({other.dsn() for other in others}) == 1
        pid = (directory / "server" / "data" / "postmaster.pid").read_text().split("\n")[0]
        log = (directory / "server" / "postgres.log").read_text()
        assert log.count("starting PostgreSQL") == 1
        assert int(pid) > 0
        for other in others:
            other.leave()
        assert not is_running(directory)
    finally:
        for other in others:
            other.kill()


async def test_server_that_crashed_comes_back_with_all_that_was_committed(directory: Path) -> None:
    with EmbeddedPostgres(directory) as postgres:
        await query(postgres.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
        pid_file = directory / "server" / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text().split("\n")[0]), signal.SIGKILL)
        with EmbeddedPostgres(directory) as again:
            assert await query(again.dsn(), "SELECT answer FROM kept") == 42


async def test_pid_file_that_names_another_program_is_removed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.local.postgres.server.STALE_PID_S", 0.2)
    embedded(directory).server.prepare()
    data = directory / "server" / "data"
    lines = [os.getpid(), data, 0, 5432, data.parent / "run", "", 0, "ready"]
    (data / "postmaster.pid").write_text("\n".join(map(str, lines)))
    with embedded(directory) as postgres:
        assert await query(postgres.dsn(), "SELECT 1") == 1


async def test_half_made_cluster_is_made_again(directory: Path) -> None:
    with embedded(directory):
        pass
    server = directory / "server"
    (server / "data").rename(server / "data.initialising")
    (server / "data.initialising" / "PG_VERSION").unlink()
    with embedded(directory) as postgres:
        assert await query(postgres.dsn(), "SELECT 1") == 1
    assert not (server / "data.initialising").exists()


def test_cluster_of_another_version_is_refused(directory: Path) -> None:
    with embedded(directory):
        pass
    (directory / "server" / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedPostgresError, match=r"was made by PostgreSQL 9\.6, but"):
        embedded(directory).start()


async def test_long_path_moves_the_socket_to_a_short_folder(directory: Path) -> None:
    deep = directory / ("d" * 90)
    with embedded(deep) as postgres:
        assert await query(postgres.dsn(), "SELECT 1") == 1
        with embedded(deep) as second:
            assert second.dsn() == postgres.dsn()
        socket_folder = postgres.server.address()[0]
        assert not socket_folder.is_relative_to(deep)
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    assert not socket_folder.exists()


async def test_tcp_asks_for_the_password(directory: Path, unused_tcp_port: int) -> None:
    with embedded(directory, tcp_port=unused_tcp_port) as postgres:
        dsn = postgres.tcp_dsn()
        assert await query(dsn, "SELECT host(inet_server_addr())") == "127.0.0.1"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(dsn.replace("@", "x@"), "SELECT 1")


def test_taken_port_gets_one_clear_line(directory: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedPostgresError, match=f"^port {port} on 127.0.0.1: [^\n]*$"):
            embedded(directory, tcp_port=port).start()
    assert not is_running(directory)


def test_setting_that_the_server_refuses_is_named(directory: Path) -> None:
    postgres = EmbeddedPostgres(directory, settings={"shared_buffers": "lots"})
    with pytest.raises(EmbeddedPostgresError, match=r'FATAL: [^\n]*"shared_buffers"[^\n]*$'):
        postgres.start()


def test_folder_without_the_programs_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESCROW_PG_BIN", str(tmp_path))
    with pytest.raises(EmbeddedPostgresError, match="ESCROW_PG_BIN"):
        find_binaries()


def test_configured_folder_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("initdb", "pg_ctl", "postgres"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("ESCROW_PG_BIN", str(tmp_path))
    assert find_binaries() == tmp_path


def test_newest_postgres_of_the_wheel_comes_first() -> None:
    folders = [Path("pg/pginstall/bin"), Path("pg/pginstall9/bin"), Path("pg/pginstall18/bin")]
    newest = programs._newest_first(iter(folders))
    assert [folder.parent.name for folder in newest] == ["pginstall18", "pginstall9", "pginstall"]


@pytest.mark.skipif(not SYSTEM_BINARIES, reason="no system PostgreSQL is installed")
async def test_system_postgres_works_too(directory: Path) -> None:
    with embedded(directory, binaries=SYSTEM_BINARIES[-1]) as postgres:
        assert await query(postgres.dsn(), "SHOW server_version_num") is not None


@needs_root
async def test_folder_out_of_reach_is_relocated(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "RELOCATED", directory / "relocated")
    with embedded(tmp_path) as postgres:
        assert (tmp_path / "server").readlink().parent == directory / "relocated"
        await query(postgres.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
    with embedded(tmp_path) as postgres:
        assert await query(postgres.dsn(), "SELECT answer FROM kept") == 42


@needs_root
async def test_programs_out_of_reach_are_copied_with_their_libraries(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = find_binaries().parent
    package = install.parent
    shutil.copytree(install, tmp_path / package.name / install.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, tmp_path / libraries.name)
    monkeypatch.setenv("ESCROW_PG_BIN", str(tmp_path / package.name / install.name / "bin"))
    monkeypatch.setattr(programs, "RELOCATED", directory / "relocated")
    with embedded(directory) as postgres:
        assert postgres.binaries.is_relative_to(directory / "relocated")
        assert await query(postgres.dsn(), "SELECT 1") == 1
