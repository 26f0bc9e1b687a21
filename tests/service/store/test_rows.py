"""Records, the composite types they are written through, and their tables tell the same."""

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from service.domain.call import ApprovalKind, Party
from service.domain.records.deadline import DeadlineKind
from service.domain.records.dispute import DisputeReason
from service.domain.records.dispute_evidence import DisputeFile, Stored
from service.domain.records.effect import EffectKind
from service.domain.records.evidence import EvidenceStep
from service.domain.records.parties import AccountApi
from service.domain.records.payment import CaptureStrategy, PaymentMethod
from service.domain.records.proposal import ProposalKind
from service.domain.records.refund import RefundOrigin
from service.domain.states.approval import ApprovalState
from service.domain.states.chargeback import ChargebackState
from service.domain.states.dispute import DisputeState
from service.domain.states.effect import EffectState
from service.domain.states.escrow import EscrowState
from service.domain.states.milestone import MilestoneState
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PaymentState
from service.domain.states.payout import PayoutState
from service.domain.states.proposal import ProposalState
from service.domain.states.refund import RefundState
from service.domain.states.release import ReleaseState
from service.migrations import Connection
from service.store.approvals import find_approval
from service.store.commit import write
from service.store.dispute_evidence import find_dispute_evidence, find_file
from service.store.effects import find_effect
from service.store.escrows import find_escrow
from service.store.evidence import find_last_evidence
from service.store.fragments import FRAGMENTS, ORDER
from service.store.origins import find_origins
from service.store.parties import find_payee, find_payer, find_payout, find_previous_accounts
from service.store.policies import find_policy
from service.store.pool import ServicePool
from service.store.tables import TABLES, EscrowRecords, Table, columns
from tests.records import (
    NOW,
    TENANT,
    later,
    new_approval,
    new_chargeback,
    new_deadline,
    new_dispute,
    new_dispute_evidence,
    new_effect,
    new_escrow,
    new_evidence,
    new_id,
    new_line_item,
    new_milestone,
    new_milestone_payee,
    new_origin,
    new_payee,
    new_payer,
    new_payment,
    new_payout,
    new_policy,
    new_previous_account,
    new_proposal,
    new_receivable,
    new_refund,
    new_refund_part,
    new_release,
    new_unit,
)

