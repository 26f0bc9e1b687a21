from datetime import timedelta

import pytest

from service.domain.call import Party
from service.domain.errors import PartyNotAllowed, WrongState
from service.domain.ids import moment_of
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.effect import EffectKind
from service.domain.states.effect import EffectState
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.unit import Transition
from tests.records import (
    NOW,
    later,
    new_escrow,
    new_id,
    new_milestone,
    new_payee,
    new_payer,
    new_transaction,
    new_unit,
)

RELEASE = {"payee_share": 80_00, "payee_fee": 20_00, "payer_fee": 5_00}
NAMES = {"milestone": "mst_1", "payee": "pye_1", "account": "acct_1"}


def test_a_record_is_written_once_and_its_version_grows_once() -> None:
    unit = new_unit(now=later(seconds=1))
    payer = new_payer(version=4)

    unit.put(payer)
    unit.put(payer)

    assert list(unit.records.values()) == [payer]
    assert payer.version == 5
    assert payer.updated_at == NOW + timedelta(seconds=1)
    assert payer.created_at == NOW


def test_two_records_that_are_equal_are_two_rows() -> None:
    unit = new_unit()
    payer = new_payer()
    twin = new_payer(payer_id=payer.payer_id, reference=payer.reference)
    assert payer == twin

    unit.put(payer)
    unit.put(twin)

    assert len(unit.records) == 2


def test_what_is_posted_together_keeps_its_order_by_its_ids() -> None:
    unit = new_unit()
    for number in range(20):
        source = Source("release", f"rel_{number}")
        unit.post(JournalKind.RELEASED, source, "USD", [Part(NAMES, RELEASE)])

    posted = [journal.journal_id for journal in unit.journals]
    assert posted == sorted(set(posted))
    assert {moment_of(each) for each in posted} == {moment_of(unit.new_id())}
    assert all(each.version == 7 for each in posted)


def test_the_escrow_that_is_put_names_the_unit_and_its_journals() -> None:
    unit = new_unit()
    escrow = new_escrow(new_payer(), new_payee())
    unit.put(escrow)
    unit.put(new_milestone(new_escrow(new_payer(), new_payee())))
    unit.post(JournalKind.RELEASED, Source("release", "rel_1"), "USD", [Part(NAMES, RELEASE)])

    assert unit.escrow is escrow
    assert [journal.escrow_id for journal in unit.journals] == [escrow.escrow_id]


def test_a_journal_happened_now_unless_the_world_says_when() -> None:
    unit = new_unit()
    for number, event_at in enumerate([None, later(hours=-1)]):
        source = Source("release", str(number))
        unit.post(JournalKind.RELEASED, source, "USD", [Part(NAMES, RELEASE)], event_at=event_at)

    assert [journal.event_at for journal in unit.journals] == [NOW, later(hours=-1)]


def test_only_changes_of_state_reach_the_timeline() -> None:
    unit = new_unit(party=Party.PAYER)
    milestone = new_milestone(new_escrow(new_payer(), new_payee()), state=MilestoneState.FUNDED)

    unit.advance(milestone, MilestoneEvent.RELEASE_PART)
    unit.advance(milestone, MilestoneEvent.RELEASE)

    assert unit.transitions == [Transition(milestone.public_id, "FUNDED", "RELEASING")]
    assert list(unit.records.values()) == [milestone]


def test_a_refused_event_leaves_the_record_as_it_was() -> None:
    unit = new_unit(party=Party.PAYEE)
    milestone = new_milestone(new_escrow(new_payer(), new_payee()), state=MilestoneState.FUNDED)

    with pytest.raises(PartyNotAllowed):
        unit.advance(milestone, MilestoneEvent.RELEASE)
    with pytest.raises(WrongState):
        unit.advance(milestone, MilestoneEvent.ACCEPT)

    assert milestone.state is MilestoneState.FUNDED
    assert (unit.transitions, unit.records) == ([], {})


def test_a_new_record_begins_its_timeline() -> None:
    unit = new_unit()
    milestone = new_milestone(new_escrow(new_payer(), new_payee()))

    unit.create(milestone)

    assert unit.transitions == [Transition(milestone.public_id, "", milestone.state)]
    assert list(unit.records.values()) == [milestone]


def test_a_planned_effect_is_due_at_once_and_written_with_the_unit() -> None:
    unit = new_unit()
    effect_id, subject_id = new_id(), new_id()

    effect = unit.plan(
        EffectKind.CREATE_TRANSFER, effect_id, subject_id=subject_id, request={"amount": 80_00}
    )

    assert list(unit.records.values()) == [effect]
    assert (effect.version, effect.generation, effect.attempts) == (1, 1, 0)
    assert (effect.state, effect.due_at, effect.key_used_at) == (EffectState.PLANNED, NOW, None)


def test_balance_changes_are_on_the_normal_side_of_tracked_accounts_only() -> None:
    unit = new_unit()
    part = [Part(NAMES, RELEASE | {"amount": 30_00})]
    unit.post(JournalKind.RELEASED, Source("release", "rel_1"), "USD", part)
    unit.post(JournalKind.TRANSFER_REQUESTED, Source("effect", "eff_1"), "USD", part)
    unit.post(
        JournalKind.TRANSFER_CONFIRMED,
        Source("effect", "eff_1"),
        "USD",
        part,
        transaction=new_transaction(-30_00),
    )
    unit.post(JournalKind.PAYOUT_CREATED, Source("payout", "pyo_1"), "EUR", part)

    assert unit.balance_changes() == {
        ("liab:escrow:mst_1:held", "USD"): -100_00,
        ("liab:escrow:mst_1:fee_held", "USD"): -5_00,
        ("liab:payee:pye_1:payable", "USD"): 50_00,
        ("conn:acct_1:balance", "USD"): 30_00,
        ("conn:acct_1:in_transit", "EUR"): 30_00,
        ("conn:acct_1:balance", "EUR"): -30_00,
    }


def test_each_unit_is_an_operation_of_its_own() -> None:
    assert new_unit().operation_id != new_unit().operation_id
