"""What the Dockerfile takes for granted, since no image is built here."""

import re
from pathlib import Path

from service.migrations import MIGRATIONS
from tests.helm.chart import CHART, read_yaml

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
