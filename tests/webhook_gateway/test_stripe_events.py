import json
import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stripe import SignatureVerificationError, WebhookSignature

from webhook_gateway.stripe_events import Refusal, VerifiedEvent, judge

SECRET = "whsec_current"
OLD_SECRET = "whsec_previous"
NOW = 1_780_000_000
TOLERANCE_S = 300
EVENT = b'{"id": "evt_1", "object": "event", "type": "charge.updated", "data": {}}'


def sign(payload: bytes, secret: str = SECRET, at: int = NOW) -> str:
    """A header as Stripe's own SDK makes it; the SDK is the reference here."""
    header = WebhookSignature.generate_signature_header(payload.decode(), secret, timestamp=at)
    assert isinstance(header, str)
    return header


def verdict_on(
    payload: bytes,
    *headers: str,
    secrets: Sequence[str] = (SECRET,),
    now: float = NOW,
) -> VerifiedEvent | Refusal:
    return judge(payload, headers, secrets, now=now, tolerance_s=TOLERANCE_S)


def signed(payload: bytes) -> VerifiedEvent | Refusal:
    return verdict_on(payload, sign(payload))


def test_a_signed_event_is_verified_and_kept_byte_for_byte() -> None:
    assert signed(EVENT) == VerifiedEvent("evt_1", "charge.updated", EVENT)


def test_a_thin_event_of_the_v2_api_is_verified() -> None:
    name = "v2.core.account[configuration.recipient].capability_status_updated"
    payload = json.dumps({"id": "evt_test_65R9", "object": "v2.core.event", "type": name}).encode()
    assert signed(payload) == VerifiedEvent("evt_test_65R9", name, payload)


def test_the_payload_stays_out_of_repr() -> None:
    assert "charge.updated" in repr(signed(EVENT))
    assert "object" not in repr(signed(EVENT))


def test_either_secret_is_good_during_a_rotation() -> None:
    for secret in (SECRET, OLD_SECRET):
        verdict = verdict_on(EVENT, sign(EVENT, secret), secrets=(SECRET, OLD_SECRET))
        assert isinstance(verdict, VerifiedEvent)
    assert verdict_on(EVENT, sign(EVENT, OLD_SECRET)) is Refusal.SIGNATURE_MISMATCH


def test_one_of_several_signatures_in_a_header_is_enough() -> None:
    """Stripe signs with both secrets while it rolls one, and with other schemes beside."""
    theirs = sign(EVENT, "whsec_unknown")
    ours = sign(EVENT).removeprefix(f"t={NOW}")
    assert isinstance(verdict_on(EVENT, theirs + ours + ",v0=" + "0" * 64), VerifiedEvent)


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([], Refusal.SIGNATURE_MISSING),
        ([sign(EVENT), sign(EVENT)], Refusal.SIGNATURE_REPEATED),
        ([""], Refusal.SIGNATURE_MALFORMED),
        (["t=,v1="], Refusal.SIGNATURE_MALFORMED),
        ([f"t={NOW}"], Refusal.SIGNATURE_MALFORMED),
        (["v1=" + "0" * 64], Refusal.SIGNATURE_MALFORMED),
        ([f"t={NOW}," + sign(EVENT)], Refusal.SIGNATURE_MALFORMED),
        ([sign(EVENT) + "\n"], Refusal.SIGNATURE_MALFORMED),
        ([sign(EVENT).replace("v1=", "v1=é")], Refusal.SIGNATURE_MALFORMED),
        ([sign(EVENT).replace("t=", "t=\u0661")], Refusal.SIGNATURE_MALFORMED),
        ([f"t={NOW},v1=" + "\udcff" * 64], Refusal.SIGNATURE_MALFORMED),
        ([f"t={NOW},v1=" + "0" * 64], Refusal.SIGNATURE_MISMATCH),
        ([sign(EVENT).replace("v1=", "v0=")], Refusal.SIGNATURE_MISMATCH),
        ([sign(EVENT)[:-1]], Refusal.SIGNATURE_MISMATCH),
        ([sign(EVENT, "whsec_wrong")], Refusal.SIGNATURE_MISMATCH),
        ([sign(EVENT + b" ")], Refusal.SIGNATURE_MISMATCH),
        ([sign(EVENT).replace(f"t={NOW}", f"t={NOW + 1}")], Refusal.SIGNATURE_MISMATCH),
    ],
)
def test_a_signature_that_is_not_stripes_is_refused(headers: list[str], refusal: Refusal) -> None:
    assert verdict_on(EVENT, *headers) is refusal


def test_without_a_secret_nothing_is_verified() -> None:
    assert verdict_on(EVENT, sign(EVENT), secrets=()) is Refusal.SIGNATURE_MISMATCH
    assert verdict_on(EVENT, f"t={NOW},v1=00", secrets=("",)) is Refusal.SIGNATURE_MISMATCH


