"""Every machine is held against a table."""

from service.domain.states.machines import MACHINES
from tests.service.domain.states import (
    test_approval,
    test_chargeback,
    test_dispute,
    test_effect,
    test_escrow,
    test_freeze,
    test_milestone,
    test_payee,
    test_payment,
    test_payout,
    test_proposal,
    test_receivable,
    test_refund,
    test_release,
)

TABLES = [
    test_milestone.EXPECTED,
    test_effect.EXPECTED,
    test_release.EXPECTED,
    test_refund.EXPECTED,
    test_receivable.EXPECTED,
    test_payment.EXPECTED,
    test_payout.EXPECTED,
    test_payee.EXPECTED,
    test_escrow.EXPECTED,
    test_freeze.EXPECTED,
    test_chargeback.EXPECTED,
    test_dispute.EXPECTED,
    test_proposal.EXPECTED,
    test_approval.EXPECTED,
]


def test_every_machine_is_held_to_account() -> None:
    assert {id(machine) for machine in MACHINES} == {id(table.machine) for table in TABLES}
