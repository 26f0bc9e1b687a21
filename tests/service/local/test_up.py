"""`escrow up` as a person starts it: a process of its own, its real parts, and no remains."""

import json
import re
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest

from escrow.client import EscrowClient, TlsFiles, connect, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.service.local.running_up import (
    ENDED_WITHIN_S,
    Up,
    alive,
    calling,
    command,
    descendants,
    listens,
    postmasters,
    run,
    running,
    until,
)

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    """One that has played its story."""
    async with running(tmp_path_factory.mktemp("up"), ready="Ctrl-C") as up:
        yield up


@pytest.fixture
async def client(up: Up) -> AsyncIterator[EscrowClient]:
    async with calling(up.addresses()) as client:
        yield client


def printed_calls(said: str) -> list[str]:
    """The commands that a person would copy."""
    return re.findall(r"^\S*buf curl .*?/\w+$", said, re.MULTILINE | re.DOTALL)


async def test_the_story_goes_all_the_way(up: Up, client: EscrowClient) -> None:
    said = up.said()
    listed = (await client.escrows.ListEscrows(pb.ListEscrowsRequest())).escrows
    states = {escrow.reference.partition("-")[0]: escrow.state for escrow in listed}

    assert "Traceback" not in said
    assert [
        kind
        for kind in ("payout_paid", "transfer_confirmed", "refund_confirmed")
        if kind not in said
    ] == []
    assert states == {
        "logo": pb.ESCROW_STATE_COMPLETED,
        "website": pb.ESCROW_STATE_ACTIVE,
        "poster": pb.ESCROW_STATE_ACTIVE,
        "translation": pb.ESCROW_STATE_AWAITING_FUNDS,
    }
    (poster,) = [escrow for escrow in listed if escrow.reference.startswith("poster")]
    assert poster.milestones[0].refunded.amount_minor == 1_500


async def test_no_secret_is_printed(up: Up) -> None:
    secrets = [
        webhook["secret"]
        for webhook in json.loads((up.data_dir / "stripe-sandbox.json").read_text())["webhooks"]
    ]
    logs = [file.read_text() for file in (up.data_dir / "logs").iterdir()]

    assert len(set(secrets)) == 2
    assert not any(secret in text for secret in secrets for text in (up.said(), *logs))


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "buf").exists() and not shutil.which("buf"),
    reason="there is no buf here to call with",
)
async def test_the_printed_calls_work_as_pasted(up: Up) -> None:
    calls = printed_calls(up.said())
    answers = [await run("sh", "-c", call) for call in calls]
    again = await run("sh", "-c", calls[2])

    assert [status for status, _ in answers] == [0, 0, 0], answers
    read, timeline, accepted = [json.loads(output) for _, output in answers]
    assert read["escrow"]["state"] == "ESCROW_STATE_COMPLETED"
    assert timeline["entries"][0]["operation"] == "create_escrow"
    assert accepted["escrow"]["milestones"][1]["released"]["amountMinor"] == "60000"
    assert again == answers[2]


