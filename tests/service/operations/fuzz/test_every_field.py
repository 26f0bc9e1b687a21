"""What a request brings is read back as it was brought: every field of every request, at random.

`make fuzz` does this for a million values; ESCROW_FUZZ_SEED repeats a run. Nothing here names a
field but where it is read under another name, or cannot be read: a new field, or a new method, is
tried by itself, and fails the test until it can be read back or is said not to be.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count
from random import Random, SystemRandom
from time import monotonic
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from service.operations.operators.verify_books import verify_books
from tests.postgres import Server, migrated_database
from tests.service.operations.asked import Asked
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask, client_for
from tests.service.operations.fuzz.readings import read_back
from tests.service.operations.fuzz.settle import SETTLE
from tests.service.operations.fuzz.values import Leaf, fill, is_map, leaves, rules_of, scalar
from tests.service.operations.marketplace import Marketplace, open_marketplace
from tests.service.operations.operators.catalogue import REQUESTS as OF_OPERATORS
from tests.service.operations.policies.catalogue import REQUESTS as OF_POLICIES
from tests.service.operations.refunds.catalogue import REPAIRS
from tests.service.operations.refusals import check_refusal, read_refusal

VALUES = int(os.environ.get("ESCROW_FUZZ_VALUES", "4000"))
BUDGET_S = 0.3  # of one method on one database, where what happened is read again and again
MOST_ROUNDS = 3  # for what is seldom filled; as many as it takes for the values
# CI draws the same in every run, so that a landing is judged by its own change.
DRAWN = "15" if os.environ.get("CI") else str(SystemRandom().randrange(10**9))
SEED = os.environ.get("ESCROW_FUZZ_SEED") or DRAWN

# Where a value is read under another name than it was brought, by all methods or by one.
_PRICE = ("changes", "after", "amount", "amount_minor")
READ_AS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("reason",): ("note",),
    ("amounts_minor",): ("milestones", "amount", "amount_minor"),
    ("milestones", "amount_minor"): ("milestones", "amount", "amount_minor"),
    ("milestones", "payees", "amount_minor"): ("milestones", "payees", "amount", "amount_minor"),
    ("amount_minor",): ("milestones", "released", "amount_minor"),
    ("sources", "amount_minor"): ("parts", "price", "amount_minor"),
    ("PlanRefund", "amount_minor"): ("parts", "price", "amount_minor"),
    ("RefundMilestone", "amount_minor"): ("parts", "price", "amount_minor"),
    ("ProposeAmendment", "reason"): ("proposal", "reason"),
    ("ProposeAmendment", "milestones", "amount_minor"): _PRICE,
    ("ProposeAmendment", "milestones", "due_time"): ("changes", "after", "due_time"),
    ("added", "title"): ("changes", "title"),
    ("added", "amount_minor"): _PRICE,
    ("added", "due_time"): ("changes", "after", "due_time"),
    ("added", "payees", "basis_points"): ("changes", "after", "payees", "basis_points"),
    ("added", "payees", "amount_minor"): (
        *("changes", "after", "payees"),
        *("amount", "amount_minor"),
    ),
    ("PlaceFreeze", "amount_minor"): ("freezes", "amount", "amount_minor"),
    ("SettleChargeback", "reason"): ("reason",),
    ("OpenDispute", "amount_minor"): ("dispute", "amount", "amount_minor"),
    ("OpenDispute", "to_payer_minor"): ("dispute", "claim", "amount_minor"),
    ("OpenDispute", "dispute_reason"): ("dispute", "reason"),
    ("RespondToDispute", "statement"): ("dispute", "answer"),
    ("ProposeDisputeSplit", "to_payer_minor"): ("offer", "to_payer", "amount_minor"),
    ("AcceptDisputeSplit", "offer_number"): ("offer", "number"),
    ("ResolveDispute", "to_payer_minor"): ("outcome", "to_payer", "amount_minor"),
    ("ResolveDispute", "reason"): ("outcome", "reason"),
    ("SettleChargeback", "platform_minor"): ("borne_by_platform", "amount_minor"),
    ("SettleChargeback", "sources", "milestone_id"): ("parts", "milestone_id"),
    ("PlaceFreeze", "freeze_reason"): ("freezes", "reason"),
}
IN_TIMELINE = "is in the timeline of the payment's escrow"
AUDITED = "is in the audit record only, which no method shows"
BEHIND_WHAT_WAS_SENT = "is in the timeline behind what was sent: test_parties.py"
NOT_READ: Mapping[str, str] = {
    "request_id": "names the request, and is the cause in a timeline: test_idempotency.py",
    "UpdatePayee.country": "is refused for an account that is there: test_update_payee.py",
    "FundEscrow.reason": IN_TIMELINE,
    "RedirectShare.reason": "is in the timeline behind from whom to whom: test_redirect_share.py",
    "AcceptAmendment.reason": "is in the timeline behind what it changed: test_amendment.py",
    "CapturePayment.reason": IN_TIMELINE,
    "CancelPayment.reason": IN_TIMELINE,
    "CreatePayer.reason": AUDITED,
    "UpdatePayer.reason": AUDITED,
    "CreatePayee.reason": AUDITED,
    "UpdatePayee.reason": AUDITED,
    "ReplacePayeeAccount.reason": AUDITED,
    "CreateOnboardingLink.reason": AUDITED,
    "RequestPayout.reason": AUDITED,
    "Approve.reason": "is in the approval: test_approve.py",
    "Reject.reason": "is in the approval: test_approve.py",
    "etag": "is compared",
    "plan_hash": "is compared",
    "evidence_hash": "is compared",
    "client_ip": "is evidence only: test_evidence.py",
    "user_agent": "is evidence only: test_evidence.py",
    "UploadChargebackEvidenceFile.reason": BEHIND_WHAT_WAS_SENT,
    "UploadChargebackEvidenceFile.content": "goes to Stripe only: test_evidence_files.py",
    "StageChargebackEvidence.reason": BEHIND_WHAT_WAS_SENT,
    "SubmitChargebackEvidence.reason": BEHIND_WHAT_WAS_SENT,
    "StageChargebackEvidence.evidence": "is in what is listed and submitted: test_evidence.py",
    "validate_only": "writes nothing",
    "SettleChargeback.dispute_fee": "is in what payees owe: test_dispute_fees.py",
    "AddDisputeEvidence.reason": "is in the timeline behind what was given: test_parties.py",
    "AddDisputeEvidence.content": "is read alone, with its hash: disputes/test_evidence.py",
    "RespondToDispute.answer": "is the state that follows: test_disputes.py",
    "SettleChargeback.before_outcome": "allows an early settlement: test_settlements.py",
    "SettleChargeback.anew": "allows a second settlement: test_settlements.py",
    "page_token": "is issued by the service",
    "after": "is issued by the service",
    "after_version": "is a place to begin at",
    "from_beginning": "is a place to begin at",
    "types": "choose",
    "page_size": "is no value of anything",
    "filter": "finds, and is tried on every escrow that is written (readings.py)",
    "GetPayer.reference": "finds, and is tried on every payer that is made (readings.py)",
    "GetPayee.reference": "finds, and is tried on every payee that is made (readings.py)",
    "FundEscrow.return_url": "goes to Stripe only",
    "FundEscrow.cancel_url": "goes to Stripe only",
    "CreateOnboardingLink.return_url": "goes to Stripe only",
    "CreateOnboardingLink.refresh_url": "goes to Stripe only",
    "CreateOnboardingLink.payee_id": "an answer that is an address only",
}
"""By the method and the field, or by the field in all methods: why its value is not read back."""


Place = tuple[tuple[str, ...], tuple[int, ...], Any]
"""The names of a path, its places in lists, and the value there."""


def place_of(leaf: Leaf) -> Place:
    path, value = leaf
    names = tuple(part for part in path if isinstance(part, str))
    return names, tuple(part for part in path if isinstance(part, int)), value


def readable(readings: list[Message]) -> set[Place]:
    """Every value that is shown, by the ends of its path: an answer has it below a field more."""
    found: set[Place] = set()
    for reading in readings:
        for leaf in leaves(reading):
            names, places, value = place_of(leaf)
            found |= {
                (names[first:], places[start:], value)
                for first in range(len(names))
                for start in range(len(places) + 1)
            }
    return found


def field_at(message: Descriptor, names: tuple[str, ...]) -> FieldDescriptor:
    """The field at the end of a path; that of a map stands for its entries."""
    field = message.fields_by_name[names[0]]
    of_type = field.message_type
    if len(names) == 1 or of_type is None or of_type.GetOptions().map_entry:
        return field
    return field_at(of_type, names[1:])


def is_brought(name: str, field: FieldDescriptor) -> bool:
    """Whether the field brings a value, and does not name what is there."""
    if f"{name}.{field.name}" in NOT_READ or field.name in NOT_READ:
        return False
    return not (field.type == FieldDescriptor.TYPE_STRING and rules_of(field).id_prefix)


def brought_by(name: str, message: Descriptor) -> set[str]:
    """The names of all the fields by which a method brings values."""
    found: set[str] = set()
    for field in message.fields:
        of_type = field.message_type
        if of_type is None or of_type.file.package == "google.protobuf" or is_map(field):
            found |= {field.full_name} if is_brought(name, field) else set()
        else:
            found |= brought_by(name, of_type)
    return found


# What operators repair is made on an empty market only, so it cannot be asked again and again; what
# they bring is a reason, which test_bad_input.py and their own tests try. A policy makes sense as a
# whole or is refused: test_policy_documents.py draws those that do.
BROUGHT = {
    name: brought_by(name, METHODS[name].input_type)
    for name in sorted({*METHODS} - {*OF_OPERATORS} - {*OF_POLICIES} - REPAIRS)
}


class Fuzz:
    """One run: how many values were read back, by their fields, and how many were refused."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.values: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()

    @property
    def missing(self) -> set[tuple[str, str]]:
        """The methods and fields of which no value was read back yet."""
        return {(name, field) for name in BROUGHT for field in BROUGHT[name]} - {*self.values}

    async def try_method(self, market: Marketplace, name: str) -> None:
        """As often as fits into BUDGET_S, and once at least; each fifth time with any nonsense."""
        ends_s = monotonic() + BUDGET_S
        for time in count(1):
            asked = await EVERY_REQUEST[name](market)
            fill(self.random, asked.request)
            if name in SETTLE:
                SETTLE[name](self.random, asked.request)
            wild = self._spoil(name, asked.request) if time % 5 == 0 else ""
            await self._ask(market, name, asked, wild)
            if monotonic() > ends_s:
                return

    async def _ask(self, market: Marketplace, name: str, asked: Asked, wild: str) -> None:
        request = asked.request
        try:
            answer = await ask(client_for(market, asked, deadline_s=60), name, request)
        except grpc.aio.AioRpcError as error:
            refusal = read_refusal(error)
            assert wild, (refusal, request)
            # A reference of one letter, or an address that Stripe alone does not take.
            if refusal.reason not in ("ALREADY_EXISTS", "STRIPE_REFUSED"):
                check_refusal(refusal, "INVALID_FIELD")
                assert any(field.startswith(wild) for field in refusal.fields), refusal
            elif refusal.reason == "STRIPE_REFUSED":
                assert (wild, refusal.metadata["code"]) == ("email", "email_invalid"), refusal
            self.refused[name] += 1
            return
        found = readable([reading async for reading in read_back(market, request, answer)])
        for leaf in leaves(request):
            names, places, value = place_of(leaf)
            field = field_at(request.DESCRIPTOR, names)
            if is_brought(name, field):
                read_as = READ_AS.get((name, *names)) or READ_AS.get(names, names)
                assert (read_as, places, value) in found, (name, leaf)
                self.values[name, field.full_name] += 1

    def _spoil(self, name: str, request: Any) -> str:  # noqa: ANN401  any request
        """Gives one field a value that may be refused; its name."""
        values: list[tuple[str, Any]] = [
            (field.name, scalar(self.random, field, wild=True))
            for field in request.DESCRIPTOR.fields
            if field.message_type is None
            and not field.is_repeated
            and field.type != FieldDescriptor.TYPE_BYTES
            and is_brought(name, field)
        ]
        values = [(field, value) for field, value in values if value is not None]
        if not values:
            return ""
        field, value = self.random.choice(values)
        setattr(request, field, value)
        return field


