import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli import chaos, main
from tests.depth import only_deep


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", "chaos", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@only_deep
@pytest.mark.timeout(120)  # it starts a whole system
def test_a_short_day_is_reported_by_the_driver() -> None:
    day = run("--seed", "3", "--steps", "4", "--json")

    assert day.returncode == 0, day.stderr
    (report,) = json.loads(day.stdout)
    assert (report["seed"], report["steps"], report["breaches"]) == (3, 4, [])
    assert report["calls"] > 4


def test_options_and_the_exit_status_are_the_drivers() -> None:
    refused = run("--seeds", "0")

    assert refused.returncode == 2
    assert "python -m tests.chaos" in refused.stderr


@pytest.mark.parametrize("lacking", ["checkout", "packages"])
def test_elsewhere_it_says_what_is_missing(
    lacking: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    if lacking == "checkout":
        monkeypatch.setattr(chaos, "CHECKOUT", tmp_path)
    else:
        monkeypatch.setitem(sys.modules, chaos.DEVELOPMENT_PACKAGE, None)
    monkeypatch.setattr(sys, "argv", ["escrow", "chaos", "--seed", "17"])

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == 2
    assert capfd.readouterr().err == (
        "escrow: chaos needs a checkout of the repository with the development packages:"
        " run `make chaos` there\n"
    )
