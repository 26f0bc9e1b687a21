"""What others do in the same Stripe account: people in its dashboard, card holders and their banks,
another product, Stripe itself, and somebody who has our webhook secret.

Each step has a generator of its own, as those of the deals have. Stripe may refuse any of it, and
its answer may be lost: what was accepted is known by the marks in its metadata. What carries
``ORDER`` is of the other product, what carries ``BY_HAND`` was done in the dashboard.
"""

import copy
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from service.stripe.gateway import API_VERSION
from stripe_sandbox.webhooks import signature_header
from tests.chaos.currencies import PRESENTED, Currencies, part_minor
from tests.scenarios.sandbox_client import API_KEY, Json
from tests.world import CONNECT_SECRET, PLATFORM_SECRET, World

ORDER, BY_HAND = "order", "by_hand"
STRANGE_SHARE = 0.35  # of the steps
INQUIRY_SHARE = 0.3  # of the disputes
RARE_SHARE = 0.3  # of the chargebacks are no usual ones
RETURNED_SHARE = 0.3  # of the losses
FITTING_SHARE = 0.8  # of the banks' decisions; the others are tried at any time
CARDS = ("pm_card_bypassPending", "pm_card_visa")
MORE: Json = {"reason": "duplicate"}
# Lost at once; resolved by a refund that Stripe makes, or blocked; a compliance case; of more than
# was paid.
RARE: tuple[Json, ...] = (
    {"answerable": False},
    {"prevented": "resolution"},
    {"prevented": "block"},
    {"reason": "noncompliant"},
    MORE,
)
# What Stripe moves by itself, and which way; an adjustment has no cause that anybody could name.
OF_STRIPE = {
    "stripe_fee": -1,
    "tax_fee": -1,
    "reserve_hold": -1,
    "reserve_release": 1,
    "topup": 1,
    "payout": -1,
    "adjustment": -1,
}
OPEN_TRANSFERS = """
SELECT 'eff_' || replace(effect_id::text, '-', '') AS id, request FROM effects
WHERE kind = 'create_transfer' AND state <> 'SUCCEEDED' ORDER BY effect_id"""


