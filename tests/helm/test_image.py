"""What the Dockerfile takes for granted, and what works in its tree. No image is built here."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from service.migrations import MIGRATIONS
from tests.helm.chart import CHART, read_yaml
from tests.postgres import Server, empty_database

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def copied() -> set[str]:
    """What goes from the repository into the build."""
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return {source for sources in copies for source in sources.split()}


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}

    assert "*" in ignored
    assert copied() == let_in
    assert all((ROOT / source).exists() for source in copied())


def test_the_programs_find_the_migrations_beside_their_code() -> None:
    assert MIGRATIONS.parent == ROOT
    assert {"service", MIGRATIONS.name} <= copied()


def test_the_build_finds_a_locked_setuptools() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text("utf-8")

    assert re.search(r"^setuptools==\S+ \\\n(    --hash=sha256:\w+( \\)?\n)+", lock, re.MULTILINE)


def test_every_install_is_held_to_hashes_or_is_our_own() -> None:
    for command in re.findall(r"pip install ([^&\n]+)", DOCKERFILE):
        assert "--require-hashes" in command or "--no-deps --no-build-isolation" in command


def test_the_image_runs_as_the_user_of_the_pods() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    given = read_yaml(CHART / "values.yaml")["podSecurityContext"]

    assert user is not None
    assert [int(part) for part in user.groups()] == [given["runAsUser"], given["runAsGroup"]]


# --- the programs in the tree of the image ------------------------------------------------------


def left_out(path: Path) -> bool:
    """Whether .dockerignore keeps a path out of what it let in."""
    patterns = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and line != "*" and not line.startswith(("!", "#"))
    ]
    relative = path.relative_to(ROOT).as_posix()
    return any(
        fnmatch(path.name, pattern.removeprefix("**/"))
        if pattern.startswith("**/")
        else relative == pattern
        for pattern in patterns
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app of the image."""
    folder = tmp_path_factory.mktemp("app")
    for source in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(
                ROOT / source,
                folder / source,
                ignore=lambda parent, names: [n for n in names if left_out(Path(parent, n))],
            )
        else:
            shutil.copy(ROOT / source, folder)
    return folder


def command(image: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command line and its environment; -S keeps our own editable install out of it."""
    paths = (image, image / "proto", *{sysconfig.get_path(n) for n in ("purelib", "platlib")})
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ESCROW_", "STRIPE_"))}
    environment = kept | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    return [sys.executable, "-S", "-m", "service", *arguments], environment


def escrow(image: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    line, environment = command(image, *arguments)
    return subprocess.run(
        line, cwd=image, env=environment | more, capture_output=True, text=True, check=False
    )


def test_the_image_has_no_room_of_one_machine(image: Path) -> None:
    assert (image / "service" / "server.py").exists()
    assert not (image / "service" / "local").exists()


def test_the_help_lists_every_command_there(image: Path) -> None:
    said = escrow(image, "--help")

    assert said.returncode == 0, said.stderr
    assert all(name in said.stdout for name in ("serve", "work", "migrate", "verify", "up"))


@pytest.mark.parametrize(
    "name", ["serve", "work", "migrate", "verify", "journals", "balances", "docs", "version", "up"]
)
def test_a_command_knows_its_options_there(image: Path, name: str) -> None:
    said = escrow(image, name, "--help")

    assert said.returncode == 0, said.stderr
    assert "Usage" in said.stdout


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (["up"], "make run"),
        (["demo"], "make run"),
        (["migrate", "dump"], ".venv/bin/escrow migrate dump"),
    ],
)
def test_what_only_a_checkout_can_do_is_one_line(
    image: Path, line: list[str], instead: str
) -> None:
    said = escrow(image, *line)

    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == (
        f"escrow: `escrow {' '.join(line)}` is not part of the production image: "
        f"run `{instead}` in a checkout of the repository\n"
    )


@pytest.fixture
async def empty_url(postgres_server: Server) -> AsyncIterator[str]:
    async with empty_database(postgres_server) as dsn:
        yield dsn


def test_it_migrates_serves_and_proves_the_books_there(image: Path, empty_url: str) -> None:
    configured = {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": empty_url,
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_API_BASE": "http://127.0.0.1:9",
    }
    migrated = escrow(image, "migrate", "up", "--json", **configured)
    proved = escrow(image, "verify", **configured)
    line, environment = command(image, "serve", "--port", "0", "--with-workers", "--json")
    with subprocess.Popen(
        line, cwd=image, env=environment | configured, stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        ready = serving.stdout.readline()
        serving.send_signal(signal.SIGTERM)

    assert migrated.returncode == 0, migrated.stderr
    assert len(json.loads(migrated.stdout)["applied"]) == len(list(MIGRATIONS.glob("0*.sql")))
    assert "the books are right" in proved.stdout, proved.stderr
    assert json.loads(ready)["workers"]
    assert serving.returncode == 0


def test_a_problem_is_one_line_there(image: Path) -> None:
    said = escrow(image, "serve")

    assert said.returncode == 2
    assert said.stderr.startswith("escrow: ESCROW_AUTH: is required")
    assert said.stderr.count("\n") == 1
