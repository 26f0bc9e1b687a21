"""Files are uploaded once, by what they hold, and staged in a field of evidence."""

import hashlib
from typing import Any

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import chargeback_service_pb2 as pb
from service.domain.evidence import FILES, LARGEST_FILE_BYTES, TEXTS
from stripe_sandbox.payments.dispute_evidence import LONG_TEXTS, LONGEST_SHORT_TEXT, LONGEST_TEXT
from stripe_sandbox.payments.dispute_objects import EVIDENCE_FILES, EVIDENCE_TEXTS
from tests.clamd import EICAR, running_clamd
from tests.postgres import Database
from tests.service.movements.strangers import assert_same_as_stripe
from tests.service.operations.asked import WHY
from tests.service.operations.chargebacks.disputes import disputed_escrow, preview
from tests.service.operations.chargebacks.test_evidence import texts
from tests.service.operations.chargebacks.test_submit_evidence import (
    operator,
    shown,
    stage,
    submission,
)
from tests.service.operations.marketplace import AN_ID, Marketplace, open_marketplace

PDF = b"%PDF-1.7\n" + b"x" * 991  # 1,000 bytes
PNG = b"\x89PNG\r\n\x1a\n..."
JPEG = b"\xff\xd8\xff..."


def test_the_fields_are_stripes() -> None:
    assert set(TEXTS) == set(EVIDENCE_TEXTS)
    assert set(FILES) == set(EVIDENCE_FILES)
    for name, most in TEXTS.items():
        assert most == (LONGEST_TEXT if name in LONG_TEXTS else LONGEST_SHORT_TEXT)


def upload(found: pb.Chargeback, content: bytes) -> pb.UploadChargebackEvidenceFileRequest:
    return pb.UploadChargebackEvidenceFileRequest(
        request_id=new_request_id(), chargeback_id=found.id, content=content, reason=WHY
    )


async def test_a_file_is_uploaded_once_staged_and_submitted(market: Marketplace) -> None:
    found, stub = await disputed_escrow(market), operator(market)
    await market.sandbox.fail_next("/v1/files", kind="cut_after_effect", times=3)
    request = upload(found, PDF)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await stub.UploadChargebackEvidenceFile(request)
    await market.patience()
    await market.work()

    first = (await stub.UploadChargebackEvidenceFile(request)).file
    again = (await stub.UploadChargebackEvidenceFile(upload(found, PDF))).file
    picture = (await stub.UploadChargebackEvidenceFile(upload(found, PNG))).file
    photo = (await stub.UploadChargebackEvidenceFile(upload(found, JPEG))).file

    assert first == again
    assert (first.content_type, first.size_bytes) == ("application/pdf", 1_000)
    assert first.sha256 == hashlib.sha256(PDF).hexdigest()
    assert (picture.content_type, photo.content_type) == ("image/png", "image/jpeg")
    uploaded = {each["id"]: each for each in await market.sandbox.objects("/v1/files")}
    assert set(uploaded) == {first.stripe_file, picture.stripe_file, photo.stripe_file}
    assert uploaded[first.stripe_file]["size"] == 1_000

    await stage(market, found, service_documentation=first.id, receipt=picture.id)
    seen = await preview(market, found)
    assert texts(seen.evidence)["receipt"] == picture.stripe_file
    assert seen.evidence.characters == sum(
        len(text) for name, text in texts(seen.evidence).items() if name not in FILES
    )
    await stub.SubmitChargebackEvidence(await submission(market, found))

    evidence = (await shown(market, found))["evidence"]
    assert evidence["service_documentation"] == first.stripe_file
    async with market.refuses("EVIDENCE_BLOCKED"):
        await stub.UploadChargebackEvidenceFile(upload(found, PDF))
    await market.settle()
    await assert_same_as_stripe(market)


async def test_a_file_is_taken_when_the_scanner_found_it_clean(
    database: Database, sandbox_url: str
) -> None:
    async with (
        running_clamd() as clamd,
        open_marketplace(database, sandbox_url, files_scanner=clamd.url) as market,
    ):
        found, stub = await disputed_escrow(market), operator(market)
        infected, clean = upload(found, PDF + EICAR), upload(found, PDF)
        async with market.refuses("FILE_INFECTED") as refusal:
            await stub.UploadChargebackEvidenceFile(infected)
        assert "found Eicar-Test-Signature in it" in refusal.message
        clamd.says = b"stream: Loading the database ERROR"
        async with market.refuses("SCANNER_UNAVAILABLE"):
            await stub.UploadChargebackEvidenceFile(clean)
        assert not await market.sandbox.objects("/v1/files")

        clamd.says = None
        first = await stub.UploadChargebackEvidenceFile(clean)
        await clamd.stop()
        async with market.refuses("SCANNER_UNAVAILABLE"):
            await stub.UploadChargebackEvidenceFile(upload(found, PNG))
        assert await stub.UploadChargebackEvidenceFile(clean) == first
        async with market.refuses("CHARGEBACK_MISSING"):  # which needs no scanner
            await stub.UploadChargebackEvidenceFile(upload(pb.Chargeback(id=f"cbk_{AN_ID}"), PDF))
        assert clamd.seen == [PDF + EICAR, PDF, PDF]


async def test_what_is_no_file_for_it_is_refused(market: Marketplace) -> None:
    found, other = await disputed_escrow(market), await disputed_escrow(market)
    stub: Any = operator(market)
    for content, why in (
        (b"", "is required"),
        (b"PK\x03\x04 a document.pdf", "convert it to PDF"),
        (b" %PDF-1.7", "convert it to PDF"),
        (PDF + b"x" * LARGEST_FILE_BYTES, "must have at most 1,000,000 bytes"),
    ):
        async with market.refuses("INVALID_FIELD") as refusal:
            await stub.UploadChargebackEvidenceFile(upload(found, content))
        assert why in refusal.message
    with pytest.raises(grpc.aio.AioRpcError) as refused:  # more than a request may have
        await stub.UploadChargebackEvidenceFile(upload(found, PDF + b"x" * (1 << 20)))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    most = PDF + b"x" * (LARGEST_FILE_BYTES - len(PDF))
    assert (await stub.UploadChargebackEvidenceFile(upload(found, most))).file.stripe_file

    theirs = (await stub.UploadChargebackEvidenceFile(upload(other, PDF))).file
    for name, value in (
        ("receipt", theirs.id),
        ("receipt", f"evf_{AN_ID}"),
        ("receipt", theirs.stripe_file),
        ("receipt", "receipt.pdf"),
    ):
        async with market.refuses("INVALID_FIELD") as refusal:
            await stage(market, found, **{name: value})
        assert "was uploaded for this chargeback" in refusal.message
