"""A client that never gives up on what it wants, and holds the service to every answer.

An intention is one mutation with its request id. Sent again, it is answered the same; refused after
it was answered, or answered otherwise, is a breach; so is an INTERNAL, which is always a bug.
"""

import asyncio
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import grpc
from google.protobuf.message import Message

from escrow.client import EscrowClient, details_of, new_request_id, reason_of

Party = Literal["payer", "payee", "operator", "approver"]
"""An approver is another operator than the one who asks."""

CALL_TIMEOUT_S = 10.0
PAUSE_S = 0.3
# The answers of these are stored; what the others answer is read from Stripe each time.
STORED = frozenset(
    {
        "CreateEscrow",
        "SubmitDelivery",
        "RequestChanges",
        "AcceptDelivery",
        "ReleaseMilestone",
        "CancelEscrow",
        *("RequestCancellation", "ApproveCancellation", "DeclineCancellation"),
        *("RequestExtension", "ExtendDeadline", "DeclineExtension"),
        *("ProposeAmendment", "AcceptAmendment", "DeclineAmendment"),
        "RequestPayout",
        "PlaceFreeze",
        "RedirectShare",
        "LiftFreeze",
        "RefundMilestone",
        "RefundSuspense",
        "AdoptRefund",
        "AdoptReversal",
        "ResolveRefund",
        "WriteOffReceivable",
        "SettleChargeback",
        *("Approve", "Reject"),
        *("OpenDispute", "RespondToDispute", "ProposeDisputeSplit", "AcceptDisputeSplit"),
        *("RequestMediation", "ResolveDispute", "WithdrawDispute", "AddDisputeEvidence"),
    }
)
OF_PARTIES = frozenset({"CreatePayer", "CreatePayee", "GetPayee", "RequestPayout", "GetPayout"})
OF_REFUNDS = frozenset(
    {
        "PlanRefund",
        "RefundMilestone",
        "RefundSuspense",
        "AdoptRefund",
        "AdoptReversal",
        "ResolveRefund",
        "WriteOffReceivable",
        "ListRefunds",
        "GetRefund",
        "ListReceivables",
    }
)
OF_AGREEMENTS = frozenset(
    {
        *("RequestCancellation", "ApproveCancellation", "DeclineCancellation"),
        *("RequestExtension", "ExtendDeadline", "DeclineExtension"),
        *("ProposeAmendment", "AcceptAmendment", "DeclineAmendment"),
    }
)
OF_APPROVALS = frozenset({"ListApprovals", "GetApproval", "Approve", "Reject"})
OF_CHARGEBACKS = frozenset(
    {
        *("ListChargebacks", "SettleChargeback", "StageChargebackEvidence"),
        *("PreviewChargebackEvidence", "SubmitChargebackEvidence"),
    }
)
OF_DISPUTES = frozenset(
    {
        *("OpenDispute", "RespondToDispute", "ProposeDisputeSplit", "AcceptDisputeSplit"),
        *("RequestMediation", "ResolveDispute", "WithdrawDispute", "ListDisputes"),
        *("AddDisputeEvidence", "GetDisputeEvidence", "ListDisputeEvidence"),
    }
)
OF_OPERATORS = frozenset({"ListSuspense"})
# Nobody knows whether it was done: the same request is sent again.
INDETERMINATE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    }
)
# A request that names one of these is answered about it, whoever else is answered with it.
NAMED = {
    f"{thing}_id": thing
    for thing in (
        "escrow",
        "payment",
        "payee",
        "payout",
        "refund",
        "receivable",
        "chargeback",
        "proposal",
        "dispute",
        "evidence",
        "approval",
    )
}
NEEDED = "APPROVAL_NEEDED"  # it waits for a second person, and may be asked for again
BUSY = "BUSY"  # others were faster every time; like UNAVAILABLE, it says nothing about the request
# Stripe's refusal to make a party is asked again under the same request id.
ASKED_AGAIN = frozenset({"CreatePayer", "CreatePayee"})


@dataclass(frozen=True)
class Breach:
    """Something that must hold and does not, with the facts that show it."""

    what: str
    facts: dict[str, Any]