ATTRIBUTES = """
SELECT attname, format_type(atttypid, atttypmod) AS kind FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
LARGE = 2**62  # more than a float holds exactly
APPENDED = (
    "line_item",
    "previous_account",
    "refund_part",
    "evidence",
    "dispute_evidence",
    "dispute_file",
    "origin",
)  # never written again
TEXT = 'Zoë O\'Neil, "Łódź" \\ {}()[],;$1 %s\n\t日本語 🦊'
LAST = datetime.max.replace(tzinfo=UTC)  # which asyncpg writes as infinity
EARLY = datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


async def attributes(owner: Connection, relation: str) -> dict[str, str]:
    """The columns of a table or composite type, in order, with their types."""
    return {row["attname"]: row["kind"] for row in await owner.fetch(ATTRIBUTES, relation)}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_a_record_is_what_is_written_of_its_table(owner: Connection, table: Table) -> None:
    written = await attributes(owner, table.row_type)
    stored = await attributes(owner, table.name)

    assert columns(table.record) == tuple(written)
    assert written.items() <= stored.items()
    assert set(table.key) <= set(written)
    # Rows are locked in the order of their first two columns (commit.py).
    first, second, *_ = written
    assert first == "tenant_id"
    assert second.endswith(("_id", "_version"))


CHANGES = {"event_ends", "event_repairs", "removed_deadlines"}


@pytest.mark.parametrize("name", sorted(set(FRAGMENTS) - CHANGES))
async def test_what_is_no_record_is_written_in_the_order_of_its_type(
    owner: Connection, name: str
) -> None:
    fragment = FRAGMENTS[name]
    ((table, listed),) = re.findall(r"INSERT INTO (\w+)(?: AS \w+)? \(([^)]+)\)", fragment)
    (row_type,) = set(re.findall(r"\{0\}::(\w+)\[\]", fragment))
    written, stored = await attributes(owner, row_type), await attributes(owner, table)
    inserted = [column.strip() for column in listed.split(",")]

    if name == "balances":  # it is made of the change of the balance
        inserted.remove("balance_minor")
    assert list(written.values()) == [stored[column] for column in inserted]
    assert list(written) == inserted


async def test_every_table_that_is_written_has_a_fragment() -> None:
    assert [name for name in ORDER if name not in FRAGMENTS] == [table.name for table in TABLES]
    inserting = {"operations", "journals", "entries", "balances"}
    assert set(FRAGMENTS) == inserting | CHANGES


# Every field of every record comes back as it was written.


def full_records() -> dict[str, Any]:
    """One record of every kind, with every field filled, and each with a value of its own."""
    payer = new_payer(reference="user:1", name=TEXT, stripe_customer="cus_1")
    payee = new_payee(
        reference="user:1",
        name=TEXT,
        account_api=AccountApi.V1,
        state=PayeeState.RESTRICTED,
        requirements_due=["individual.dob", TEXT],
        bank_currencies=["EUR", "USD"],
        created_at=EARLY,
    )
    escrow = new_escrow(
        payer,
        payee,
        version=LARGE,
        state=EscrowState.ACTIVE,
        currency="KWD",
        metadata={"colour": TEXT, "": "empty key"},
        quoted_currency="EUR",
        quoted_rate=Decimal("0.923456789012"),
        decided_alone={"REFUNDS KWD": LARGE},
    )
    payment = new_payment(
        escrow,
        method=PaymentMethod.CHECKOUT,
        capture=CaptureStrategy.MANUAL,
        amount_minor=LARGE,
        state=PaymentState.REQUIRES_ACTION,
        stripe_payment_intent="pi_1",
        stripe_checkout_session="cs_1",
        stripe_charge="ch_1",
        stripe_balance_transaction="txn_1",
        processing_fee_minor=335,
        failure_code="card_declined",
        failure_decline_code="do_not_honor",
        failure_message=TEXT,
        observed_at=later(microseconds=1),
        settled_currency="EUR",
        settled_minor=97_00,
        converted_minor=40_00,
        received_minor=97_00,
        converted_into_minor=38_00,
    )
    milestone = new_milestone(
        escrow,
        position=3,
        title=TEXT,
        state=MilestoneState.DELIVERED,
        amount_minor=100,
        payer_fee_minor=7,
        payee_fee_minor=6,
        funded_minor=90,
        released_minor=30,
        refunded_minor=20,
        lost_minor=10,
        frozen_minor=5,
        payer_fee_gone_minor=4,
        payment_id=payment.payment_id,
        due_at=LAST,
        delivered_at=later(days=2),
        funded_at=later(days=1),
    )
    release = new_release(
        milestone,
        escrow,
        payment,
        amount_minor=30,
        payee_share_minor=28,
        state=ReleaseState.IN_FLIGHT,
        effect_id=new_id(),
        transfer_at=later(hours=1),
        refusals=2,
        stripe_transfer="tr_1",
        refusal_code="balance_insufficient",
        transfer_currency="EUR",
        transfer_minor=70_00,
        payer_fee_minor=3,
        netted_minor=2,
        sent_minor=26,
        recalled_minor=1,
        settled_payer_fee_minor=4,
        settled_payee_fee_minor=5,
        destination="acct_1",
        recalled_transfer_minor=3,
    )
    refund = new_refund(
        payment,
        state=RefundState.FAILED,
        reason=TEXT,
        effect_id=new_id(),
        stripe_refund="re_1",
        failure_code="lost_or_stolen_card",
        settled_minor=96_00,
        taken_minor=95_00,
        balance_transaction="txn_2",
        failure_transaction="txn_3",
        chargeback_id=new_id(),
        disputed_minor=42_00,
    )
    part = new_refund_part(
        refund,
        position=1,
        origin=RefundOrigin.PAYEE,
        milestone_id=milestone.milestone_id,
        release_id=release.release_id,
        payee_id=payee.payee_id,
        state_before=MilestoneState.RELEASED,
        price_minor=100,
        payer_fee_minor=5,
        payee_share_minor=80,
        settled_share_minor=88,
        settled_payer_fee_minor=6,
        settled_payee_fee_minor=22,
        payee_position=3,
    )
    receivable = new_receivable(
        payee,
        escrow,
        version=LARGE,
        release_id=release.release_id,
        refund_id=refund.refund_id,
        amount_minor=80_00,
        reversible_minor=70_00,
        reversal_currency="EUR",
        reversal_minor=64_00,
        stripe_account="acct_1",
        stripe_transfer="tr_1",
        reversed_minor=10_00,
        netted_minor=20_00,
        written_off_minor=5_00,
        canceled_minor=1_00,
        effect_id=new_id(),
        refusals=3,
        refusal_code="balance_insufficient",
        recover_at=later(hours=2),
        brought_minor=9_00,
    )
    return {
        "payer": payer,
        "payee": payee,
        "previous_account": new_previous_account(payee),
        "escrow": escrow,
        "payment": payment,
        "milestone": milestone,
        "milestone_payee": new_milestone_payee(
            milestone,
            position=3,
            payee_id=payee.payee_id,
            gone_minor=LARGE,
            amount_minor=LARGE,
            basis_points=2_500,
            redirected_from=2,
        ),
        "line_item": new_line_item(milestone, position=2, name=TEXT, quantity=3, sku="S-1"),
        "release": release,
        "refund": refund,
        "refund_part": part,
        "receivable": receivable,
        "chargeback": (
            disputed := new_chargeback(
                payment,
                state=ChargebackState.UNDER_REVIEW,
                amount_minor=LARGE,
                reason=TEXT,
                due_by=later(days=8),
                settled_currency="EUR",
                withdrawn_minor=97_00,
                reinstated_minor=96_00,
                fee_minor=-20_00,
                movements=3,
                submissions=2,
                is_appeal=True,
                openings=4,
                lost_minor=LARGE,
                lost_at=LAST,
                settled_at=EARLY,
                settled_minor=LARGE,
                borne_minor=7,
                settlements=2,
                passed_on_minor=LARGE,
            )
        ),
        "origin": new_origin(
            escrow, escrow_version=LARGE, client_ip=TEXT, user_agent=TEXT, created_at=later(days=1)
        ),
        "evidence": new_evidence(
            disputed,
            step=EvidenceStep.SUBMITTED,
            stage=TEXT,
            evidence_hash=TEXT,
            given={TEXT: TEXT},
            fields={TEXT: "", "a": TEXT},
            generation=2**31 - 1,
            caller=TEXT,
        ),
        "dispute": (
            between := new_dispute(
                milestone,
                state=DisputeState.RESOLVED,
                opened_by=Party.PAYEE,
                amount_minor=LARGE,
                reason=DisputeReason.LATE,
                statement=TEXT,
                claim_minor=LARGE - 1,
                people=[TEXT],
                lost_minor=LARGE - 2,
                answer=TEXT,
                answered_at=later(days=1),
                offer_number=2**31 - 1,
                offer_by=Party.PAYER,
                offer_minor=LARGE - 3,
                to_payer_minor=LARGE - 4,
                to_payees={TEXT: LARGE},
                decided_by=TEXT,
                decision=TEXT,
                ended_at=later(days=2),
                named_minor=LARGE - 5,
                named_payees={TEXT: LARGE - 6},
            )
        ),
        "dispute_evidence": (
            given := new_dispute_evidence(
                between,
                party=Party.OPERATOR,
                caller=TEXT,
                note=TEXT,
                content_type=TEXT,
                file_name=TEXT,
                size_bytes=LARGE,
                sha256=TEXT,
                stored=Stored.DATABASE,
                created_at=EARLY,
            )
        ),
        "dispute_file": DisputeFile(TENANT, given.evidence_id, bytes(range(256)) * 400),
        "proposal": new_proposal(
            escrow,
            kind=ProposalKind.AMENDMENT,
            state=ProposalState.APPROVED,
            proposed_by=Party.PAYEE,
            reason=TEXT,
            milestone_ids=[milestone.public_id, TEXT],
            deadline_id=new_id(),
            due_at=later(days=9),
            changes=[{"title": TEXT, "before": None, "after": {"fees": [LARGE, 0, 0]}}],
            agreed_version=2**31 - 1,
        ),
        "deadline": new_deadline(
            escrow,
            subject_id=milestone.milestone_id,
            kind=DeadlineKind.HOLD_LIMIT,
            due_at=later(days=90),
            act_at=later(days=81),
            warned_percent=75,
            tries=3,
            refusal="AMOUNT_FROZEN",
        ),
        "policy": new_policy(
            policy_version=2**31 - 1, created_by=TEXT, reason=TEXT, document={TEXT: [LARGE, None]}
        ),
        "approval": new_approval(
            version=LARGE // 2**32,
            state=ApprovalState.REJECTED,
            kind=ApprovalKind.REPAIRS,
            operation=TEXT,
            caller=TEXT,
            party=Party.OPERATOR,
            key=TEXT,
            asker={"people": [TEXT]},
            asked=b"\x00\xff",
            reason=TEXT,
            escrow_id=escrow.escrow_id,
            amount_minor=LARGE,
            plan={"lines": [TEXT]},
            plan_hash=TEXT,
            decided_by=TEXT,
            decision_reason=TEXT,
        ),
        "payout": new_payout(
            payee,
            state=PayoutState.FAILED,
            stripe_payout="po_1",
            failure_code="account_closed",
            failure_message=TEXT,
            arrival_at=later(days=3),
        ),
        "effect": new_effect(
            version=LARGE,
            kind=EffectKind.CREATE_TRANSFER,
            state=EffectState.SENDING,
            generation=3,
            escrow_id=escrow.escrow_id,
            payee_id=payee.payee_id,
            stripe_account="acct_1",
            request={"amount": LARGE, "metadata": {"text": TEXT, "list": [1, None, True]}},
            due_at=later(seconds=90),
            attempts=4,
            key_used_at=NOW - timedelta(hours=1),
            lease_expires_at=later(seconds=90),
            stripe_object="tr_1",
            error={"code": "api_error", "message": TEXT},
        ),
    }


def bare_records() -> dict[str, Any]:
    """One record of every kind, with every field that may be empty left empty."""
    payer, payee = new_payer(name="", email=""), new_payee(stripe_account=None)
    escrow = new_escrow(payer, payee)
    payment, milestone = new_payment(escrow), new_milestone(escrow)
    refund = new_refund(payment)
    return {
        "payer": payer,
        "payee": payee,
        "previous_account": new_previous_account(payee),
        "escrow": escrow,
        "payment": payment,
        "milestone": milestone,
        "milestone_payee": new_milestone_payee(milestone, payee_id=payee.payee_id),
        "line_item": new_line_item(milestone, sku=""),
        "release": new_release(milestone, escrow, payment),
        "refund": refund,
        "refund_part": new_refund_part(refund),
        "receivable": new_receivable(payee, escrow),
        "chargeback": (disputed := new_chargeback(payment)),
        "evidence": new_evidence(disputed),
        "origin": new_origin(escrow),
        "deadline": new_deadline(escrow, act_at=None),
        "dispute": (between := new_dispute(milestone)),
        "dispute_evidence": (given := new_dispute_evidence(between)),
        "dispute_file": DisputeFile(TENANT, given.evidence_id, b""),
        "proposal": new_proposal(escrow),
        "policy": new_policy(),
        "approval": new_approval(),
        "payout": new_payout(payee),
        "effect": new_effect(request={}),
    }


async def read_all(pool: ServicePool, records: dict[str, Any]) -> dict[str, Any]:
    """The same records, as the database tells them."""
    found = await find_escrow(pool, TENANT, records["escrow"].escrow_id)
    assert isinstance(found, EscrowRecords)
    assert found.payer == await find_payer(pool, TENANT, records["payer"].payer_id)
    assert found.payee == await find_payee(pool, TENANT, records["payee"].payee_id)
    (milestone_payee,) = found.milestone_payees
    (milestone,), (line_item,) = found.milestones, found.line_items
    (payment,), (release,) = found.payments, found.releases
    (refund,), (part,), (receivable,) = found.refunds, found.refund_parts, found.receivables
    (dispute,) = found.disputes
    (deadline,), (proposal,), (chargeback,) = found.deadlines, found.proposals, found.chargebacks
    (previous_account,) = await find_previous_accounts(pool, TENANT, found.payee.payee_id)
    return {
        "payer": found.payer,
        "payee": found.payee,
        "previous_account": previous_account,
        "escrow": found.escrow,
        "payment": payment,
        "milestone": milestone,
        "milestone_payee": milestone_payee,
        "line_item": line_item,
        "release": release,
        "refund": refund,
        "refund_part": part,
        "receivable": receivable,
        "chargeback": chargeback,
        "origin": (await find_origins(pool, TENANT, found.escrow.escrow_id, limit=2))[0],
        "evidence": await find_last_evidence(pool, TENANT, chargeback.chargeback_id),
        "deadline": deadline,
        "dispute": dispute,
        "dispute_evidence": await find_dispute_evidence(
            pool, TENANT, records["dispute_evidence"].evidence_id
        ),
        "dispute_file": DisputeFile(
            TENANT,
            file_id := records["dispute_file"].evidence_id,
            await find_file(pool, TENANT, file_id) or b"",
        ),
        "proposal": proposal,
        "policy": await find_policy(pool, TENANT, records["policy"].policy_version),
        "approval": await find_approval(pool, TENANT, records["approval"].approval_id),
        "payout": await find_payout(pool, TENANT, records["payout"].payout_id),
        "effect": await find_effect(pool, TENANT, records["effect"].effect_id),
    }


async def write_records(pool: ServicePool, records: dict[str, Any]) -> None:
    unit = new_unit(now=later(minutes=5))
    for record in records.values():
        unit.put(record)
    await write(pool, [unit])


def assert_same(read: dict[str, Any], written: dict[str, Any]) -> None:
    assert read == written
    for name, record in written.items():
        for field in fields(record):
            value, expected = getattr(read[name], field.name), getattr(record, field.name)
            kind = UUID if isinstance(expected, UUID) else type(expected)  # asyncpg has its own
            assert isinstance(value, kind), (name, field.name)


@pytest.mark.parametrize("make", [full_records, bare_records])
async def test_records_come_back_as_they_were_written(pool: ServicePool, make: Any) -> None:  # noqa: ANN401  a factory
    records = make()

    await write_records(pool, records)

    assert_same(await read_all(pool, records), records)


def test_the_full_records_leave_nothing_empty() -> None:
    for name, record in full_records().items():
        for field in fields(record):
            assert getattr(record, field.name) not in (None, {}, []), (name, field.name)


async def test_a_record_written_again_is_overwritten_whole(pool: ServicePool) -> None:
    """All but the keys and the snapshot of what was bought."""
    bare, full = bare_records(), full_records()
    await write_records(pool, bare)
    keys = {key for table in TABLES for key in table.key}
    changed = {}
    for name, record in bare.items():
        kept = {field.name for field in fields(record)} & (keys | {"version"})
        changed[name] = replace(full[name], **{column: getattr(record, column) for column in kept})
    appended = {name: bare[name] for name in APPENDED}

    await write_records(pool, {name: changed[name] for name in changed.keys() - appended})

    changed |= appended
    assert_same(await read_all(pool, changed), changed)
