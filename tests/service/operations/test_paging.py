"""Page tokens: ours lead to the next page, everybody else's are refused and never an error."""

import base64
import hashlib
from uuid import UUID

import pytest

from escrow.v1 import party_service_pb2 as party_pb
from service.domain.errors import InvalidField
from service.operations.paging import cursor_of, next_page_token, page_limit
from tests.records import new_id
from tests.service.operations.marketplace import AN_ID, Marketplace

QUESTION = f"pye_{AN_ID}"  # of ListPayouts: whose they are


def forged(cursor: bytes, question: str = QUESTION) -> str:
    """A token by somebody who knows how they are made."""
    digest = hashlib.sha256(question.encode()).digest()[:8]
    return base64.urlsafe_b64encode(digest + cursor).decode()


FORGED = {
    "empty": forged(b""),
    "a word": forged(b"hello"),
    "an id that is cut": forged(AN_ID.encode()[:-1]),
    "an id with more": forged(AN_ID.encode() + b"0"),
    "an id in letters that are none": forged("٣".encode() * 16),
    "no text": forged(b"\xff" * 32),
    "a NUL": forged(AN_ID.encode()[:-1] + b"\0"),
    "a statement": forged(b"'; DROP TABLE payouts; --"),
    "of another question": forged(AN_ID.encode(), "pye_somebody_else"),
    "shorter than its digest": base64.urlsafe_b64encode(b"abc").decode(),
    "no base64": "%%%",
    "with spaces": " ",
    "no ASCII": "é" * 10,
    "badly padded": forged(AN_ID.encode())[:-1] + "A=",
}


def test_a_token_leads_to_where_the_page_ended() -> None:
    last = new_id()

    assert cursor_of(next_page_token(str(last), QUESTION), QUESTION, UUID) == last
    assert cursor_of("", QUESTION, UUID) is None


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(name: str) -> None:
    with pytest.raises(InvalidField):
        cursor_of(FORGED[name], QUESTION, UUID)


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_an_invalid_argument_to_clients(
    shared_market: Marketplace, name: str
) -> None:
    """ListEscrows and ListTimeline have such tests of their own."""
    request = party_pb.ListPayoutsRequest(payee_id=QUESTION, page_token=FORGED[name])

    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await shared_market.service.parties.ListPayouts(request)
    assert set(refusal.fields) == {"page_token"}


def test_a_page_has_a_usual_size_and_a_largest() -> None:
    sizes = [page_limit(size, usual=50, most=200) for size in (0, 1, 200, 2**31 - 1)]

    assert sizes == [50, 1, 200, 200]
