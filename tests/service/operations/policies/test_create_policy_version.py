"""CreatePolicyVersion: new escrows get it, and every other keeps the one it has."""

import asyncio
from dataclasses import replace

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import policy_service_pb2 as pb
from service.domain.policy import Periods, Policy
from service.domain.policy_default import DEFAULT_POLICY
from service.operations.policies.messages import policy_message, policy_of
from tests.service.domain.policies import rules
from tests.service.operations.marketplace import NEIGHBOUR, Marketplace, usd
from tests.service.operations.payouts.test_request_payout import payout_of
from tests.service.operations.policies.policies import OWN, apply, creation, once


async def test_a_new_escrow_gets_it_and_an_older_one_keeps_its_own(market: Marketplace) -> None:
    older = await market.new_escrow(900_00)
    added = await apply(market)
    payee = await market.new_payee()
    newer = await market.new_escrow(100_00, payee=payee)

    assert (added.policy_version, older.policy_version, newer.policy_version) == (2, 1, 2)
    assert older.quote.payer_total == usd(945_00)
    assert newer.quote.payer_total == usd(103_30)
    assert newer.quote.payee_total == usd(90_00)
    assert (await market.fund(older)).amount == usd(945_00)  # beyond what the newer one allows
    await market.pay(await market.fund(newer))
    await market.settle()
    await market.accept(await market.deliver(await market.read(newer)))
    booked = dict(await market.books(newer, payee))
    assert booked["payment_succeeded"] == {
        "asset:stripe_unsettled": 103_30,
        "liab:escrow:m1:held": -100_00,
        "liab:escrow:m1:fee_held": -3_30,
    }
    assert booked["released"] == {
        "liab:escrow:m1:held": 100_00,
        "liab:escrow:m1:fee_held": 3_30,
        "liab:payee:payee:payable": -90_00,
        "rev:service_fee": -10_00,
        "rev:platform_fee": -3_30,
    }


async def test_it_is_recorded_who_asked_and_why(market: Marketplace) -> None:
    await apply(market)

    asked = "SELECT party, note FROM operations WHERE kind = 'create_policy_version'"
    (told,) = await market.owner.fetch(asked)
    assert tuple(told) == ("operator", "policy version 2: our own fees")


async def test_limits_are_those_of_the_newest(market: Marketplace) -> None:
    await apply(market)
    quote = escrow_pb.QuoteFeesRequest(currency="USD", amounts_minor=[485_16])

    async with market.refuses("AMOUNT_BEYOND_LIMITS") as refusal:
        await market.service.escrows.QuoteFees(quote)
    assert refusal.metadata["most_minor"] == "50000"
    payer, payee = await market.new_payer(), await market.new_payee()
    async with market.refuses("AMOUNT_BEYOND_LIMITS"):
        await market.new_escrow(485_16, payer=payer, payee=payee)
    async with market.refuses("CURRENCY_NOT_IN_POLICY") as refusal:
        await market.new_escrow(100_00, currency="EUR", payer=payer, payee=payee)
    assert refusal.metadata == {"currency": "EUR", "currencies": "USD"}
    async with market.refuses("AMOUNT_BEYOND_LIMITS"):
        await market.payee.parties.RequestPayout(payout_of(payee, usd(1_99)))


async def test_another_tenant_is_not_concerned(market: Marketplace) -> None:
    await apply(market)
    quote = escrow_pb.QuoteFeesRequest(currency="EUR", amounts_minor=[100_00])

    quoted = await market.neighbour.escrows.QuoteFees(quote)

    assert (quoted.total.policy_version, quoted.total.payer_fee.amount_minor) == (1, 5_00)
    operators = market.client("operator", tenant=NEIGHBOUR, role="operator").policies
    listed = await operators.ListPolicyVersions(pb.ListPolicyVersionsRequest())
    assert [version.policy_version for version in listed.versions] == [1]


async def test_what_is_fixed_per_payment_is_charged_once_a_payment(market: Marketplace) -> None:
    await apply(market, Policy({"USD": once()}))
    payee = await market.new_payee()
    escrow = await market.new_escrow(100_00, 50_00, 20_00, payee=payee)
    first, second, third = escrow.milestones
    assert [m.payer_fee for m in escrow.milestones] == [usd(3_30), usd(1_50), usd(60)]
    assert escrow.quote.payer_total == usd(175_40)

    apart = await market.fund(escrow, second)
    assert apart.amount == usd(51_80)
    cancellation = escrow_pb.CancelPaymentRequest(request_id=new_request_id(), payment_id=apart.id)
    await market.payer.escrows.CancelPayment(cancellation)
    together = await market.fund(escrow, third, second)
    alone = await market.fund(escrow, first)

    assert (together.amount, alone.amount) == (usd(72_40), usd(103_30))
    shown = await market.read(escrow)
    assert [m.payer_fee for m in shown.milestones] == [usd(3_30), usd(1_80), usd(60)]
    assert [m.payee_fee for m in shown.milestones] == [usd(11_00), usd(6_00), usd(2_00)]
    assert shown.quote.payer_total == usd(175_70)
    for payment in (together, alone):
        await market.pay(payment)
    await market.settle()
    for number in (1, 2, 3):
        await market.accept(await market.deliver(await market.read(escrow), number), number)
    journals = await market.books(escrow, payee)
    assert sum(entries.get("rev:platform_fee", 0) for _, entries in journals) == -5_70
    assert sum(entries.get("rev:service_fee", 0) for _, entries in journals) == -19_00


