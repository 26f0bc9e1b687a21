"""What must hold after every seed: our books, Stripe's books, and what the clients were told."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

import asyncpg

from escrow.v1 import escrow_service_pb2 as pb
from service.operations.operators.verify_books import verify_books
from tests.chaos.approved import check_approved
from tests.chaos.caller import Breach, Caller
from tests.chaos.charged_back import check_charged_back
from tests.chaos.closings import Closings
from tests.chaos.disagreed import check_disagreed
from tests.chaos.drawn import Drawn
from tests.chaos.expected import check_expected, refunds_of_cancellations
from tests.chaos.proof import prove
from tests.chaos.received import check_received
from tests.chaos.refunded import check_refunded
from tests.chaos.reversals import check_adopted, given_back
from tests.chaos.strangers import ORDER, Strangers
from tests.chaos.timers import AUTO_RELEASES, check_timers
from tests.scenarios.books import held_at_stripe
from tests.scenarios.sandbox_client import Json, SandboxClient
from tests.world import World

PAYMENTS = """
SELECT 'pay_' || replace(payment_id::text, '-', '') AS id, state, amount_minor,
    stripe_payment_intent, stripe_charge, stripe_balance_transaction FROM payments"""
RELEASES = """
SELECT 'rel_' || replace(release_id::text, '-', '') AS id, state, payee_share_minor,
    transfer_minor, sent_minor, stripe_transfer FROM releases"""
PAYOUTS = """
SELECT 'pyo_' || replace(o.payout_id::text, '-', '') AS id, o.state, o.amount_minor,
    o.stripe_payout FROM payouts AS o"""
ACCOUNTS = "SELECT stripe_account FROM payees WHERE stripe_account IS NOT NULL"
EVENTS = "SELECT event_id, type, state, reason FROM stripe_events"
UNACCOUNTED = """
SELECT event_id, type, state, reason, attempts FROM stripe_events
WHERE state NOT IN ('PROCESSED', 'IGNORED', 'QUARANTINED', 'SUSPENSE')
    OR (state <> 'PROCESSED' AND reason = '')"""
ESCROWS = "SELECT 'esc_' || replace(escrow_id::text, '-', '') FROM escrows"
MILESTONES = "SELECT 'mst_' || replace(milestone_id::text, '-', ''), state FROM milestones"
READERS = 4  # of each escrow, all at once
OF_NO_ESCROW = """
SELECT kind, source_id FROM journals WHERE escrow_id IS NULL
AND source_type IN ('payment', 'release', 'refund', 'receivable')"""
# A submission that Stripe refused is told as its refusal.
SUBMITTED = """
SELECT count(*) FROM chargeback_evidence AS v JOIN effects AS f USING (tenant_id, effect_id)
WHERE v.step = 'SUBMITTED' AND f.state = 'SUCCEEDED' AND f.generation = v.generation"""
# What clients were told has been done, against what there is.
DONE = {
    "CreatePayer": "SELECT count(*) FROM payers",
    "CreatePayee": "SELECT count(*) FROM payees",
    "CreateEscrow": "SELECT count(*) FROM escrows",
    "RequestPayout": "SELECT count(*) FROM payouts",
    "SubmitChargebackEvidence": SUBMITTED,
}
# These make nothing that could be counted but their operations.
OPERATIONS = {
    "SubmitDelivery": "submit_delivery",
    "RequestChanges": "request_changes",
    "RequestCancellation": "request_cancellation",
    "ApproveCancellation": "approve_cancellation",
    "DeclineCancellation": "decline_cancellation",
    "RequestExtension": "request_extension",
    "ExtendDeadline": "extend_deadline",
    "DeclineExtension": "decline_extension",
    "ProposeAmendment": "propose_amendment",
    "AcceptAmendment": "accept_amendment",
    "DeclineAmendment": "decline_amendment",
    "PlaceFreeze": "place_freeze",
    "LiftFreeze": "lift_freeze",
    "AdoptReversal": "adopt_reversal",
    "RedirectShare": "redirect_share",
    "ResolveRefund": "resolve_refund",
    "WriteOffReceivable": "write_off_receivable",
    "SettleChargeback": "settle_chargeback",
    "OpenDispute": "open_dispute",
    "RespondToDispute": "respond_to_dispute",
    "ProposeDisputeSplit": "propose_dispute_split",
    "AcceptDisputeSplit": "accept_dispute_split",
    "RequestMediation": "request_mediation",
    "ResolveDispute": "resolve_dispute",
    "WithdrawDispute": "withdraw_dispute",
    "AddDisputeEvidence": "add_dispute_evidence",
}
COUNT = "SELECT count(*) FROM operations WHERE kind = $1"
# Several methods make one of these, beside what disputes do (disagreed.py). A release has such a
# journal for each of its payees; one of what a refund or a reversal gave back has none.
MADE_BY = {
    ("ReleaseMilestone", "AcceptDelivery"): (
        "SELECT count(DISTINCT operation_id) FROM journals JOIN operations AS o"
        " USING (tenant_id, operation_id) WHERE journals.kind = 'released' AND o.kind NOT IN"
        " ('respond_to_dispute', 'accept_dispute_split', 'resolve_dispute', 'end_undecided')"
    ),
    ("RefundMilestone", "RefundSuspense", "AdoptRefund"): (
        "SELECT count(*) FROM refunds WHERE chargeback_id IS NULL"
        " AND reason NOT LIKE 'dispute dsp\\_%'"
    ),
}


async def check(
    world: World,
    caller: Caller,
    closings: Closings,
    strangers: Strangers,
    drawn: Drawn,
    *,
    converts: bool,
) -> list[Breach]:
    """Every breach there is, with its rows."""
    pool, sandbox = world.pool, world.sandbox
    return [
        *await _read_as_stored(pool, caller),
        *await closings.check(),
        *await prove(world, strangers, caller),  # first, for it reads what is new at Stripe
        *await _verified(pool),
        *await check_received(world, given_back(caller)),
        *await check_refunded(world, caller),
        *await check_charged_back(world, caller, drawn),
        *await check_adopted(world, caller),
        *await check_expected(world, caller, converts=converts),
        *await check_disagreed(world, caller, drawn.deadlines),
        *await check_timers(world, caller, drawn.deadlines),
        *await check_approved(world, caller, drawn.approvals),
        *await _same_books(pool, sandbox),
        *await _charged_once(pool, sandbox),
        *await _transferred_once(pool, sandbox),
        *await _paid_out_once(pool, sandbox),
        *await _made_once(sandbox),
        *await _events_accounted_for(pool, sandbox, strangers),
        *await _as_told(pool, caller),
        *[Breach("a journal of no escrow", dict(row)) for row in await pool.fetch(OF_NO_ESCROW)],
        *caller.breaches,  # last, with what was answered to the checks themselves
    ]


async def _read_as_stored(pool: asyncpg.Pool, caller: Caller) -> list[Breach]:
    """Everybody who reads at once, and so shares loads, is told what there is."""
    requests = [pb.GetEscrowRequest(escrow_id=row[0]) for row in await pool.fetch(ESCROWS)]
    answers = await asyncio.gather(
        *(caller.read("GetEscrow", request) for request in requests * READERS)
    )
    stored = {row[0]: row[1] for row in await pool.fetch(MILESTONES)}
    breaches = [] if all(answers) else [Breach("an escrow is not read", {})]
    for answer in filter(None, answers):
        told = {m.id: pb.MilestoneState.Name(m.state) for m in answer.escrow.milestones}
        there = {id_: f"MILESTONE_STATE_{stored[id_]}" for id_ in told}
        if told != there:
            breaches.append(Breach("an escrow is read otherwise", {"told": told, "is": there}))
    return breaches


async def _verified(pool: asyncpg.Pool) -> list[Breach]:
    """`escrow verify` is clean."""
    report = await verify_books(pool)
    return [Breach(c.name, {"says": c.says, **row}) for c in report.checks for row in c.breaches]


async def _same_books(pool: asyncpg.Pool, sandbox: SandboxClient) -> list[Breach]:
    """The platform and every connected account hold at Stripe what our books say."""
    ours = await held_at_stripe(pool)
    theirs = {
        (account, currency): amount
        for account, held in (await sandbox.balances()).items()
        for currency, amount in held.items()
    }
    return [
        Breach("books differ", {"account": key, "ours": ours.get(key), "stripe": theirs.get(key)})
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key, 0) != theirs.get(key, 0)
    ]


async def _charged_once(pool: asyncpg.Pool, sandbox: SandboxClient) -> list[Breach]:
    """One charge for a paid payment, none for any other, and Stripe has nothing else."""
    charges: dict[str, list[Json]] = {}
    for charge in await sandbox.all_of("/v1/charges"):
        if charge["paid"] and charge["captured"] and ORDER not in charge["metadata"]:
            charges.setdefault(charge["metadata"].get("payment", "?"), []).append(charge)
    intents = Counter(
        intent["metadata"].get("payment", "?")
        for intent in await sandbox.all_of("/v1/payment_intents")
        if ORDER not in intent["metadata"]
    )
    breaches = []
    for row in await pool.fetch(PAYMENTS):
        made = charges.pop(row["id"], [])
        wanted = [row["stripe_charge"]] if row["state"] == "SUCCEEDED" else []
        paid = all(charge["amount_captured"] == row["amount_minor"] for charge in made)
        tried = intents.pop(row["id"], 0)
        if [c["id"] for c in made] != wanted or not paid or tried > 1:
            charged = [(c["id"], c["amount_captured"]) for c in made]
            facts = {**row, "payment_intents": tried, "charges": charged}
            breaches.append(Breach("not charged exactly once", facts))
    return breaches + _strangers("charge", charges) + _strangers("payment intent", intents)


async def _transferred_once(pool: asyncpg.Pool, sandbox: SandboxClient) -> list[Breach]:
    """One transfer for each release that brought the payee anything."""
    transfers = await sandbox.all_of("/v1/transfers")
    made = _by_metadata((t for t in transfers if ORDER not in t["metadata"]), "release")
    breaches = []
    for row in await pool.fetch(RELEASES):
        found = made.pop(row["id"], [])
        converted, sent = row["transfer_minor"], row["sent_minor"]
        taken = sent if converted is None else converted
        done = row["state"] == "TRANSFERRED" and sent and taken
        wanted = [(row["stripe_transfer"], taken)] if done else []
        if found != wanted:
            breaches.append(Breach("not transferred exactly once", {**row, "transfers": found}))
    return breaches + _strangers("transfer", made)


async def _paid_out_once(pool: asyncpg.Pool, sandbox: SandboxClient) -> list[Breach]:
    """One payout for each that Stripe did not refuse, in the state that Stripe tells."""
    made: dict[str, list[tuple[str, int, str]]] = {}
    for row in await pool.fetch(ACCOUNTS):
        for payout in await sandbox.all_of("/v1/payouts", account=row[0]):
            told = (payout["id"], payout["amount"], payout["status"].upper())
            made.setdefault(payout["metadata"].get("payout", "?"), []).append(told)
    breaches = []
    for row in await pool.fetch(PAYOUTS):
        found = made.pop(row["id"], [])
        ours = (row["stripe_payout"], row["amount_minor"], row["state"])
        if found != ([] if row["state"] == "REJECTED" else [ours]):
            breaches.append(Breach("not paid out exactly once", {**row, "payouts": found}))
    return breaches + _strangers("payout", made)


async def _made_once(sandbox: SandboxClient) -> list[Breach]:
    """One customer and one account for each party."""
    made = Counter(
        customer["metadata"].get("payer", "?") for customer in await sandbox.all_of("/v1/customers")
    ) + Counter(
        account["metadata"].get("payee", "?") for account in await sandbox.all_of("/v1/accounts")
    )
    return [Breach("made twice", {"of": of, "times": n}) for of, n in made.items() if n > 1]


async def _events_accounted_for(
    pool: asyncpg.Pool, sandbox: SandboxClient, strangers: Strangers
) -> list[Breach]:
    """Every event of Stripe's is here, and those that the gateway took of forgers; each ended in a
    state that says what became of it.
    """
    here = {row["event_id"]: row["type"] for row in await pool.fetch(EVENTS)}
    told = {event["id"]: event["type"] for event in await sandbox.events()}
    breaches = [
        Breach("an event never arrived", {"event": event, "type": told[event]})
        for event in told.keys() - here.keys()
    ]
    breaches += [
        Breach("an event that was taken is not here", {"event": event})
        for event, taken in strangers.forged.items()
        if taken and event not in here
    ]
    breaches += [
        Breach("an event of nobody", {"event": event, "type": here[event]})
        for event in here.keys() - told.keys() - strangers.forged.keys()
    ]
    rows = await pool.fetch(UNACCOUNTED)
    return breaches + [Breach("an event is not accounted for", dict(row)) for row in rows]


async def _as_told(pool: asyncpg.Pool, caller: Caller) -> list[Breach]:
    """As many things were done as clients were told, whatever was repeated or lost."""
    answered = Counter(i.method for i in caller.intentions if i.answer is not None)
    breaches = []
    done = {method: await pool.fetchval(statement) for method, statement in DONE.items()}
    done |= {method: await pool.fetchval(COUNT, kind) for method, kind in OPERATIONS.items()}
    for method, count in done.items():
        if count != answered[method]:
            facts = {"method": method, "answered": answered[method], "done": count}
            breaches.append(Breach("not done exactly once", facts))
    for methods, statement in MADE_BY.items():
        count = await pool.fetchval(statement)
        told = sum(answered[method] for method in methods)
        if "RefundMilestone" in methods:
            told += len(refunds_of_cancellations(caller))
        if "ReleaseMilestone" in methods:
            told += await pool.fetchval(AUTO_RELEASES)  # each of them is proved in timers.py
        if count != told:
            facts = {"method": " or ".join(methods), "answered": told, "done": count}
            breaches.append(Breach("not done exactly once", facts))
    return breaches


def _by_metadata(objects: Iterable[Json], name: str) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for made in objects:
        key = made["metadata"].get(name, "?")
        found.setdefault(key, []).append((made["id"], made["amount"]))
    return found


def _strangers(what: str, left: Mapping[str, object]) -> list[Breach]:
    """Stripe has something that we know nothing of."""
    return [Breach(f"a {what} of nobody", {"of": of, "objects": str(left[of])}) for of in left]
