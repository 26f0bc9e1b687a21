"""Evidence: files that are uploaded first, limits for all of it, deadlines, and appeals."""

import io

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import API_KEY, CheckedHTTPClient, Running, charge_in

# The SDK sends what it is given, which aiohttp would rather stream.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

DAY_S = 24 * 3600
PDF, PNG = b"%PDF-1.7 ", b"\x89PNG\r\n\x1a\n"
PAGE = b"<< /Type /Page >>"
ENHANCED = {"visa_compliance": {"fee_acknowledged": True}}


async def disputed(running: Running, card: str = "pm_card_visa", **how: Json) -> Json:
    charge = await charge_in(running, "usd", 10_000, card)
    return await running.control("POST", f"charges/{charge.id}/dispute", **how)


async def upload(
    running: Running, content: bytes, name: str = "a.pdf", purpose: str = "dispute_evidence"
) -> Json:
    file = io.BytesIO(content)
    file.name = name
    params: Json = {"purpose": purpose, "file": file}
    return await running.client.v1.files.create_async(params)


async def stage(running: Running, dispute: Json, **evidence: Json) -> Json:
    params: Json = {"evidence": evidence, "submit": False}
    return await running.client.v1.disputes.update_async(dispute["id"], params)


async def test_a_file_is_evidence_once_it_was_uploaded(running: Running) -> None:
    dispute = await disputed(running)
    file = await upload(running, PDF + b"a receipt", "Receipt.PDF")
    assert (file.filename, file.type, file.size) == ("Receipt.PDF", "pdf", 18)
    staged = await stage(running, dispute, receipt=file.id)
    assert (staged.evidence.receipt, staged.evidence_details.has_evidence) == (file.id, True)
    headers = {"Authorization": "Bearer sk_test_sandbox"}
    async with running.http.get(str(file.url), headers=headers) as contents:
        assert await contents.read() == PDF + b"a receipt"
    logo = await upload(running, PNG, "logo.png", "business_logo")
    with pytest.raises(stripe.InvalidRequestError, match="No such file"):
        await stage(running, dispute, receipt="file_none")
    with pytest.raises(stripe.InvalidRequestError, match="not uploaded as dispute_evidence"):
        await stage(running, dispute, receipt=logo.id)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be unset"):
        await stage(running, dispute, receipt="")


@pytest.mark.parametrize(
    ("content", "name", "purpose", "refusal"),
    [
        (b"#!/bin/sh", "receipt.sh", "dispute_evidence", "Invalid file type: sh"),
        (b"#!/bin/sh", "receipt.pdf", "dispute_evidence", "not a valid pdf file"),
        (PDF, "receipt.jpg", "dispute_evidence", "not a valid jpg file"),
        (b"", "receipt.pdf", "dispute_evidence", "empty"),
        (PDF + bytes(5_000_000), "receipt.pdf", "dispute_evidence", "too large"),
        (PDF, "receipt.pdf", "evidence", "Invalid purpose"),
    ],
)
async def test_what_is_no_evidence_is_not_taken(
    running: Running, content: bytes, name: str, purpose: str, refusal: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=refusal):
        await upload(running, content, name, purpose)


async def test_the_limits_hold_for_all_that_is_staged(running: Running) -> None:
    dispute, of_mastercard = await disputed(running), await disputed(running, "pm_card_mastercard")

    async def refused(of: Json, match: str, **evidence: Json) -> stripe.InvalidRequestError:
        with pytest.raises(stripe.InvalidRequestError, match=match) as refusal:
            await stage(running, of, **evidence)
        return refusal.value

    await refused(dispute, "at most 20000", uncategorized_text="x" * 20_001)
    error = await refused(dispute, "at most 5000", customer_name="x" * 5_001)
    assert error.param == "evidence[customer_name]"
    half = (await upload(running, PDF + bytes(2_300_000))).id
    await stage(running, dispute, receipt=half)
    await refused(dispute, "4.5 MB", refund_policy=half)
    pages = (await upload(running, PDF + 19 * PAGE)).id
    await stage(running, dispute, receipt=pages, refund_policy=pages)
    await stage(running, of_mastercard, receipt=pages)
    error = await refused(of_mastercard, "20 pages", uncategorized_text="One more.")
    assert error.code == "dispute_evidence_page_limit_exceeded"
    error = await refused(dispute, "57 pages", service_documentation=pages)
    assert error.code == "dispute_evidence_page_limit_exceeded"
    await refused(dispute, "not eligible", enhanced_evidence=ENHANCED)
    now: Json = await running.client.v1.disputes.retrieve_async(dispute["id"])
    assert (now.evidence.uncategorized_text, now.evidence.service_documentation) == (None, None)


async def test_what_stripe_knows_of_the_payer_is_filled_in_and_is_no_evidence(
    running: Running,
) -> None:
    client: Json = running.client.v1
    customer = await client.customers.create_async({"name": "Ada", "email": "ada@example.com"})
    intent = await client.payment_intents.create_async(
        {
            "amount": 10_000,
            "currency": "usd",
            "confirm": True,
            "customer": customer.id,
            "description": "Two chairs",
            "payment_method": "pm_card_createDispute",
            "allowed_payment_method_types": ["card"],
            "capture_method": "automatic",
        }
    )
    [dispute] = (await client.disputes.list_async({"payment_intent": intent.id})).data
    known = dispute.evidence
    assert (known.customer_name, known.customer_email_address) == ("Ada", "ada@example.com")
    assert (known.product_description, dispute.evidence_details.has_evidence) == (
        "Two chairs",
        False,
    )
    with pytest.raises(stripe.InvalidRequestError, match="evidence"):
        await client.disputes.update_async(dispute.id, {"submit": True})
    params = {"intended_submission_method": "manual"}
    changed = await client.disputes.update_async(dispute.id, params)
    assert (changed.intended_submission_method, changed.status) == ("manual", "needs_response")