@dataclass(eq=False)
class Strangers:
    """The strangers of one seed, and what they remember to have done."""

    world: World
    seed: int
    currencies: Currencies
    share: float = STRANGE_SHARE
    disputes_share: float = 0.0
    """How often they do something about a dispute beside one step of a deal, whatever else."""
    did: Counter[str] = field(default_factory=Counter)
    """How often Stripe, or the gateway, accepted what, as they were told."""
    refunds: set[str] = field(default_factory=set)
    disputes: set[str] = field(default_factory=set)
    reversals: set[str] = field(default_factory=set)
    forged: dict[str, bool] = field(default_factory=dict)
    """The ids of forged events, and whether the gateway has taken them."""

    async def next_step(self, step: int) -> None:
        """What they do beside one step of a deal."""
        rng = random.Random(f"{self.seed} stranger {step}")
        if rng.random() < self.share:
            await rng.choice(ACTS)(self, rng)
        if rng.random() < self.disputes_share:
            await rng.choice(DISPUTES)(self, rng)

    # --- what touches money of ours

    async def refund(self, rng: random.Random) -> None:
        """All of it or a part, in the dashboard."""
        await self._refund(rng, await self._charges(ours=True))

    async def dispute(self, rng: random.Random) -> None:
        """The card's bank takes a charge back, or inquires about it."""
        await self._dispute(rng, await self._charges(ours=True))

    async def decide(self, rng: random.Random) -> None:
        """The bank makes up its mind."""
        disputes = await self._list("/v1/disputes")
        if not disputes:
            return
        chosen = rng.choice(disputes)
        fits = rng.random() < FITTING_SHARE
        verb = rng.choice(VERBS.get(chosen["status"], ANY_VERB) if fits else ANY_VERB)
        amount: dict[str, int] = {}
        if verb == "adjust":
            amount = {"amount": rng.choice((-1, 1)) * rng.randrange(1, 300)}
        elif verb == "lose" and rng.random() < RETURNED_SHARE:
            amount = {"returned": _part(rng, chosen)}
        told = await self._control(f"disputes/{chosen['id']}/{verb}", **amount)
        self.did[f"dispute {verb}{' in part' if 'returned' in amount else ''}"] += bool(told)

    async def warn(self, rng: random.Random) -> None:
        """The card's bank believes that it was fraud, and takes nothing back yet."""
        charges = await self._charges(ours=True)
        if charges:
            told = await self._control(f"charges/{rng.choice(charges)['id']}/warn")
            self.did["early fraud warning"] += bool(told)

    async def reverse(self, rng: random.Random) -> None:
        """A transfer is taken back in the dashboard."""
        transfers = await self._list("/v1/transfers")
        await self._reverse(rng, [t for t in transfers if ORDER not in t["metadata"]])

    async def impersonate(self, rng: random.Random) -> None:
        """The other product's payment carries the id of a payment of ours."""
        intents = await self._intents(ours=True)
        if intents:
            metadata = rng.choice(intents)["metadata"]
            named = {name: metadata[name] for name in ("tenant", "escrow", "payment")}
            await self._pay("impersonation", rng, **named)

    # --- the other product, and Stripe itself

    async def pay_elsewhere(self, rng: random.Random) -> None:
        await self._pay("foreign payment", rng)

    async def refund_elsewhere(self, rng: random.Random) -> None:
        await self._refund(rng, await self._charges(ours=False), "foreign refund")

    async def dispute_elsewhere(self, rng: random.Random) -> None:
        await self._dispute(rng, await self._charges(ours=False), "foreign dispute")

    async def transfer_elsewhere(self, rng: random.Random) -> None:
        """It pays a payee of ours as well, and may take that back."""
        transfers = await self._list("/v1/transfers")
        theirs = [t for t in transfers if ORDER in t["metadata"]]
        if theirs and rng.random() < 0.5:
            await self._reverse(rng, theirs, "foreign reversal")
        elif accounts := await self._list("/v1/accounts"):
            form = {"destination": rng.choice(accounts)["id"], f"metadata[{ORDER}]": "7"}
            amount, currency = str(rng.randrange(100, 3_000)), self.currencies.held(rng)
            told = await self._stripe("/v1/transfers", amount=amount, currency=currency, **form)
            self.did["foreign transfer"] += bool(told)

    async def move(self, rng: random.Random) -> None:
        type_ = rng.choice(list(OF_STRIPE))
        amount_minor = OF_STRIPE[type_] * rng.randrange(1, 900)
        currency = self.currencies.held(rng)
        told = await self._control(
            "balance_transactions", type=type_, amount=amount_minor, currency=currency
        )
        self.did[f"Stripe's {type_}"] += bool(told)

    # --- forgers: rightly signed, and not true

    async def forge_payment(self, rng: random.Random) -> None:
        """It claims that a payment of ours ended, which Stripe does not show, or shows too."""
        status = rng.choice(["succeeded", "succeeded", "canceled"])
        intents = [i for i in await self._intents(ours=True) if i["status"] != status]
        if intents:
            intent = rng.choice(intents)
            paid = {"amount_received": intent["amount"], "latest_charge": f"ch_{_name(rng)}"}
            told = {**intent, "status": status, **(paid if status == "succeeded" else {})}
            await self._tell(rng, f"payment_intent.{status}", told)

    async def forge_intent(self, rng: random.Random) -> None:
        """Another product's paid intent is said to be of a payment of ours."""
        ours, theirs = await self._intents(ours=True), await self._intents(ours=False)
        paid = [intent for intent in theirs if intent["status"] == "succeeded"]
        if ours and paid:
            names = ["metadata", "customer", "transfer_group", "amount", "amount_received"]
            taken = rng.choice(ours)
            claimed = {name: taken[name] for name in names[: rng.randint(1, len(names))]}
            told = {**rng.choice(paid), **claimed}
            await self._tell(rng, "payment_intent.succeeded", told)

    async def forge_transfer(self, rng: random.Random) -> None:
        """It claims a transfer that was refused, or not made yet, or made already."""
        made = [t for t in await self._list("/v1/transfers") if "effect" in t["metadata"]]
        rows = await self.world.pool.fetch(OPEN_TRANSFERS)
        if made:
            told = {**rng.choice(made), "id": f"tr_{_name(rng)}"}
            if rows and rng.random() < 0.7:
                asked = json.loads(rng.choice(rows)["request"])
                asked.pop("expand")
                told |= {**asked, "metadata": dict(asked["metadata"])}
            await self._tell(rng, "transfer.created", told)

    async def forge_payout(self, rng: random.Random) -> None:
        payouts = [
            (account["id"], payout)
            for account in await self._list("/v1/accounts")
            for payout in await self._list("/v1/payouts", account["id"])
        ]
        if payouts:
            account, payout = rng.choice(payouts)
            status = rng.choice(["paid", "failed"])
            await self._tell(rng, f"payout.{status}", {**payout, "status": status}, account)

    async def forge_deauthorization(self, rng: random.Random) -> None:
        if accounts := await self._list("/v1/accounts"):
            account = rng.choice(accounts)["id"]
            application = {"id": f"ca_{_name(rng)}", "object": "application", "name": "Escrow"}
            await self._tell(rng, "account.application.deauthorized", application, account)

    async def forge_threat(self, rng: random.Random) -> None:
        """It claims a refund, a dispute or a warning that does not exist."""
        charges = await self._charges(ours=True)
        if not charges:
            return
        charge = rng.choice(charges)
        object_, prefix, type_ = rng.choice(THREATS)
        told = {
            "id": f"{prefix}_{_name(rng)}",
            "object": object_,
            "amount": charge["amount"],
            "charge": charge["id"],
            "currency": charge["currency"],
            "payment_intent": charge["payment_intent"],
            "metadata": {},
            "status": "needs_response" if object_ == "dispute" else "succeeded",
        }
        await self._tell(rng, type_, told)

    # --- how it is done

    async def _refund(
        self, rng: random.Random, charges: Sequence[Json], kind: str = "refund"
    ) -> None:
        if not charges:
            return
        charge = rng.choice(charges)
        part = {} if rng.random() < 0.4 else {"amount": str(_part(rng, charge))}
        mark = {f"metadata[{BY_HAND}]": "yes"}
        told = await self._stripe("/v1/refunds", charge=charge["id"], **part, **mark)
        if told:
            self.did[kind] += 1
            self.refunds.add(told["id"])

    async def _dispute(
        self, rng: random.Random, charges: Sequence[Json], kind: str = "dispute"
    ) -> None:
        if not charges:
            return
        charge = rng.choice(charges)
        inquiry = rng.random() < INQUIRY_SHARE
        # Also of what was refunded already: a bank does not know.
        amount_minor = charge["amount"] if rng.random() < 0.7 else _part(rng, charge)
        path = f"charges/{charge['id']}/dispute"
        how: dict[str, object] = {"inquiry": inquiry}
        if not inquiry and rng.random() < RARE_SHARE:
            how = rng.choice(RARE)
            if how is MORE:  # by the rate of exchange of the cardholder's bank, say
                amount_minor += _part(rng, charge)
        told = await self._control(path, **{"amount": amount_minor, **how})
        if told:
            rare = [f"{name} {value}" for name, value in how.items() if name != "inquiry"]
            self.did[f"{kind} as an inquiry" if inquiry else kind] += 1
            self.did.update(f"{kind}, {each}" for each in rare)
            self.disputes.add(told["id"])

    async def _reverse(
        self, rng: random.Random, transfers: Sequence[Json], kind: str = "reversal"
    ) -> None:
        if not transfers:
            return
        transfer = rng.choice(transfers)
        part = {} if rng.random() < 0.4 else {"amount": str(_part(rng, transfer))}
        mark = {f"metadata[{BY_HAND}]": "yes"}
        told = await self._stripe(f"/v1/transfers/{transfer['id']}/reversals", **part, **mark)
        if told:
            self.did[kind] += 1
            self.reversals.add(told["id"])

    async def _pay(self, kind: str, rng: random.Random, **metadata: str) -> None:
        """The other product is paid."""
        form = {f"metadata[{name}]": value for name, value in metadata.items()}
        currency = self.currencies.foreign(rng)
        least_minor, step_minor = PRESENTED[currency.upper()]
        amount_minor = rng.randrange(least_minor // 2, 20 * least_minor) // step_minor * step_minor
        told = await self._stripe(
            "/v1/payment_intents",
            amount=str(amount_minor),
            currency=currency,
            confirm="true",
            payment_method=rng.choice(CARDS),
            **{f"metadata[{ORDER}]": "7", "payment_method_types[0]": "card", **form},
        )
        self.did[kind] += bool(told)

    async def _charges(self, *, ours: bool) -> list[Json]:
        charges = await self._list("/v1/charges")
        return [c for c in charges if c["captured"] and _is_ours(c) is ours]

    async def _intents(self, *, ours: bool) -> list[Json]:
        intents = await self._list("/v1/payment_intents")
        return [intent for intent in intents if _is_ours(intent) is ours]

    async def _tell(self, rng: random.Random, type_: str, told: Json, account: str = "") -> None:
        """A signed event of theirs, to our gateway."""
        event = {
            "id": f"evt_forged{_name(rng)}",
            "object": "event",
            "api_version": API_VERSION,
            "created": int((await self.world.sandbox.control("GET", "clock"))["now"]),
            "data": {"object": copy.deepcopy(told)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
            **({"account": account} if account else {}),
        }
        endpoint, secret = ("connect", CONNECT_SECRET) if account else ("platform", PLATFORM_SECRET)
        body = json.dumps(event).encode()
        headers = {"Stripe-Signature": signature_header(body, [secret], int(time.time()))}
        url = f"{self.world.gateway_url}/stripe/default/{endpoint}"
        taken = await self._ask("POST", url, headers=headers, data=body) is not None
        self.forged[str(event["id"])] = taken
        self.did[f"forged {type_}"] += taken

    async def _list(self, path: str, account: str = "") -> list[Json]:
        """The newest of Stripe's list; nothing when Stripe does not answer."""
        told = await self._stripe(path, account, method="GET", limit="50")
        return told["data"] if told else []

    async def _stripe(
        self, path: str, account: str = "", *, method: str = "POST", **form: str
    ) -> Json | None:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        if account:
            headers["Stripe-Account"] = account
        sent: dict[str, Any] = {"params": form} if method == "GET" else {"data": form}
        return await self._ask(method, self.world.sandbox.url + path, headers=headers, **sent)

    async def _control(self, path: str, **body: object) -> Json | None:
        return await self._ask("POST", f"{self.world.sandbox.url}/_sandbox/{path}", json=body)

    async def _ask(self, method: str, url: str, **sent: Any) -> Json | None:  # noqa: ANN401 - aiohttp's
        """None when it was refused, or nobody answered."""
        try:
            async with self.world.sandbox.http.request(method, url, **sent) as answer:
                body = await answer.read()
                if answer.status != 200:
                    return None
                told: Json = json.loads(body or b"{}")
                return told
        except (aiohttp.ClientError, ValueError):
            return None


async def end_disputes(world: World) -> None:
    """What silence would decide is decided, so that time decides nothing any more."""
    waiting = [
        each["id"]
        for each in await world.sandbox.all_of("/v1/disputes")
        if each["status"] in ("needs_response", "appeal_needs_response")
    ]
    for number, dispute_id in enumerate(sorted(waiting)):
        await world.sandbox.control("POST", f"disputes/{dispute_id}/{('lose', 'win')[number % 2]}")


def _is_ours(made: Json) -> bool:
    return ORDER not in made["metadata"]


def _part(rng: random.Random, whole: Json) -> int:
    return part_minor(rng, whole["amount"], whole["currency"])


def _name(rng: random.Random) -> str:
    return f"{rng.getrandbits(80):020x}"


THREATS = (
    ("refund", "re", "refund.created"),
    ("dispute", "du", "charge.dispute.created"),
    ("radar.early_fraud_warning", "issfr", "radar.early_fraud_warning.created"),
)
# What fits a dispute's status at Stripe; it refuses what does not.
UNDECIDED = ("win", "lose", "lose", "lose", "adjust")
VERBS: dict[str, Sequence[str]] = {
    "warning_needs_response": ("escalate", "escalate", "win", "lose"),
    "warning_under_review": ("escalate", "escalate", "win", "lose"),
    "needs_response": UNDECIDED,
    "under_review": (*UNDECIDED, "appeal"),
    "appeal_needs_response": UNDECIDED,
    "appeal_under_review": UNDECIDED,
    "lost": ("win", "win", "appeal", "adjust"),
    "won": ("overturn", "adjust"),
}
ANY_VERB = ("win", "win", "lose", "escalate", "appeal", "overturn", "adjust")
Act = Callable[[Strangers, random.Random], Awaitable[None]]
DISPUTES: Sequence[Act] = (
    *[Strangers.dispute] * 3,
    *[Strangers.decide] * 5,
    Strangers.warn,
)
ACTS: Sequence[Act] = (
    *[Strangers.refund, Strangers.dispute, Strangers.reverse] * 3,
    *[Strangers.pay_elsewhere, Strangers.decide, Strangers.move, Strangers.forge_payment] * 2,
    *[Strangers.forge_payout, Strangers.forge_transfer] * 2,
    *[Strangers.refund_elsewhere, Strangers.dispute_elsewhere, Strangers.transfer_elsewhere],
    *[Strangers.impersonate, Strangers.forge_intent],
    *[Strangers.forge_deauthorization, Strangers.forge_threat],
)
