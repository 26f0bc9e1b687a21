"""Nothing is claimed that the records do not hold: to a bank, and for good."""

import random
from typing import Any

from service.domain.call import Party
from service.domain.evidence import TEXTS
from service.domain.policy_default import DEFAULT_POLICY
from service.domain.records.freeze import Freeze, FreezeReason
from service.domain.states.freeze import FreezeState
from service.domain.states.payment import PaymentState
from service.operations.chargebacks.evidence_texts import Known, texts_of
from service.operations.chargebacks.evidence_timeline import Timeline
from service.store.operations import TimelineRow
from service.store.tables import EscrowRecords
from tests.records import (
    NOW,
    TENANT,
    new_chargeback,
    new_escrow,
    new_id,
    new_milestone,
    new_payee,
    new_payer,
    new_payment,
    new_refund,
)


def row(operation: str, party: Party, *moved: str, note: str = "") -> TimelineRow:
    transitions = [(each, "", "") for each in moved]
    return TimelineRow(1, operation, party, "shop", "k", transitions, note, NOW, "")


def known(*rows: TimelineRow, whole: bool = True, **more: Any) -> Known:  # noqa: ANN401  records
    payer, payee = new_payer(name="Ann"), new_payee(name="Bob")
    escrow = new_escrow(payer, payee)
    payment = new_payment(escrow, state=PaymentState.SUCCEEDED, stripe_charge="ch_1")
    milestone = new_milestone(escrow, payment_id=payment.payment_id)
    records = EscrowRecords(
        escrow=escrow, payer=payer, payee=payee, payments=[payment], milestones=[milestone], **more
    )
    timeline = Timeline(rows, whole)
    return Known(new_chargeback(payment), records, DEFAULT_POLICY, timeline, {})


def test_that_nobody_canceled_is_said_only_where_all_is_known() -> None:
    nobody = "Nobody asked to cancel this agreement."
    assert texts_of(known())["cancellation_rebuttal"] == nobody
    assert "cancellation_rebuttal" not in texts_of(known(whole=False))
    for operation, says in (("cancel_escrow", "canceled"), ("request_cancellation", "asked")):
        text = texts_of(known(row(operation, Party.PAYER)))["cancellation_rebuttal"]
        assert text.startswith(f"The payer {says}")


def test_that_nothing_was_refunded_is_said_only_where_nothing_was_elsewhere() -> None:
    of = known()
    nothing = "Nothing of this payment was refunded."
    assert texts_of(of)["refund_refusal_explanation"] == nothing
    frozen = Freeze(
        tenant_id=TENANT,
        freeze_id=new_id(),
        escrow_id=of.payment.escrow_id,
        milestone_id=of.milestones[0].milestone_id,
        payment_id=of.payment.payment_id,
        state=FreezeState.LIFTED,
        reason=FreezeReason.REFUND,
        source="re_2",
        fact="refund",
        amount_minor=100,
        beyond_minor=0,
        created_at=NOW,
        updated_at=NOW,
    )
    of.records.freezes.append(frozen)
    assert "refund_refusal_explanation" not in texts_of(of)
    of.records.refunds.append(new_refund(of.payment, stripe_refund="re_1"))
    assert "105.00 USD (re_1)" in texts_of(of)["refund_refusal_explanation"]


def test_what_is_of_another_payment_is_not_said() -> None:
    of = known()
    other = new_payment(of.records.escrow)
    acts = [
        row("fund_escrow", Party.PAYER, other.public_id),
        row("submit_delivery", Party.PAYEE, "mst_" + "0" * 32, note="the other part"),
        row("fund_escrow", Party.PAYER, of.payment.public_id),
        row("release_milestone", Party.OPERATOR, of.milestones[0].public_id, note="for us only"),
    ]
    of = Known(of.chargeback, of.records, of.policy, Timeline(acts, whole=True), {})

    said = texts_of(of)["access_activity_log"].splitlines()

    title = of.milestones[0].title
    assert [line.partition(" UTC: ")[2] for line in said] == [
        "the payer began to pay",
        f"the marketplace released ({title})",
    ]


def test_the_order_in_which_the_database_tells_of_payees_says_nothing() -> None:
    others = [new_payee(name=name) for name in ("Zoë", "Al", "Mo")]
    of = known(other_payees=others)
    before = texts_of(of)
    random.Random(1).shuffle(others)
    assert texts_of(of) == before


def test_all_fits_whatever_was_written() -> None:
    note = "x" * 2_000
    acts = [row("submit_delivery", Party.PAYEE, note=note)] * 400
    texts = texts_of(known(*acts))
    assert 18_000 < len(texts["access_activity_log"]) <= TEXTS["access_activity_log"]
    assert "entries are left out here" in texts["access_activity_log"]
