"""One seed: a bad day for a few deals, its end, and what must hold afterwards."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from escrow.client import connect
from escrow.v1 import party_service_pb2 as party
from tests.chaos.amendments import Amendments
from tests.chaos.approvals import Approvals
from tests.chaos.caller import PAUSE_S, Breach, Caller
from tests.chaos.chargebacks import Chargebacks
from tests.chaos.checks import check
from tests.chaos.closings import Closings
from tests.chaos.currencies import Currencies
from tests.chaos.deadlines import Deadlines
from tests.chaos.deal import Deal
from tests.chaos.disputes import Disputes
from tests.chaos.drawn import Drawn
from tests.chaos.morning import begin_well
from tests.chaos.recovery import recover
from tests.chaos.refunds import Refunds
from tests.chaos.splits import Splits
from tests.chaos.strangers import Strangers
from tests.chaos.system import start_afresh
from tests.chaos.weather import Weather
from tests.world import World

DEALS = 3  # at a time; two payers and two payees share them
PARTY_TRIES = 5


@dataclass
class Report:
    """What came of a seed. ``breaches`` is empty when everything holds."""

    seed: int
    steps: int
    converts: bool = False
    breaches: list[Breach] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    chaos: Counter[str] = field(default_factory=Counter)
    strangers: Counter[str] = field(default_factory=Counter)
    """What others did at Stripe and was accepted, and what they forged."""
    answers: Counter[str] = field(default_factory=Counter)
    """How often clients were answered by a method, or refused for what."""
    ends: Counter[str] = field(default_factory=Counter)
    """How everything ended, "events PROCESSED" and so on, and how often what was converted."""
    kills: int = 0
    together: int = 0
    """How many events were stored in the same statement as another."""
    calls: int = 0
    lived_s: float = 0.0
    """How long the bad day was; ``took_s`` has its recovery and the checks as well."""
    took_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain data; ``dataclasses.asdict`` makes nonsense of a Counter."""
        return {**vars(self), "breaches": [vars(breach) for breach in self.breaches]}


ENDS = """
SELECT 'events ' || state, count(*) FROM stripe_events GROUP BY 1
UNION ALL SELECT 'payments ' || state, count(*) FROM payments GROUP BY 1
UNION ALL SELECT 'freezes ' || state || ' of ' || reason, count(*) FROM freezes GROUP BY 1
UNION ALL SELECT 'releases ' || state, count(*) FROM releases GROUP BY 1
UNION ALL SELECT 'milestones of several payees', count(DISTINCT milestone_id)
    FROM milestone_payees HAVING count(*) > 0
UNION ALL SELECT 'refunds ' || state, count(*) FROM refunds GROUP BY 1
UNION ALL SELECT 'refunded from ' || origin, count(*) FROM refund_parts GROUP BY 1
UNION ALL SELECT 'receivables ' || state, count(*) FROM receivables GROUP BY 1
UNION ALL SELECT 'receivables ' || how, count(*) FROM receivables, LATERAL (VALUES
    ('reversed', reversed_minor > 0), ('netted', netted_minor > 0), ('refused', refusals > 0),
    ('refused, then reversed', refusals > 0 AND reversed_minor > 0),
    ('written off', written_off_minor > 0), ('canceled', canceled_minor > 0)) AS was (how, is_so)
    WHERE is_so GROUP BY how
UNION ALL SELECT how, count(*) FROM operations JOIN (VALUES
    ('adopt_refund', 'refunds adopted'), ('adopt_reversal', 'reversals adopted'),
    ('place_freeze', 'freezes placed'), ('redirect_share', 'shares redirected'),
    ('expire_escrow', 'escrows expired'), ('miss_delivery', 'due dates missed'),
    ('release_after_inspection', 'releases after inspection'),
    ('extend_deadline', 'deadlines extended'), ('decline_extension', 'extensions declined'),
    ('end_unanswered', 'proposals unanswered'), ('accept_amendment', 'amendments accepted'),
    ('decline_amendment', 'amendments declined'), ('propose_amendment', 'amendments proposed'))
    AS named (kind, how)
    USING (kind) GROUP BY how
UNION ALL SELECT 'chargebacks ' || state, count(*) FROM chargebacks GROUP BY 1
UNION ALL SELECT 'chargebacks of ' || reason, count(*) FROM chargebacks GROUP BY 1
UNION ALL SELECT 'chargebacks settled', count(*) FROM chargebacks WHERE settlements > 0
    HAVING count(*) > 0
UNION ALL SELECT 'chargebacks settled anew', count(*) FROM chargebacks WHERE settlements > 1
    HAVING count(*) > 0
UNION ALL SELECT 'chargebacks won after all', count(*) FROM chargebacks
    WHERE settlements > 0 AND state = 'WON' HAVING count(*) > 0
UNION ALL SELECT 'chargebacks whose fee payees bear', count(*) FROM chargebacks
    WHERE passed_on_minor > 0 HAVING count(*) > 0
UNION ALL SELECT 'chargebacks lost in part, converted', count(*) FROM chargebacks
    WHERE settled_at IS NOT NULL AND settled_currency <> currency AND lost_minor < amount_minor
    HAVING count(*) > 0
UNION ALL SELECT 'chargebacks of more than was paid', count(*) FROM journals
    WHERE kind = 'chargeback_excess' HAVING count(*) > 0
UNION ALL SELECT 'fees given back', count(*) FROM releases WHERE netted_minor < 0
    HAVING count(*) > 0
UNION ALL SELECT 'disputes ' || state, count(*) FROM disputes GROUP BY 1
UNION ALL SELECT 'disputes resolved by ' || kind, count(*) FROM operations
    WHERE kind IN ('resolve_dispute', 'accept_dispute_split', 'respond_to_dispute')
    AND transitions::text LIKE '%RESOLVED%' GROUP BY kind
UNION ALL SELECT 'disputes decided by two', count(*) FROM approvals
    WHERE operation = 'resolve_dispute' AND state = 'APPROVED' HAVING count(*) > 0
UNION ALL SELECT 'files of disputes', count(*) FROM dispute_evidence WHERE size_bytes > 0
    HAVING count(*) > 0
UNION ALL SELECT 'evidence ' || step, count(*) FROM chargeback_evidence GROUP BY 1
UNION ALL SELECT 'approvals ' || state, count(*) FROM approvals GROUP BY 1
UNION ALL SELECT 'payouts ' || state, count(*) FROM payouts GROUP BY 1
UNION ALL SELECT 'escrows ' || state, count(*) FROM escrows GROUP BY 1
UNION ALL SELECT kind, count(*) FROM journals
WHERE kind LIKE '%converted%' OR kind IN ('reversal_explained', 'given_back', 'reversal_kept')
GROUP BY 1"""
TOGETHER = "SELECT coalesce(sum(events), 0)::bigint FROM chaos_arrivals WHERE events > 1"


