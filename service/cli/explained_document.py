"""What `escrow show` found, for a program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from service.cli.balances import as_document as balance_document
from service.cli.by_command import blocker_document
from service.cli.journals import as_document as journal_document
from service.cli.printing import document_of
from service.cli.trial_balance import as_document as turnover_document
from service.operations.operators.explain.escrow import ExplainedEscrow
from service.operations.operators.explain.named import Explained
from service.operations.operators.explain.party import ExplainedParty
from service.rpc.services import SERVICES
from service.store.operations import OperationRow

_METHODS = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower(): method.output_type
    for service in SERVICES
    for method in service.methods
}


def as_document(found: Explained) -> dict[str, Any]:
    """What there is of it: what was named, its escrow or its party."""
    shown: dict[str, Any] = {}
    for name in ("effect", "event", "payout"):
        if (message := getattr(found, name)) is not None:
            shown[name] = document_of(message)
    if found.effect is not None:
        shown["attempts"] = [*map(document_of, found.attempts)]
    if found.transaction is not None:
        shown["balance_transaction"] = as_contract(asdict(found.transaction))
    if found.journal is not None:
        shown["journal"] = journal_document(found.journal)
    if found.operation is not None:
        shown["operation"] = operation_document(found.operation)
        answer = answer_of(found.operation)
        shown["answer"] = document_of(answer) if answer is not None else None
    if found.escrow is not None:
        shown |= _escrow_document(found.escrow)
    if found.party is not None:
        shown |= _party_document(found.party)
    return shown


def answer_of(operation: OperationRow) -> Message | None:
    """What its caller was answered; None where it is not of the contract, as a worker's is not."""
    type_ = _METHODS.get(operation.kind)
    if type_ is None or operation.response is None:
        return None
    return GetMessageClass(type_).FromString(operation.response)


def as_contract(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Times are named as in the contract: ``create_time`` for created_at."""
    names = {"created_at": "create_time", "available_at": "available_time"}
    names |= {"recorded_at": "record_time", "occurred_at": "time"}
    return {names.get(name, name): value for name, value in facts.items()}


def operation_document(operation: OperationRow) -> dict[str, Any]:
    """Everything of its row but what was answered."""
    facts = as_contract(asdict(operation))
    del facts["response"]
    facts["transitions"] = [
        {"subject": subject, "from": before, "to": after}
        for subject, before, after in operation.transitions
    ]
    return facts


def _escrow_document(found: ExplainedEscrow) -> dict[str, Any]:
    whole = {name: getattr(found, name) for name in ("escrow", "payer", "payee")}
    lists = (
        *("payments", "refunds", "receivables", "effects", "events", "suspense"),
        *("approvals", "timeline"),
    )
    return {
        **{name: document_of(message) if message else None for name, message in whole.items()},
        "problem": found.problem,
        "releases": found.releases,
        "money": [asdict(sums) for sums in found.sums],
        "accounts": [*map(turnover_document, found.accounts)],
        "waits": [*map(blocker_document, found.waits)],
        **{name: [*map(document_of, getattr(found, name))] for name in lists},
    }


def _party_document(found: ExplainedParty) -> dict[str, Any]:
    party = "payer" if found.payer else "payee"
    return {
        party: document_of(getattr(found, party)) if getattr(found, party) else None,
        "balances": [*map(balance_document, found.balances)],
        "waits": [*map(blocker_document, found.waits)],
        **{
            name: [*map(document_of, getattr(found, name))]
            for name in ("effects", "escrows", "payouts", "receivables")
        },
        "unreadable": found.unreadable,
    }
