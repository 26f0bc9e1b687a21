"""The catalogue of events says of each what happened; none is named twice or left out."""

from service.cli.docs_events import TOLD, events, fields_of, said_of
from service.domain import ids
from service.domain.event_types import OF_WORKERS
from service.domain.states.dispute import DISPUTE
from service.domain.states.machines import MACHINES
from service.operations.deadlines.act_on_deadline import OPERATION_OF
from service.operations.feed.types import EVENT_TYPES, OF_METHODS
from service.rpc.services import SERVICES


def test_every_change_that_a_caller_may_ask_for_is_a_type_of_event() -> None:
    mutations = {
        method.name
        for service in SERVICES
        for method in service.methods
        if "request_id" in method.input_type.fields_by_name
    }

    assert {method.name for method in OF_METHODS.values()} == mutations
    assert OF_METHODS.keys() | OF_WORKERS.keys() == EVENT_TYPES
    assert not OF_METHODS.keys() & OF_WORKERS.keys()
    assert set(OPERATION_OF.values()) <= OF_WORKERS.keys()


def test_each_says_what_happened() -> None:
    document = events()

    for type_ in EVENT_TYPES:
        assert f"| `{type_}` |" in document
    for method in OF_METHODS.values():
        assert len(said_of(method)) > 10, method.name


def test_each_says_by_whom_about_what_with_which_fields_and_what_moves() -> None:
    document = events()

    assert "| AcceptDisputeSplit | payee, payer | escrow, dispute, refund |" in document
    for message in TOLD:
        for field in message.fields:
            says = fields_of(message.file.name)[message.name, field.name]
            assert f"| `{field.name}` | {says} |" in document
    assert document.count("_...`\n\n| from | to | by |") == len(MACHINES)
    moves = document.partition(f"### Dispute: `{ids.DISPUTE}_...`")[2].partition("###")[0]
    for (before, _), edge in DISPUTE.edges.items():
        assert before is edge.to or f"| {before} | {edge.to} | " in moves
    assert "| OPEN | NEGOTIATION | payee, payer |" in moves
    assert moves.count("|  | ") == moves.count("|  | OPEN |  |") == 1
    assert document.count("| `settle_effect` |") == 2  # who asks for it, and each answer of Stripe
    assert "| `settle_effect` | SettleEffect | operator, stripe |" in document
