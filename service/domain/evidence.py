"""Evidence against a chargeback: the fields that Stripe takes, and how much of each."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from service.domain.records.chargeback import Chargeback
from service.domain.states.chargeback import ChargebackState

MOST_OF_LONG, MOST_OF_SHORT, MOST_TOGETHER = 20_000, 5_000, 150_000
"""Characters: of a field, and of all of them."""
TEXTS: Mapping[str, int] = {
    "access_activity_log": MOST_OF_LONG,
    "billing_address": MOST_OF_SHORT,
    "cancellation_policy_disclosure": MOST_OF_LONG,
    "cancellation_rebuttal": MOST_OF_LONG,
    "customer_email_address": MOST_OF_SHORT,
    "customer_name": MOST_OF_SHORT,
    "customer_purchase_ip": MOST_OF_SHORT,
    "duplicate_charge_explanation": MOST_OF_LONG,
    "duplicate_charge_id": MOST_OF_SHORT,
    "product_description": MOST_OF_LONG,
    "refund_policy_disclosure": MOST_OF_LONG,
    "refund_refusal_explanation": MOST_OF_LONG,
    "service_date": MOST_OF_SHORT,
    "shipping_address": MOST_OF_SHORT,
    "shipping_carrier": MOST_OF_SHORT,
    "shipping_date": MOST_OF_SHORT,
    "shipping_tracking_number": MOST_OF_SHORT,
    "uncategorized_text": MOST_OF_LONG,
}
"""Stripe's fields that hold text, and how many characters each takes."""

FILES = (
    *("cancellation_policy", "customer_communication", "customer_signature"),
    *("duplicate_charge_documentation", "receipt", "refund_policy", "service_documentation"),
    *("shipping_documentation", "uncategorized_file"),
)
"""Stripe's fields that hold a file, by its id at Stripe."""


class FileType(NamedTuple):
    """A type of file that Stripe takes as evidence, and how each begins."""

    content_type: str
    suffix: str
    begins: bytes


FILE_TYPES = (
    FileType("application/pdf", "pdf", b"%PDF-"),
    FileType("image/jpeg", "jpg", b"\xff\xd8\xff"),
    FileType("image/png", "png", b"\x89PNG\r\n\x1a\n"),
)
LARGEST_FILE_BYTES = 1_000_000
"""What one request of ours carries. Stripe takes 5 MB, which the dashboard uploads."""

LEFT_OUT = "[{} entries are left out here]"


def file_type_of(content: bytes) -> FileType | None:
    """By what it begins with, whatever it is called."""
    return next((each for each in FILE_TYPES if content.startswith(each.begins)), None)


def characters_of(fields: Mapping[str, str]) -> int:
    """Of all texts together; a file is not counted."""
    return sum(len(text) for name, text in fields.items() if name in TEXTS)


def stage_of(known: Chargeback) -> str:
    """What of a dispute is answered: each takes evidence once."""
    appeals = known.is_appeal and known.state is ChargebackState.NEEDS_RESPONSE
    return f"{known.fact}, appeal" if appeals else known.fact


def hash_of(known: Chargeback, fields: Mapping[str, str]) -> str:
    """Names what is sent: 32 hexadecimal digits, the same for the same texts."""
    said = [known.public_id, stage_of(known), sorted(fields.items())]
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def shortened(lines: Sequence[str], most: int) -> str:
    """The lines as one text of at most so many characters. What is too much is left out in the
    middle: how it began and how it ended says the most.
    """
    whole = "\n".join(lines)
    if len(whole) <= most:
        return whole
    room, rest = most - len(LEFT_OUT) - len(str(len(lines))), deque(lines)
    first, last = list[str](), deque[str]()
    while rest:
        from_front = len(first) <= len(last)
        room -= len(rest[0 if from_front else -1]) + 1
        if room < 0:
            break
        if from_front:
            first.append(rest.popleft())
        else:
            last.appendleft(rest.pop())
    return "\n".join([*first, LEFT_OUT.format(len(rest)), *last])
