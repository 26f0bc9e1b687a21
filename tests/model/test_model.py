"""The model of a milestone, by Spin: nobody in it is paid twice; without a guard it goes wrong.

Its moves are those of the tables.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from service.domain.states.effect import EFFECT
from service.domain.states.machine import Machine
from service.domain.states.milestone import MILESTONE
from service.domain.states.refund import REFUND
from service.domain.states.release import RELEASE

MODEL = Path(__file__).with_name("milestone.pml")
MACHINES: dict[str, Machine[Any, Any]] = {
    "EFFECT": EFFECT,
    "MILESTONE": MILESTONE,
    "REFUND": REFUND,
    "RELEASE": RELEASE,
}
MOVES = re.findall(
    r"\bM(?:OVE|UST)\((\w+), [^,]+, ([A-Z_]+), ([a-z_]+), ([A-Z_]+)\)", MODEL.read_text()
)
CHECKED_S = 60  # a few seconds where nothing else runs

NOT_FUNDED = "the model begins when the milestone is funded"
DELIVERY = "as from FUNDED: where the money lies, delivery changes nothing"
PART = "the model moves all of the money at once"
REVERSAL = "what a payee has comes back by a reversal, which the model has not"
PERSON = "a person decides, and begins an effect of its own"
BANK = "the payer's bank took it: nothing of it is sent to Stripe"
NOT_MODELED = {
    ("EFFECT", "PLANNED", "retry"): "changes when it is due, and a worker can take it at any time",
    ("EFFECT", "UNKNOWN", "retry"): "an operator's, which the model has not: it assumes the pause",
    ("EFFECT", "SUCCEEDED", "repeat"): "only calls that move no money are repeated",
    ("RELEASE", "WAITING", "nothing_to_transfer"): PART,
    ("REFUND", "FAILED", "send_again"): PERSON,
    ("REFUND", "FAILED", "put_back"): PERSON,
    ("REFUND", "FAILED", "pay_outside"): PERSON,
    ("REFUND", "REQUESTED", "charge_back"): BANK,
    ("REFUND", "CHARGED_BACK", "take_back"): BANK,
    ("MILESTONE", "RELEASED", "refund"): REVERSAL,
    ("MILESTONE", "FUNDED", "deliver"): DELIVERY,
    ("MILESTONE", "FUNDED", "cancel_paid"): "as refund: all that was funded goes back",
    ("MILESTONE", "FUNDED", "dispute_refund"): "as refund: all that was funded goes back",
    ("MILESTONE", "FUNDED", "dispute_release"): "as release: all that is held is released",
}


def reason(machine: str, state: str, event: str) -> str | None:
    """Why the model has no such move; None where it must have it."""
    if machine == "MILESTONE":
        if state == "AWAITING_FUNDS":
            return NOT_FUNDED
        if state == "DELIVERED" or event == "delivered_again":
            return DELIVERY
        if event.endswith(("_part", "_rest")):
            return PART
        if event in ("held_again", "released_again") and (state, event) != (
            "REFUNDING",
            "held_again",
        ):
            return PERSON if state == "REFUNDED" else PART
    return NOT_MODELED.get((machine, state, event))


def check(folder: Path, *flags: str) -> str:
    """Verifies the model exhaustively; what the verifier prints."""
    spin, compiler = shutil.which("spin"), shutil.which("gcc")
    if spin is None or compiler is None:
        pytest.skip("Spin and gcc are not here: apt-get install spin gcc")
    defined = [f"-D{flag}" for flag in flags]
    for command in (
        [spin, *defined, "-a", str(MODEL)],
        [compiler, "-O2", "-w", "-DSAFETY", "-DBFS", "-o", "pan", "pan.c"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=CHECKED_S)
    return subprocess.run(
        ["./pan", "-w24", "-m100000"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=CHECKED_S,
    ).stdout


def test_the_moves_of_the_model_are_those_of_the_tables() -> None:
    assert len(MOVES) > 20
    modeled = {(machine, state, event): to for machine, state, event, to in MOVES}
    tables = {
        (name, state.value, event.value): edge.to.value
        for name, machine in MACHINES.items()
        for (state, event), edge in machine.edges.items()
    }
    assert modeled == {move: tables.get(move) for move in modeled}
    assert [move for move in tables if move not in modeled and not reason(*move)] == []
    assert [move for move in NOT_MODELED if move not in tables or move in modeled] == []


@pytest.mark.parametrize("half", ["RELEASE", "REFUND"])
def test_nobody_is_paid_twice(tmp_path: Path, half: str) -> None:
    shown = check(tmp_path, half)
    assert "errors: 0" in shown
    assert "max search depth too small" not in shown
    assert "Search not completed" not in shown


@pytest.mark.parametrize(
    "flags",
    [
        ("RELEASE", "NO_MARGIN"),
        ("RELEASE", "SEND_AGAIN"),
        ("RELEASE", "NO_LEASE_CHECK"),
        ("RELEASE", "WITHDRAW_POSTPONED"),
        ("REFUND", "NO_RANK"),
    ],
    ids="-".join,
)
def test_without_a_guard_it_goes_wrong(tmp_path: Path, flags: tuple[str, ...]) -> None:
    assert "assertion violated" in check(tmp_path, *flags)