async def run_seed(world: World, seed: int, steps: int, *, convert: bool | None = None) -> Report:
    """Runs one seed on an empty system, which is left as the seed left it. ``convert`` says whether
    it converts, instead of the seed.
    """
    started = time.monotonic()
    currencies = Currencies(seed, convert=convert)
    report = Report(seed, steps, currencies.convert)
    await start_afresh(world)
    await currencies.begin(world)
    refunds = Refunds(seed, currencies)
    deadlines = Deadlines(world, seed)
    approvals = Approvals(seed)
    splits, amendments, chargebacks = Splits(seed), Amendments(seed), Chargebacks(seed)
    drawn = Drawn(
        *(currencies, refunds, splits, deadlines, amendments, approvals, chargebacks),
        Disputes(seed),
    )
    await refunds.begin(world)
    closings = Closings(world.pool)
    weather = Weather(world, closings, currencies, deadlines, seed, steps)
    strangers = Strangers(
        world, seed, currencies, refunds.strange_share, chargebacks.disputes_share
    )
    await world.sandbox.control("POST", "chaos", seed=seed, rates=weather.rates)
    # One channel through all restarts, as a client has it.
    async with (
        connect(world.target, tenant="default", caller="chaos") as client,
        connect(world.target, tenant="default", caller="kim@example.com") as approver,
    ):
        caller = Caller(client, approver)
        try:
            await approvals.begin(client)
            await _live(world, weather, strangers, caller, drawn, report)
            report.lived_s = time.monotonic() - started
            report.chaos.update(await recover(world, weather, caller, currencies.platform))
            report.breaches = await check(
                world, caller, closings, strangers, drawn, converts=currencies.convert
            )
        except Exception as error:
            error.add_note(f"This was seed {seed} with {steps} steps.")
            raise
    report.ends.update({row[0]: row[1] for row in await world.pool.fetch(ENDS)})
    report.strangers = +strangers.did
    report.answers.update(f"{i.method} {i.refusal or 'answered'}" for i in caller.intentions)
    report.together = await world.pool.fetchval(TOGETHER)
    report.kills, report.calls = weather.kills, caller.calls
    report.took_s = time.monotonic() - started
    return report


async def _live(
    world: World,
    weather: Weather,
    strangers: Strangers,
    caller: Caller,
    drawn: Drawn,
    report: Report,
) -> None:
    """All deals side by side; together they take so many steps."""
    payers = await asyncio.gather(*(_payer(caller, number) for number in range(2)))
    countries = [*drawn.currencies.countries, *(["US"] if drawn.splits.happen else [])]
    payees = await asyncio.gather(*(_payee(caller, *each) for each in enumerate(countries)))

    async def live(number: int) -> None:
        payer, payee = payers[number % 2], payees[number // 2 % 2]
        if payer is None or payee is None:
            return  # Stripe did not make them yet; the recovery insists on it
        everybody = [each for each in payees if each is not None]
        deal = Deal(caller, world.sandbox, payer, payee, *drawn, everybody)
        if drawn.refunds.happen:
            await begin_well(deal, random.Random(f"{report.seed} morning {number}"))
        for step in range(number, report.steps, DEALS):
            await weather.next_step()
            await strangers.next_step(step)
            rng = random.Random(f"{report.seed} step {step}")
            report.actions[await deal.step(rng)] += 1

    await asyncio.gather(*(live(number) for number in range(DEALS)))


async def _payer(caller: Caller, number: int) -> party.Payer | None:
    request = party.CreatePayerRequest(
        reference=f"payer-{number}", name="Ann Payer", email=f"ann{number}@example.com"
    )
    answer = await _make(caller, "CreatePayer", request)
    return answer.payer if answer else None


async def _payee(caller: Caller, number: int, country: str) -> party.Payee | None:
    request = party.CreatePayeeRequest(
        reference=f"payee-{number}",
        name="Bob Payee",
        email=f"bob{number}@example.com",
        country=country,
        account_api=party.ACCOUNT_API_V1 if number else party.ACCOUNT_API_V2,
    )
    answer = await _make(caller, "CreatePayee", request)
    return answer.payee if answer else None


async def _make(caller: Caller, method: str, request: Message) -> Any:  # noqa: ANN401 - the method's own
    """The answer after a few tries, as a patient client makes them; None without one."""
    intention = await caller.want(method, None, request)
    for _ in range(PARTY_TRIES):
        if intention.answer is not None:
            break
        await asyncio.sleep(PAUSE_S)
        await caller.send(intention)
    return intention.answer
