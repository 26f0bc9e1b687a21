"""Notes and files of a dispute: given once, kept whole, and read by both parties."""

import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from service.domain.files import MOST_PIECES, MOST_TOGETHER_BYTES, content_type_of
from tests.clamd import EICAR, running_clamd
from tests.gofakes3 import BUCKET, LOGIN, NONE_HERE, find_gofakes3, running_gofakes3
from tests.postgres import Database
from tests.service.operations.disputes.disputing import named, opened, withdraw
from tests.service.operations.marketplace import AN_ID, NEIGHBOUR, Marketplace, open_marketplace
from tests.service.operations.refusals import Refusal, check_refusal, read_refusal

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 4
LARGEST = 1_000_000
FILL = """
INSERT INTO dispute_evidence
SELECT tenant_id, gen_random_uuid(), escrow_id, dispute_id, party, caller, '', 'text/plain', '',
    $1, repeat('0', 64), 'BUCKET', created_at
FROM dispute_evidence CROSS JOIN generate_series(1, $2::int) LIMIT $2"""


async def is_refused(call: Awaitable[object], reason: str) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    refusal = read_refusal(caught.value)
    check_refusal(refusal, reason)
    return refusal


async def disputed(market: Marketplace) -> pb.Dispute:
    return await opened(market.payer, await market.delivered_escrow())


def adding(dispute: pb.Dispute, **more: Any) -> pb.AddDisputeEvidenceRequest:  # noqa: ANN401  fields
    return pb.AddDisputeEvidenceRequest(**named(dispute), **more)


async def add(
    market: Marketplace,
    dispute: pb.Dispute,
    party: str = "payer",
    **more: Any,  # noqa: ANN401  fields of the request
) -> pb.DisputeEvidence:
    client = market.client(party, role="operator" if party == "operator" else "")
    return (await client.disputes.AddDisputeEvidence(adding(dispute, **more))).evidence


def naming(evidence: pb.DisputeEvidence) -> pb.GetDisputeEvidenceRequest:
    return pb.GetDisputeEvidenceRequest(dispute_id=evidence.dispute_id, evidence_id=evidence.id)


async def listed(
    market: Marketplace, dispute: pb.Dispute, party: str = "payer"
) -> list[pb.DisputeEvidence]:
    request = pb.ListDisputeEvidenceRequest(filter=f'dispute_id = "{dispute.id}"')
    return [*(await market.client(party).disputes.ListDisputeEvidence(request)).evidence]