def test_a_signature_is_good_for_the_tolerance_and_not_a_second_longer() -> None:
    header = sign(EVENT)
    assert isinstance(verdict_on(EVENT, header, now=NOW + TOLERANCE_S), VerifiedEvent)
    assert isinstance(verdict_on(EVENT, header, now=NOW - TOLERANCE_S), VerifiedEvent)
    assert verdict_on(EVENT, header, now=NOW + TOLERANCE_S + 1) is Refusal.SIGNATURE_EXPIRED
    assert verdict_on(EVENT, header, now=NOW - TOLERANCE_S - 1) is Refusal.SIGNATURE_IN_FUTURE


@pytest.mark.parametrize("tolerance_s", [0, -1])
def test_an_age_check_cannot_be_switched_off(tolerance_s: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        judge(EVENT, [sign(EVENT)], [SECRET], now=NOW, tolerance_s=tolerance_s)


def test_a_body_that_is_not_utf8_is_refused() -> None:
    assert verdict_on(b'{"id": "\xff"}', sign(EVENT)) is Refusal.BODY_NOT_UTF8


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        EVENT[:-1],
        EVENT + EVENT,
        b"\xef\xbb\xbf" + EVENT,
        b'{"id": "evt_1", "type": "a", "n": NaN}',
        b'{"id": "evt_1", "type": "a", "n": Infinity}',
        b'{"id": "evt_1", "type": "a", "n": -Infinity}',
        b'{"id": "evt_1", "type": "a", "n": 1e999}',
        b'{"id": "evt_1", "type": "a", "n": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda payload: payload[:40].decode(errors="replace"),
)
def test_a_signed_body_that_is_not_json_is_refused(payload: bytes) -> None:
    assert signed(payload) is Refusal.BODY_NOT_JSON


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"id": "evt_1", "type": "a"}],
        "evt_1",
        1,
        None,
        {},
        {"id": "evt_1"},
        {"type": "a"},
        {"id": "", "type": "a"},
        {"id": "evt_1", "type": ""},
        {"id": 1, "type": "a"},
        {"id": "evt_1", "type": ["a"]},
        {"id": "evt 1", "type": "a"},
        {"id": "evt_1\n", "type": "a"},
        {"id": "evt_é", "type": "a"},
        {"id": "evt_\ud800", "type": "a"},
        {"id": "e" * 256, "type": "a"},
    ],
)
def test_signed_json_that_is_not_an_event_is_refused(body: object) -> None:
    assert signed(json.dumps(body).encode()) is Refusal.BODY_NOT_AN_EVENT


@given(st.binary(), st.lists(st.text(), max_size=2), st.lists(st.text(), max_size=2))
@example(b"\xff", ["t=1,v1=é"], [""])
def test_whatever_arrives_gets_a_verdict(
    payload: bytes, headers: list[str], secrets: list[str]
) -> None:
    assert isinstance(verdict_on(payload, *headers, secrets=secrets), Refusal)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
events = st.fixed_dictionaries({}, optional={"id": json_values, "type": json_values})


@given(st.text() | (json_values | events).map(json.dumps))
def test_whatever_is_signed_gets_a_verdict(text: str) -> None:
    payload = text.encode(errors="replace")
    verdict = signed(payload)
    if isinstance(verdict, VerifiedEvent):
        assert json.loads(payload)["id"] == verdict.id
    else:
        assert verdict in {Refusal.BODY_NOT_JSON, Refusal.BODY_NOT_AN_EVENT}


near_headers = st.lists(
    st.sampled_from(["t=", str(NOW), ",", "v1=", "v0=", "=", " ", "a" * 64, "0", "é"])
    | st.just(sign(EVENT))
    | st.just(sign(EVENT).partition(",")[2]),
    max_size=6,
).map("".join)


@given(near_headers)
@example(sign(EVENT))
def test_nothing_is_verified_that_the_sdk_would_refuse(header: str) -> None:
    verdict = verdict_on(EVENT, header)
    try:
        accepted = WebhookSignature.verify_header(EVENT, header, SECRET)
    except (SignatureVerificationError, TypeError):  # TypeError: its trap with non-ASCII signatures
        accepted = False
    assert accepted or isinstance(verdict, Refusal)


def test_what_the_sdk_accepts_now_is_accepted() -> None:
    now = int(time.time())
    header = sign(EVENT, at=now)
    assert WebhookSignature.verify_header(EVENT, header, SECRET, TOLERANCE_S)
    assert isinstance(verdict_on(EVENT, header, now=time.time()), VerifiedEvent)