async def test_nobody_calls_who_does_not_prove_it(up: Up) -> None:
    """The gateway's certificate is for events, and without one there is not even a handshake."""
    read = printed_calls(up.said())[0]

    status, denied = await run("sh", "-c", read.replace("/you.", "/gateway."))
    assert status != 0
    assert "PERMISSION_MISSING" in denied or "does not permit" in denied
    told = up.addresses()
    only_theirs = TlsFiles(Path(told["tls"]) / "ca.pem")
    async with connect(
        told["grpc"], tenant="default", caller="you", credentials=only_theirs
    ) as stranger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stranger.escrows.ListEscrows(pb.ListEscrowsRequest())
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_the_checkout_page_takes_a_payment_and_its_journal_is_shown(
    up: Up, client: EscrowClient
) -> None:
    page = next(line for line in up.said().splitlines() if "/checkout/cs_" in line)
    card = {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123", "email": "a@b.test"}
    async with aiohttp.ClientSession() as http:
        async with http.get(page) as shown:
            assert shown.status == 200
            assert "84.00 USD" in await shown.text()
        async with http.post(page, data=card) as paid:
            assert "This payment is complete." in await paid.text()

    def shown_since() -> str:
        return up.said().partition("Ctrl-C")[2]

    await until(lambda: re.search(r"payment_succeeded .*84\.00", shown_since()), up.said, 20)
    request = pb.ListEscrowsRequest(filter="state = ACTIVE")
    funded = (await client.escrows.ListEscrows(request)).escrows
    assert any(escrow.reference.startswith("translation") for escrow in funded)


async def test_the_ledger_can_be_read_by_what_is_printed(up: Up) -> None:
    reads = [line for line in up.said().splitlines() if line.startswith("(. ")]
    show, journals, balances, verify = reads[:4]

    shown = await run("sh", "-c", show.replace("show ", "show --json "))
    listed = await run("sh", "-c", journals.replace("journals)", "journals --json)"))
    summed = await run("sh", "-c", balances)
    proved = await run("sh", "-c", verify)

    assert listed[0] == summed[0] == proved[0] == 0, (listed, summed, proved)
    assert json.loads(shown[1])["escrow"]["state"] == "ESCROW_STATE_COMPLETED", shown
    assert {"payment_succeeded", "payout_paid"} <= {
        told["kind"] for told in json.loads(listed[1])["journals"]
    }
    assert "asset:stripe" in summed[1]
    assert "the books are right" in proved[1]
    assert "the same as Stripe" in proved[1]


async def test_what_happened_and_why_an_escrow_waits_is_read_by_what_is_printed(up: Up) -> None:
    reads = [line for line in up.said().splitlines() if line.startswith("(. ")]
    explain, log, watch, disputes = reads[5:9]

    explained = await run("sh", "-c", explain.replace("explain ", "explain --json "))
    happened = await run("sh", "-c", log.replace("log)", "log --json)"))
    followed = await run(
        "sh", "-c", watch.replace("watch)", "watch --json --from-beginning | head -n 1)")
    )
    disputed = await run("sh", "-c", disputes.replace("list)", "list --json)"))

    assert explained[0] == happened[0] == disputed[0] == 0, (explained, happened, disputed)
    assert json.loads(explained[1])["state"] == "COMPLETED"
    first = json.loads(happened[1])["events"][0]
    assert json.loads(followed[1])["id"] == first["id"], followed
    assert json.loads(disputed[1])["disputes"] == []


async def test_an_operator_changes_the_policy_by_what_is_printed(up: Up) -> None:
    """Over mTLS, as an operator of production does."""
    show, apply = [line for line in up.said().splitlines() if " policy " in line]
    assert (await run("sh", "-c", show))[0] == 0
    same = await run("sh", "-c", apply)
    file = up.data_dir / "policy.yaml"
    file.write_text(file.read_text().replace("basis_points: 500", "basis_points: 400"))

    status, said = await run("sh", "-c", apply)
    stopped = apply.replace("&&", "&& ESCROW_SERVICE_TARGET=127.0.0.1:1")
    nowhere = await run("sh", "-c", stopped)

    assert same == (0, "version 1 says the same already\n")
    assert status == 0, said
    assert "version 2 is for new escrows" in said
    assert nowhere[0] == 2
    assert "nothing answers at 127.0.0.1:1" in nowhere[1]
    shown = await run("sh", "-c", show.partition(" > ")[0] + ")")
    assert "by operator for ann: our own fees" in shown[1].splitlines()[0]
    (approve,) = (line for line in up.said().splitlines() if " approvals approve " in line)
    nothing = await run("sh", "-c", approve.replace(" APPROVAL ", f" apr_{'0' * 32} "))
    assert nothing == (2, "escrow: There is no approval with this id.\n")  # it is let in


async def test_the_demo_plays_it_again(up: Up, client: EscrowClient) -> None:
    status, said = await run(
        sys.executable, "-m", "service", "demo", f"--data-dir={up.data_dir}", "--json"
    )

    assert status == 0, said
    request = pb.GetEscrowRequest(escrow_id=json.loads(said)["story"]["completed_id"])
    assert (await client.escrows.GetEscrow(request)).escrow.state == pb.ESCROW_STATE_COMPLETED


async def test_a_second_one_in_the_same_folder_is_one_line(up: Up) -> None:
    status, said = await run(*command(up.data_dir))

    assert status == 2
    assert said == (
        f"escrow: `escrow up` runs already in {up.data_dir} (process {up.process.pid}): stop it, "
        "or choose another folder with --data-dir\n"
    )


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


async def test_all_taken_ports_are_told_in_one_line(tmp_path: Path) -> None:
    with taken_port() as first, taken_port() as second:
        ports = (f"--grpc-port={first}", f"--sandbox-port={second}")
        status, said = await run(*command(tmp_path), *ports)

    assert status == 2
    assert said == (
        f"escrow: cannot listen on 127.0.0.1: port {first} (address already in use), port {second}"
        " (address already in use); stop what listens there, or let free ports be taken:"
        ' make run ARGS="--grpc-port 0 --sandbox-port 0"\n'
    )


async def test_it_stops_leaving_nothing_and_starts_again_with_its_data(tmp_path: Path) -> None:
    created = party.CreatePayerRequest(
        request_id=new_request_id(), reference="ada", name="Ada", email="ada@example.com"
    )
    async with running(tmp_path, "--no-story", ready="Ctrl-C") as first:
        told = first.addresses()
        async with calling(told) as client:
            payer = (await client.parties.CreatePayer(created)).payer
        started = await descendants(first.process.pid)
        env = (first.data_dir / "env").read_text()

        assert await first.interrupt(signal.SIGINT) == 0

        assert len(started) >= 5  # the four programs and their guard
        assert alive(started) == set()
        assert not any(listens(told[name]) for name in ("grpc", "gateway", "sandbox"))
        assert postmasters(first.data_dir) == []
        assert "Traceback" not in first.said()
        assert "Everything has stopped" in first.said()

    # From a shell that has read `env`, whose addresses are gone.
    exported = dict(
        shlex.split(line)[1].split("=", 1) for line in env.splitlines() if line[:7] == "export "
    )
    assert exported["STRIPE_SECRET_KEY"]
    async with running(
        tmp_path, "--no-story", "--json", ready="\n", environment=exported
    ) as second:
        request = party.GetPayerRequest(payer_id=payer.id)
        async with calling(json.loads(second.said())) as client:
            assert (await client.parties.GetPayer(request)).payer.reference == "ada"
        started = await descendants(second.process.pid)

        # Killed, it can end nothing itself.
        assert await second.interrupt(signal.SIGKILL) == -signal.SIGKILL
        await until(lambda: not alive(started), lambda: alive(started), ENDED_WITHIN_S)
        await until(lambda: not postmasters(second.data_dir), second.said, ENDED_WITHIN_S)