@dataclass(eq=False)
class Intention:
    """One mutation that a client wants done once."""

    method: str
    party: Party | None
    request: Any
    answer: Any = None
    refusal: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the refusal tells of its reasons."""
    approval_id: str = ""
    """For which approval it waits, or has waited."""

    @property
    def is_open(self) -> bool:
        """Nobody has told the client yet whether it is done."""
        return self.answer is None and not self.refusal


@dataclass
class Caller:
    """Sends intentions and remembers all of them, with every breach that an answer shows."""

    client: EscrowClient
    approver: EscrowClient
    intentions: list[Intention] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    calls: int = 0

    async def want(
        self, method: str, party: Party | None, request: Message, *, copies: int = 1
    ) -> Intention:
        """Sends a new mutation, maybe as several twins at once."""
        request.request_id = new_request_id()  # type: ignore[attr-defined]  # every mutation has one
        intention = Intention(method, party, request)
        self.intentions.append(intention)
        await asyncio.gather(*(self.send(intention) for _ in range(copies)))
        return intention

    async def send(self, intention: Intention) -> None:
        """Sends it, once more if it was sent before, and compares the answers."""
        try:
            answer = await self._call(intention.method, intention.party, intention.request)
        except grpc.aio.AioRpcError as error:
            self._refused(intention, error)
            return
        first, intention.answer, intention.refusal = intention.answer, answer, ""
        if intention.method in STORED and first is not None and first != answer:
            self._breach("a replay is answered otherwise", intention, first=first, then=answer)

    async def read(self, method: str, request: Message, party: Party | None = None) -> Any:  # noqa: ANN401 - the method's own
        """The answer of a method that changes nothing, or None."""
        try:
            return await self._call(method, party, request)
        except grpc.aio.AioRpcError as error:
            self._note_bug(method, error)
            return None

    async def send_otherwise(self, intention: Intention, changed: Message) -> None:
        """Sends another request under an id that was answered: that must be refused."""
        try:
            answer = await self._call(intention.method, intention.party, changed)
        except grpc.aio.AioRpcError as error:
            self._note_bug(intention.method, error)
            if not _is_indeterminate(error) and reason_of(error) != "REQUEST_ID_REUSED":
                self._breach("a reused id is refused otherwise", intention, reason=reason_of(error))
        else:
            self._breach("a reused id is answered", intention, changed=changed, answer=answer)

    async def insist(self, intention: Intention, deadline_s: float) -> None:
        """Sends an open intention until it has an answer; one that stays open is a breach."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        while intention.is_open or (intention.refusal and intention.method in ASKED_AGAIN):
            if loop.time() > deadline:
                self._breach("no answer", intention, after_s=deadline_s)
                return
            await self.send(intention)
            if intention.is_open:
                await asyncio.sleep(PAUSE_S)

    async def _call(self, method: str, party: Party | None, request: Message) -> Any:  # noqa: ANN401 - as above
        self.calls += 1
        if party == "approver":
            client = self.approver.acting("operator")
        else:
            client = self.client.acting(party) if party else self.client
        answer = await getattr(_stub(client, method), method)(request, timeout=CALL_TIMEOUT_S)
        for name, thing in NAMED.items():
            if name in _fields(request) and thing in _fields(answer):
                asked, told = getattr(request, name), getattr(answer, thing).id
                if asked != told:
                    facts = {"method": method, "asked": asked, "told": told}
                    self.breaches.append(Breach("an answer about another", facts))
        return answer

    def _refused(self, intention: Intention, error: grpc.aio.AioRpcError) -> None:
        self._note_bug(intention.method, error)
        if _is_indeterminate(error):
            return
        if intention.answer is None:
            intention.refusal = reason_of(error) or error.code().name
            intention.facts = details_of(error).metadata
            if intention.refusal == NEEDED:
                intention.approval_id = intention.facts["approval_id"]
        elif intention.method in STORED:
            self._breach("an answered request is refused", intention, reason=reason_of(error))

    def _note_bug(self, method: str, error: grpc.aio.AioRpcError) -> None:
        if reason_of(error) == "INTERNAL":
            self.breaches.append(Breach("INTERNAL", {"method": method, "error": error.details()}))

    def _breach(self, what: str, intention: Intention, **facts: object) -> None:
        about = {"method": intention.method, "request": intention.request, **facts}
        self.breaches.append(Breach(what, {name: str(value) for name, value in about.items()}))


def _stub(client: EscrowClient, method: str) -> object:
    by_methods = (
        (OF_PARTIES, client.parties),
        (OF_REFUNDS, client.refunds),
        (OF_AGREEMENTS, client.agreements),
        (OF_CHARGEBACKS, client.chargebacks),
        (OF_DISPUTES, client.disputes),
        (OF_APPROVALS, client.approvals),
        (OF_OPERATORS, client.operators),
    )
    return next((stub for methods, stub in by_methods if method in methods), client.escrows)


def _fields(message: Message) -> Collection[str]:
    return message.DESCRIPTOR.fields_by_name.keys()


def _is_indeterminate(error: grpc.aio.AioRpcError) -> bool:
    return error.code() in INDETERMINATE or reason_of(error) == BUSY


def some_answered(caller: Caller, rng: random.Random) -> Intention | None:
    """An intention whose answer is stored, to be sent again."""
    answered = [i for i in caller.intentions if i.answer is not None and i.method in STORED]
    return rng.choice(answered) if answered else None
