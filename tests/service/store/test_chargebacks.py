"""What SQL says of a chargeback, where it has to find one, is what its record says."""

from itertools import product

import asyncpg

from service.domain.records.chargeback import Chargeback
from service.domain.states.chargeback import ChargebackState
from service.store.chargebacks import UNSETTLED, WAITS_FOR_EVIDENCE
from tests.records import NOW, new_chargeback, new_escrow, new_payee, new_payer, new_payment

INDEX = """
SELECT pg_get_expr(indpred, indrelid) FROM pg_index
WHERE indexrelid = 'chargebacks_unsettled'::regclass"""
SAY = """
SELECT {waits}, {unsettled}, {indexed}
FROM (
    SELECT u.*, 0 AS reinstated_minor, 5 AS settled_minor, 1 AS fee_minor
    FROM unnest(
        $1::text[], $2::timestamptz[], $3::integer[], $4::timestamptz[], $5::bigint[], $6::bigint[]
    ) WITH ORDINALITY AS u (
        state, due_by, submissions, settled_at, withdrawn_minor, passed_on_minor, number
    )
) AS c
ORDER BY c.number"""
FIELDS = ("state", "due_by", "submissions", "settled_at", "withdrawn_minor", "passed_on_minor")


def every_kind() -> list[Chargeback]:
    """Of all values that the conditions ask for."""
    times = (None, NOW)
    made = product(ChargebackState, times, (0, 1), times, (4, 5), (1, 2))
    payment = new_payment(new_escrow(new_payer(), new_payee()))
    return [
        new_chargeback(
            payment,
            state=state,
            due_by=due_by,
            submissions=submissions,
            settled_at=settled_at,
            withdrawn_minor=withdrawn_minor,
            settled_minor=5,
            fee_minor=1,
            passed_on_minor=passed_on_minor,
        )
        for state, due_by, submissions, settled_at, withdrawn_minor, passed_on_minor in made
    ]


async def test_sql_finds_what_waits_and_what_is_unsettled_as_their_records_say(
    owner: asyncpg.Connection,
) -> None:
    waits, unsettled = (each.format(row="c") for each in (WAITS_FOR_EVIDENCE, UNSETTLED))
    say = SAY.format(waits=waits, unsettled=unsettled, indexed=await owner.fetchval(INDEX))
    known = every_kind()
    columns = ([getattr(each, name) for each in known] for name in FIELDS)

    said = [tuple(row.values()) for row in await owner.fetch(say, *columns)]

    assert said == [
        (each.waits_for_evidence, each.is_unsettled, each.is_unsettled) for each in known
    ]
    assert {each[0] for each in said} == {each[1] for each in said} == {True, False}
