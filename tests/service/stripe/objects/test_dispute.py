"""Which of two reads of a dispute is newer is told by what they say."""

from itertools import permutations
from typing import Any

import pytest

from service.domain.states.chargeback import ChargebackState
from service.stripe.objects.dispute import parse_dispute, state_of
from tests.records import new_chargeback, new_escrow, new_payee, new_payer, new_payment

Json = dict[str, Any]
TAKEN, GIVEN = (-10_000, 1_500), (10_000, 0)


def shown(status: str, *moved: tuple[int, int], due: int = 0, submissions: int = 0) -> Json:
    """A dispute of 100.00; ``moved`` are the amounts and fees of its balance transactions."""
    return {
        "object": "dispute",
        "id": "du_1",
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "status": status,
        "amount": 10_000,
        "currency": "usd",
        "reason": "fraudulent",
        "created": 1,
        "evidence_details": {"due_by": due, "submission_count": submissions},
        "balance_transactions": [
            {
                "object": "balance_transaction",
                "id": f"txn_{place}",
                "type": "adjustment",
                "amount": amount,
                "fee": fee,
                "net": amount - fee,
                "currency": "usd",
                "source": "du_1",
                "created": 1,
                "available_on": 1,
            }
            for place, (amount, fee) in enumerate(moved)
        ],
    }


HISTORIES = {
    "an inquiry that is closed": [
        shown("warning_needs_response", due=9),
        shown("warning_under_review", due=9, submissions=1),
        shown("warning_closed", due=9, submissions=1),
    ],
    "an inquiry that escalates, with its evidence asked for anew": [
        shown("warning_under_review", due=9, submissions=1),
        shown("needs_response", TAKEN, due=20),
        shown("under_review", TAKEN, due=20, submissions=1),
        shown("won", TAKEN, GIVEN, due=20, submissions=1),
    ],
    "lost by silence, appealed, lost again": [
        shown("needs_response", TAKEN, due=9),
        shown("lost", TAKEN, due=9),
        shown("appeal_needs_response", TAKEN, due=20),
        shown("appeal_under_review", TAKEN, due=20, submissions=1),
        shown("lost", TAKEN, due=20, submissions=1),
    ],
    "appealed against on the day of its loss": [
        shown("lost", TAKEN, due=9),
        shown("appeal_needs_response", TAKEN, due=9),
        shown("appeal_under_review", TAKEN, due=9, submissions=1),
    ],
    "lost at once, without a deadline, and won late": [
        shown("lost", TAKEN),
        shown("won", TAKEN),
        shown("won", TAKEN, GIVEN),
    ],
    "a win that is taken back": [
        shown("under_review", TAKEN, due=9, submissions=1),
        shown("won", TAKEN, GIVEN, due=9, submissions=1),
        shown("lost", TAKEN, GIVEN, TAKEN, due=9, submissions=1),
    ],
    "an answer without the deadline": [
        shown("needs_response", TAKEN, due=9),
        shown("lost", TAKEN),
    ],
}


@pytest.mark.parametrize("name", HISTORIES)
async def test_the_reads_of_a_dispute_end_alike_in_whatever_order_they_come(name: str) -> None:
    reads = [parse_dispute(each) for each in HISTORIES[name]]
    last = reads[-1]

    for order in permutations(reads):
        known = new_chargeback(
            new_payment(new_escrow(new_payer(), new_payee())),
            state=order[0].state,
            due_by=order[0].due_by,
            movements=order[0].movements,
            submissions=order[0].submissions,
            is_appeal=order[0].is_appeal,
        )
        for seen in order[1:]:
            if not seen.is_older_than(known):
                known.state, known.due_by = seen.state, seen.due_by or known.due_by
                known.movements, known.submissions = seen.movements, seen.submissions
                known.is_appeal |= seen.is_appeal
        told = known.state, known.movements, known.submissions
        assert told == (last.state, last.movements, last.submissions), order


def test_the_amounts_are_those_of_its_balance_transactions() -> None:
    seen = parse_dispute(shown("lost", TAKEN, GIVEN, TAKEN, (300, -1_500)))

    assert (seen.withdrawn_minor, seen.reinstated_minor, seen.fee_minor) == (20_000, 10_300, 1_500)
    assert (seen.movements, seen.settled_currency, seen.due_by) == (4, "USD", None)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("warning_needs_response", ChargebackState.INQUIRY),
        ("warning_of_next_year", ChargebackState.INQUIRY),
        ("prevented", ChargebackState.PREVENTED),
        ("appeal_needs_response", ChargebackState.NEEDS_RESPONSE),
        ("appeal_under_review", ChargebackState.UNDER_REVIEW),
        ("arbitration", ChargebackState.UNDER_REVIEW),
    ],
)
def test_a_status_that_nobody_knows_is_not_decided(status: str, state: ChargebackState) -> None:
    assert state_of(status) is state