async def test_concurrent_creators_get_a_version_each(market: Marketplace) -> None:
    fees = [replace(rules().payer_fee, basis_points=share) for share in range(1, 13)]
    policies = [Policy({"USD": rules(payer_fee=fee)}) for fee in fees]

    added = await asyncio.gather(*(apply(market, policy) for policy in policies))

    assert sorted(each.policy_version for each in added) == list(range(2, 14))
    for version, policy in zip(added, policies, strict=True):
        stored = await market.running.runtime.policies.get("default", version.policy_version)
        assert stored == policy


async def test_every_process_knows_it_at_once(market: Marketplace) -> None:
    quote = escrow_pb.QuoteFeesRequest(currency="USD", amounts_minor=[100_00])
    for basis_points in (100, 200):
        fee = replace(rules().payer_fee, basis_points=basis_points, fixed_minor=0)
        await apply(market, Policy({"USD": rules(payer_fee=fee)}))
        quoted = await market.service.escrows.QuoteFees(quote)
        assert quoted.total.payer_fee == usd(basis_points)


async def test_what_makes_no_sense_is_refused_with_every_place(market: Marketplace) -> None:
    operators = market.client("operator", role="operator").policies
    wrong = policy_message(Policy({"CZK": rules(), "KWD": rules()}))
    request = creation()
    request.policy.CopyFrom(wrong)

    async with market.refuses("INVALID_FIELD") as refusal:
        await operators.CreatePolicyVersion(request)

    assert refusal.fields["policy.currencies.CZK.payment_limits.least_minor"].startswith(
        "must be at least 1500 (15.00 CZK)"
    )
    request.policy.currencies.append(request.policy.currencies[0])
    async with market.refuses("INVALID_FIELD") as refusal:
        await operators.CreatePolicyVersion(request)
    assert refusal.fields == {"policy.currencies[2].currency": "CZK is listed twice"}


async def test_a_wait_without_a_deadline_is_refused(market: Marketplace) -> None:
    request = creation()
    request.policy.periods.payment_hours = 0

    async with market.refuses("INVALID_FIELD") as refusal:
        await market.client("operator", role="operator").policies.CreatePolicyVersion(request)

    assert "no wait is without a deadline" in refusal.fields["policy.periods.payment_hours"]


async def test_an_escrow_runs_by_the_periods_of_its_policy(market: Marketplace) -> None:
    await apply(market, Policy({"USD": rules()}, periods=Periods(48, 1)))

    escrow = await market.delivered_escrow(100_00)
    due = [each for each in escrow.deadlines if each.kind == escrow_pb.DEADLINE_KIND_INSPECTION]
    assert due[0].due_time.seconds - due[0].start_time.seconds == 3_600
    unpaid = await market.new_escrow(100_00)
    (only,) = unpaid.deadlines
    assert only.due_time.seconds - unpaid.create_time.seconds == 48 * 3_600


async def test_a_dry_run_writes_nothing(market: Marketplace) -> None:
    operators = market.client("operator", role="operator").policies

    async with market.unchanged():
        said = await operators.CreatePolicyVersion(creation(validate_only=True))

    assert said.version.policy_version == 2
    assert policy_of(said.version.policy) == OWN


async def test_nobody_overwrites_what_they_have_not_seen(market: Marketplace) -> None:
    operators = market.client("operator", role="operator").policies
    await apply(market)
    other = Policy({"USD": rules(payee_fee=rules().payer_fee)})

    async with market.refuses("STALE_ETAG") as refusal:
        await operators.CreatePolicyVersion(creation(other, after_version=1))
    assert refusal.metadata == {"etag": "2"}
    async with market.refuses("POLICY_UNCHANGED") as refusal:
        await operators.CreatePolicyVersion(creation(OWN))
    assert refusal.metadata == {"policy_version": "2"}
    added = await operators.CreatePolicyVersion(creation(other, after_version=2))
    assert added.version.policy_version == 3


async def test_versions_are_listed_with_who_and_why(market: Marketplace) -> None:
    operators = market.client("operator", role="operator").policies
    added = await apply(market)
    request = pb.ListPolicyVersionsRequest(page_size=1)

    newest = await operators.ListPolicyVersions(request)
    request.page_token = newest.next_page_token
    oldest = await operators.ListPolicyVersions(request)

    assert list(newest.versions) == [added]
    assert (added.created_by, added.reason) == ("orders", "our own fees")
    assert added.HasField("create_time")
    (default,) = oldest.versions
    assert (default.policy_version, oldest.next_page_token) == (1, "")
    assert policy_of(default.policy) == DEFAULT_POLICY
