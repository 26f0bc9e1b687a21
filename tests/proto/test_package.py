"""The package alone, as its user gets it: built, installed and type-checked away from this tree.

Nothing is downloaded. What the package says it depends on is lent by the environment that runs the
tests, and nothing else is: a dependency that is not declared is missing here as well.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path, PurePath

import pytest
from packaging.requirements import Requirement

PROTO = Path(__file__).parents[2] / "proto"
USER_PROGRAM = Path(__file__).with_name("user_program.py")
EXAMPLE = PROTO / "examples" / "order_service.py"
README = PROTO / "README.md"
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", ".*_cache")

MISTAKES = """\
import asyncio

from escrow.client import connect
from escrow.v1.escrow_service_pb2 import GetEscrowRequest, GetPaymentRequest


async def main() -> None:
    async with connect("localhost:50051", tenant="acme", caller="orders") as client:
        response = await client.escrows.GetEscrow(GetEscrowRequest(escrow_id="esc_1"))
        connect("localhost:50051", tenant="acme")  # wrong: call-arg
        client.acting("buyer")  # wrong: arg-type
        GetEscrowRequest(escrow="esc_1")  # wrong: call-arg
        GetEscrowRequest(escrow_id=1)  # wrong: arg-type
        client.escrows.GetEscrow(GetPaymentRequest())  # wrong: arg-type
        client.escrows.GetEscrows()  # wrong: attr-defined
        response.escrow.nothing  # wrong: attr-defined
        number: int = response.escrow.id  # wrong: assignment


asyncio.run(main())
"""


def run(folder: Path, *command: str | Path) -> str:
    """Runs a command that must succeed; its output."""
    status, output = try_to_run(folder, *command)
    assert status == 0, output
    return output


def try_to_run(folder: Path, *command: str | Path) -> tuple[int, str]:
    """Runs a command to its end, without what points it to this tree: (exit status, output)."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is made of the source distribution, so that both are complete."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "proto"
    shutil.copytree(PROTO, source, symlinks=True, ignore=LEFT_BEHIND)
    shutil.copy(PROTO.parent / "LICENSE", folder)
    build = "import setuptools.build_meta as backend; backend.build_sdist('../dist')"
    run(source, sys.executable, "-c", build)
    [sdist] = (folder / "dist").iterdir()
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder)
    run(folder, sys.executable, "-m", "pip", "wheel", *options, sdist)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def users_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the package with its types, and nothing else."""
    folder = tmp_path_factory.mktemp("user") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    install = ("--python", python, "install", "--no-deps", "--no-index")
    run(folder, sys.executable, "-m", "pip", *install, wheel)
    lend(required(wheel), site_packages(python))
    return python


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def required(wheel: Path) -> list[str]:
    return metadata(wheel).get_all("Requires-Dist") or []


def site_packages(python: Path) -> Path:
    [folder] = (python.parents[1] / "lib").glob("python*/site-packages")
    return folder


def lend(requirements: Iterable[str], site: Path) -> None:
    """Links what these requirements ask for, and what that asks for, into ``site``."""
    for requirement in map(Requirement, requirements):
        # of all extras, `types` of the package itself
        if requirement.marker and not requirement.marker.evaluate({"extra": "types"}):
            continue
        found = distribution(requirement.name)
        assert found.version in requirement.specifier, requirement
        for file in found.files or ():
            link = site / file
            if ".." not in file.parts and "__pycache__" not in file.parts and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(str(found.locate_file(file)))
        lend(found.requires or (), site)


def check_types(python: Path, folder: Path, *files: str | Path) -> str:
    """What `mypy --strict` says, run by somebody who has these files only."""
    options = ("--strict", "--config-file=", "--python-executable", python)
    _, told = try_to_run(folder, sys.executable, "-m", "mypy", *options, *files)
    return told


def test_the_wheel_holds_the_client_the_contract_and_its_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {PurePath(name) for name in archive.namelist()}
    code = {file for file in files if file.parts[0] == "escrow"}
    here = {file.relative_to(PROTO) for file in (PROTO / "escrow").rglob("*") if file.is_file()}
    assert code == {file for file in here if "__pycache__" not in file.parts}
    assert {PurePath("escrow/py.typed"), PurePath("escrow/v1/escrow_service_pb2.pyi")} < code
    # One name to import beside the metadata: no `examples`, no `tests`, no `google`, no `proto`.
    assert {file.parts[0].partition("-")[0] for file in files - code} == {"escrow_payments_client"}
    assert not (PROTO / "__init__.py").exists()


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    told = metadata(wheel)
    assert told["Name"] == "escrow-payments-client"
    assert "Private :: Do Not Upload" in told.get_all("Classifier", [])
    assert told["Summary"]
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown"
    assert told.get_payload() == README.read_text("utf-8")
    with zipfile.ZipFile(wheel) as archive:
        [license_file] = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        assert archive.read(license_file) == (PROTO.parent / "LICENSE").read_bytes()


def test_it_runs_on_what_it_declares(users_python: Path, tmp_path: Path) -> None:
    modules = (f"escrow.v1.{file.stem}" for file in PROTO.glob("escrow/v1/*_pb2*.py"))
    code = f"import escrow.client, {', '.join(modules)}; print(escrow.client.__file__)"
    where = run(tmp_path, users_python, "-c", code)
    assert Path(where.strip()).is_relative_to(site_packages(users_python))


def test_its_users_programs_are_strictly_typed(users_python: Path, tmp_path: Path) -> None:
    program = shutil.copy(USER_PROGRAM, tmp_path)
    # The example is a service that needs aiohttp, its README's snippets only the package.
    lend(["aiohttp"], site_packages(users_python))
    example = shutil.copy(EXAMPLE, tmp_path)
    snippets = []
    for number, code in enumerate(
        re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    ):
        snippets.append(tmp_path / f"snippet_{number}.py")
        snippets[-1].write_text(code)
    told = check_types(users_python, tmp_path, program, example, *snippets)
    assert told == "Success: no issues found in 5 source files\n"


def test_a_users_mistakes_are_found(users_python: Path, tmp_path: Path) -> None:
    program = tmp_path / "mistakes.py"
    program.write_text(MISTAKES)
    told = check_types(users_python, tmp_path, program)
    found = re.findall(r"^mistakes\.py:(\d+): error: .*\[(.+)\]$", told, re.MULTILINE)
    lines = enumerate(MISTAKES.splitlines(), start=1)
    wrong = [(str(n), line.rpartition("wrong: ")[2]) for n, line in lines if "wrong: " in line]
    assert found == wrong, told
