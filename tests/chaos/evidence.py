"""What the parties gave as evidence is there for both, byte for byte, and nothing else is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from escrow.v1 import dispute_service_pb2 as pb
from tests.chaos.caller import Breach, Caller, Intention
from tests.world import World

EVIDENCE = """
SELECT 'dse_' || replace(evidence_id::text, '-', '') FROM dispute_evidence"""


async def check_evidence(world: World, caller: Caller) -> list[Breach]:
    """Every breach there is."""
    given = [i for i in caller.intentions if i.method == "AddDisputeEvidence" and i.answer]
    told = {each.answer.evidence.id for each in given}
    there = {row[0] for row in await world.pool.fetch(EVIDENCE)}
    breaches = [Breach("evidence of nobody, or lost", {"id": id_}) for id_ in told ^ there]
    for each in given:
        evidence = each.answer.evidence
        request = pb.GetDisputeEvidenceRequest(
            dispute_id=each.request.dispute_id, evidence_id=evidence.id
        )
        for party in ("payer", "payee"):
            read = await caller.read("GetDisputeEvidence", request, party)
            facts = {"given": each.request, "told": evidence, "read": read, "by": party}
            breaches += [Breach(what, facts) for what in _wrong(each, read)]
    return breaches


def _wrong(given: Intention, read: pb.GetDisputeEvidenceResponse | None) -> Iterator[str]:
    request, told = given.request, given.answer.evidence
    if read is None:
        yield "evidence is not read"
        return
    if read.evidence != told or read.content != request.content:
        yield "evidence is read otherwise"
    digest = hashlib.sha256(request.content).hexdigest() if request.content else ""
    shown = (told.party, told.note, told.file_name, told.size_bytes, told.sha256)
    if shown != (given.party, request.note, request.file_name, len(request.content), digest):
        yield "evidence is not what was given"