@pytest.fixture
def quiet() -> Iterator[None]:
    """The service logs its errors only: a million values would bury the progress in its lines."""
    with_all = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**with_all)


@pytest.mark.timeout(6 * 3_600)
@pytest.mark.usefixtures("quiet")
async def test_every_value_is_read_back_as_it_was_brought(
    postgres_server: Server, template_database: str, sandbox_url: str
) -> None:
    print(f"ESCROW_FUZZ_SEED={SEED}")  # noqa: T201  shown with a failure
    fuzz, began_s = Fuzz(Random(SEED)), monotonic()
    for rounds in count(1):
        async with (
            migrated_database(postgres_server, template_database) as database,
            open_marketplace(database, sandbox_url) as market,
        ):
            for name, fields in BROUGHT.items():
                if fields:
                    await fuzz.try_method(market, name)
            report = await verify_books(market.running.runtime.pool)
            assert report.clean, report
        read = sum(fuzz.values.values())
        left_s = max(VALUES - read, 0) * (monotonic() - began_s) / max(read, 1)
        print(  # noqa: T201  progress
            f"{read:,} of {VALUES:,} values read back, {fuzz.refused.total():,} requests refused,"
            f" about {left_s / 60:.0f} min left",
            flush=True,
        )
        if read >= VALUES and (rounds >= MOST_ROUNDS or not fuzz.missing):
            break
    assert fuzz.missing == set()