@pytest.mark.parametrize(
    ("content", "type_"),
    [
        (b"%PDF-2.0", "application/pdf"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\0", "image/png"),
        ("Łódź\r\n\tand 🦊".encode(), "text/plain"),
        (b"<html><script>", "text/plain"),
        (b" %PDF-2.0", "text/plain"),
        (b"PK\x03\x04", None),
        (b"GIF89a", "text/plain"),
        (b"MZ\x90\0", None),
        (b"a\0b", None),
        (b"\x1b[2J", None),
        (b"\xff\xfeU\0", None),
        ("Łódź".encode("iso8859-2"), None),
    ],
)
def test_a_type_is_told_by_the_content(content: bytes, type_: str | None) -> None:
    assert content_type_of(content) == type_


async def test_what_was_given_is_read_by_both_and_by_operators(market: Marketplace) -> None:
    dispute = await disputed(market)
    note = await add(market, dispute, note="It was broken when it came.")
    request = adding(dispute, content=PDF, note="The photo.", file_name="../Ł photo.pdf")
    client = market.client("payee").disputes
    file = (await client.AddDisputeEvidence(request)).evidence
    said = await add(market, dispute, "operator", content=b"Noted.", reason="by phone")

    assert (await client.AddDisputeEvidence(request)).evidence == file
    assert (file.party, note.party, said.party) == ("payee", "payer", "operator")
    assert (file.content_type, file.size_bytes) == ("application/pdf", len(PDF))
    assert file.sha256 == hashlib.sha256(PDF).hexdigest()
    assert (note.content_type, note.size_bytes, note.sha256) == ("", 0, "")
    for party in ("payer", "payee"):
        assert await listed(market, dispute, party) == [said, file, note]
    people = market.client("operator", role="auditor").disputes
    for each, content in ((file, PDF), (note, b""), (said, b"Noted.")):
        for reader in (people, market.client("payer").disputes):
            found = await reader.GetDisputeEvidence(naming(each))
            assert (found.evidence, found.content) == (each, content)
    entries = await market.timeline(escrow_pb.Escrow(id=dispute.escrow_id))
    assert [e.note for e in entries if e.operation == "add_dispute_evidence"] == [
        f"{dispute.id}: {note.id} (a note)",
        f"{dispute.id}: {file.id} (application/pdf, sha256 {file.sha256})",
        f"{dispute.id}: {said.id} (text/plain, sha256 {said.sha256}): by phone",
    ]

    refusal = await is_refused(add(market, dispute, "payee", content=PDF), "FILE_GIVEN")
    assert refusal.metadata["evidence_id"] == file.id
    theirs = await add(market, dispute, "payer", content=PDF)  # who may have it, too
    assert theirs.sha256 == file.sha256

    other = await disputed(market)
    for wrong in (
        pb.GetDisputeEvidenceRequest(dispute_id=other.id, evidence_id=file.id),
        pb.GetDisputeEvidenceRequest(dispute_id=dispute.id, evidence_id=f"dse_{AN_ID}"),
    ):
        await is_refused(client.GetDisputeEvidence(wrong), "DISPUTE_EVIDENCE_MISSING")
    stranger = market.client("payer", tenant=NEIGHBOUR).disputes
    await is_refused(stranger.GetDisputeEvidence(naming(file)), "DISPUTE_EVIDENCE_MISSING")
    await is_refused(stranger.AddDisputeEvidence(adding(dispute, note="!")), "ESCROW_MISSING")
    by_dispute = pb.ListDisputeEvidenceRequest(filter=f'dispute_id = "{dispute.id}"')
    assert not (await stranger.ListDisputeEvidence(by_dispute)).evidence

    await market.owner.execute("UPDATE dispute_files SET content = content || 'x'")
    await is_refused(client.GetDisputeEvidence(naming(file)), "FILE_DAMAGED")
    await market.owner.execute("DELETE FROM dispute_files")
    await is_refused(client.GetDisputeEvidence(naming(file)), "FILE_DAMAGED")
    assert (await client.GetDisputeEvidence(naming(note))).evidence == note
    assert len(await listed(market, dispute)) == 4


async def test_what_is_refused(market: Marketplace) -> None:
    dispute = await disputed(market)
    for fields, field, why in (
        ({}, "note", "is required where there is no file"),
        ({"note": "x" * 4_001}, "note", "at most 4,000"),
        ({"note": "x", "file_name": "x.pdf"}, "file_name", "give its content"),
        ({"content": b"PK\x03\x04"}, "content", "convert it to PDF"),
        ({"content": b"x" * (LARGEST + 1)}, "content", "at most 1,000,000 bytes"),
        ({"content": PDF, "file_name": "x" * 201}, "file_name", "at most 200"),
    ):
        async with market.unchanged():
            refusal = await is_refused(add(market, dispute, **fields), "INVALID_FIELD")
        assert field in refusal.message
        assert why in refusal.message
    with pytest.raises(grpc.aio.AioRpcError) as refused:  # more than a request may have
        await add(market, dispute, content=b"x" * (1 << 20))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    full = await disputed(market)
    await add(market, full, note="first")
    most = PDF + b"x" * (LARGEST - len(PDF))
    await market.owner.execute(FILL, (MOST_TOGETHER_BYTES - LARGEST) // 38, 38)
    assert (await add(market, full, content=most)).size_bytes == LARGEST
    used = await market.owner.fetchval("SELECT sum(size_bytes)::bigint FROM dispute_evidence")
    refusal = await is_refused(
        add(market, full, content=b"x" * (MOST_TOGETHER_BYTES - used + 1)),
        "DISPUTE_EVIDENCE_EXHAUSTED",
    )
    assert refusal.metadata["pieces_left"] == str(MOST_PIECES - 40)
    assert refusal.metadata["bytes_left"] == str(MOST_TOGETHER_BYTES - used)
    for number in range(MOST_PIECES - 40):
        await add(market, full, note=f"{number}")
    await is_refused(add(market, full, note="one more"), "DISPUTE_EVIDENCE_EXHAUSTED")
    assert (await add(market, full, "payee", note="and I?")).note  # nobody silences the other
    await add(market, dispute, note="which is not full")

    await withdraw(market.payer, dispute)
    async with market.unchanged():
        refusal = await is_refused(add(market, dispute, note="late"), "DISPUTE_OVER")
    assert refusal.metadata["state"] == "WITHDRAWN"
    assert len(await listed(market, dispute)) == 1


@asynccontextmanager
async def with_bucket(
    database: Database, sandbox_url: str, monkeypatch: pytest.MonkeyPatch, **more: str
) -> AsyncIterator[tuple[Marketplace, str]]:
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    async with (
        running_gofakes3() as url,
        open_marketplace(
            database,
            sandbox_url,
            files_bucket=f"s3://{BUCKET}/staging",
            files_endpoint=url,
            **more,
        ) as market,
    ):
        yield market, url


@pytest.mark.skipif(find_gofakes3() is None, reason=NONE_HERE)
async def test_a_bucket_keeps_what_a_scanner_found_clean(
    database: Database, sandbox_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        running_clamd() as clamd,
        with_bucket(database, sandbox_url, monkeypatch, files_scanner=clamd.url) as (market, url),
    ):
        bucket = market.running.runtime.bucket
        assert bucket is not None
        dispute = await disputed(market)
        async with market.unchanged():
            refusal = await is_refused(
                add(market, dispute, content=EICAR, note="harmless"), "FILE_INFECTED"
            )
            assert "Eicar-Test-Signature" in refusal.message
            clamd.says = b"stream: too much ERROR"
            await is_refused(add(market, dispute, content=PDF), "SCANNER_UNAVAILABLE")
        clamd.says = None
        request = adding(dispute, content=PDF)
        client = market.client("payer").disputes
        file = (await client.AddDisputeEvidence(request)).evidence
        note = await add(market, dispute, note="which no scanner is asked about")
        assert clamd.seen == [EICAR, PDF, PDF]

        key = f"{market.tenant}/disputes/{dispute.id.removeprefix('dsp_')}/{file.sha256}"
        assert await bucket.get(key) == PDF
        assert (await client.GetDisputeEvidence(naming(file))).content == PDF
        assert await market.owner.fetchval("SELECT count(*) FROM dispute_files") == 0
        stored = await market.owner.fetch("SELECT stored FROM dispute_evidence ORDER BY 1")
        assert [row["stored"] for row in stored] == ["BUCKET", "NOWHERE"]

        await bucket.put(key, PDF + b"x", "application/pdf")
        await is_refused(client.GetDisputeEvidence(naming(file)), "FILE_DAMAGED")
        kept = f"{url}/{BUCKET}/staging/{key}"
        async with market.sandbox.http.delete(kept) as answer:
            assert answer.status == 204
        await is_refused(client.GetDisputeEvidence(naming(file)), "FILE_DAMAGED")

        await clamd.stop()  # and the bucket with the block below
        assert (await client.AddDisputeEvidence(request)).evidence == file
        await is_refused(add(market, dispute, content=b"x"), "SCANNER_UNAVAILABLE")
        assert (await client.GetDisputeEvidence(naming(note))).evidence == note


async def test_a_bucket_out_of_reach_keeps_nothing_and_says_so(
    database: Database, sandbox_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    nobody = {"files_bucket": f"s3://{BUCKET}", "files_endpoint": "http://127.0.0.1:9"}
    async with open_marketplace(database, sandbox_url, **nobody) as market:
        dispute = await disputed(market)
        request = adding(dispute, content=PDF)
        client = market.client("payee").disputes
        async with market.unchanged():
            refusal = await is_refused(client.AddDisputeEvidence(request), "FILES_UNAVAILABLE")
        assert "127.0.0.1" not in refusal.message
        note = await add(market, dispute, note="which needs no bucket")
        await market.owner.execute(FILL, 7, 1)
        file = next(each for each in await listed(market, dispute) if each.size_bytes)
        await is_refused(client.GetDisputeEvidence(naming(file)), "FILES_UNAVAILABLE")
        assert (await client.GetDisputeEvidence(naming(note))).evidence == note
        object.__setattr__(market.running.runtime, "bucket", None)  # as of one that was unset
        await is_refused(client.GetDisputeEvidence(naming(file)), "FILES_UNAVAILABLE")
        assert (await client.AddDisputeEvidence(request)).evidence.size_bytes == len(PDF)