async def test_after_the_last_day_nobody_takes_evidence(running: Running) -> None:
    """Staged evidence is not submitted evidence; an inquiry stays open, and unanswerable."""
    disputes = running.client.v1.disputes
    chargeback, inquiry = await disputed(running), await disputed(running, inquiry=True)
    await stage(running, chargeback, customer_name="Ada")
    await running.advance(chargeback["evidence_details"]["due_by"] - chargeback["created"] - 60)
    assert (await disputes.retrieve_async(chargeback["id"])).status == "needs_response"
    await running.advance(120)
    lost = await disputes.retrieve_async(chargeback["id"])
    assert (lost.status, lost.evidence_details.submission_count) == ("lost", 0)
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        await stage(running, chargeback, customer_name="Ada")
    params: Json = {"evidence": {"customer_name": "Ada"}, "metadata": {"case": "17"}}
    with pytest.raises(stripe.InvalidRequestError, match="is over"):
        await disputes.update_async(inquiry["id"], params)
    still: Json = await disputes.retrieve_async(inquiry["id"])
    assert (still.status, still.metadata.to_dict()) == ("warning_needs_response", {})


@pytest.mark.parametrize(
    ("ends", "status"),
    [("win", "won"), ("lose", "lost"), ("close", "lost"), ("silence", "lost")],
)
async def test_a_decision_can_be_appealed_once(running: Running, ends: str, status: str) -> None:
    client: Json = running.client.v1
    dispute = await disputed(running)
    await client.disputes.update_async(dispute["id"], {"evidence": {"customer_name": "Ada"}})
    appealed = await running.control("POST", f"disputes/{dispute['id']}/appeal")
    assert appealed["status"] == "appeal_needs_response"
    with pytest.raises(stripe.InvalidRequestError, match="does not take this evidence"):
        await stage(running, dispute, customer_name="Ada Lovelace")
    if ends == "silence":
        await running.advance(9 * DAY_S)
    elif ends == "close":
        await client.disputes.close_async(dispute["id"])
    else:
        file = await upload(running, PDF)
        card = {"reason_for_filing": "It was delivered.", "supporting_files": [file.id]}
        params = {"evidence": {"appeal": {"card": card}}}
        submitted = await client.disputes.update_async(dispute["id"], params)
        assert submitted.status == "appeal_under_review"
        assert submitted.evidence.appeal.card.supporting_files == [file.id]
        with pytest.raises(stripe.InvalidRequestError, match="only once"):
            await client.disputes.update_async(dispute["id"], params)
        await running.control("POST", f"disputes/{dispute['id']}/{ends}")
    assert (await client.disputes.retrieve_async(dispute["id"])).status == status
    taken = 0 if status == "won" else -10_000
    books = await running.books()
    net = books["accounts"][running.sandbox.platform]["sum_of_net"]["usd"]
    billed = 1_500 if ends == "silence" else 0  # the second fee, a day later
    assert net == 9_680 - 1_500 + taken - billed


async def test_no_appeal_before_it_is_offered(running: Running) -> None:
    dispute = await disputed(running)
    with pytest.raises(stripe.InvalidRequestError, match="does not take this evidence"):
        await stage(running, dispute, appeal={"card": {"reason_for_filing": "Early."}})


async def test_a_compliance_case_is_answered_by_who_says_that_they_pay(running: Running) -> None:
    client: Json = running.client.v1
    dispute = await disputed(running, reason="noncompliant")
    assert dispute["payment_method_details"]["card"]["case_type"] == "compliance"
    assert dispute["enhanced_eligibility_types"] == ["visa_compliance"]
    await stage(running, dispute, uncategorized_text="winning_evidence")
    with pytest.raises(stripe.InvalidRequestError, match="fee_acknowledged"):
        await client.disputes.update_async(dispute["id"], {"submit": True})
    staged = await stage(running, dispute, enhanced_evidence=ENHANCED)
    eligibility = staged.evidence_details.enhanced_eligibility
    assert eligibility.visa_compliance.status == "fee_acknowledged"
    submitted = await client.disputes.update_async(dispute["id"], {"submit": True})
    assert submitted.status == "under_review"
    await running.advance(DAY_S + 60)
    fees = await client.balance_transactions.list_async({"type": "stripe_fee"})
    assert sorted(fee.net for fee in fees.data) == [-50_000, -1_500, 1_500, 50_000]


async def test_the_sdk_uploads_to_the_address_of_files(running: Running) -> None:
    """Stripe has another host for it; everything else of a file is asked of the API."""
    http_client = CheckedHTTPClient()
    uploads = stripe.StripeClient(
        API_KEY,
        http_client=http_client,
        base_addresses={"api": "http://127.0.0.1:9", "files": running.url},
        max_network_retries=0,
    )
    file = io.BytesIO(PDF)
    file.name = "receipt.pdf"
    params: Json = {"purpose": "dispute_evidence", "file": file}
    uploaded = await uploads.v1.files.create_async(params)
    assert (await running.client.v1.files.retrieve_async(uploaded.id)).size == len(PDF)
    with pytest.raises(stripe.APIConnectionError):
        await uploads.v1.files.retrieve_async(uploaded.id)
    await http_client.close_async()  # type: ignore[no-untyped-call] # untyped in stripe
