"""One tenant's Stripe: sends effects, finds lost ones, fetches objects."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, Self

import aiohttp
import stripe

from service.admission import aside
from service.domain.errors import StripeRefused, StripeUnavailable
from service.domain.records.effect import Effect
from service.domain.records.parties import AccountApi
from service.domain.return_hosts import ReturnHosts
from service.domain.settlement import Settlement
from service.stripe.exchange_rates import ExchangeRates
from service.stripe.objects.account import ACCOUNT_V2_FIELDS
from service.stripe.objects.values import Unreadable
from service.stripe.outcomes import (
    NO_ACCESS,
    RATE_LIMIT_RETRY_S,
    Lost,
    NotAsked,
    Outcome,
    Postponed,
    Rejected,
    Succeeded,
    outcome_of,
)
from service.stripe.tracing import calling, record_answer

# The SDK types its parameters as TypedDicts, which the stored parameters no longer are: they were
# written by effects/, and the sandbox checks every one of them against those types.
Client = Any
Options = dict[str, Any]
Object = dict[str, Any]
Send = Callable[[Client, Effect, Options], Awaitable["SdkObject"]]
Find = Callable[[Client, Effect, Options], Awaitable[Object | None]]
Fetch = Callable[[Client, Effect, str, Options], Awaitable["SdkObject"]]


class SdkObject(Protocol):
    """What the SDK answers."""

    def to_dict(self) -> dict[str, Any]: ...


API_VERSION = "2026-10-28.endive"
CALL_TIMEOUT_S = 25.0  # of a call with its retries; after it the outcome is unknown
READ_TIMEOUT_S = 10.0
HTTP_TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=3.0)
TURN_TIMEOUT_S = 10.0  # for a turn within our own rate limit
MOST_OF_A_PAGE = 100
EFFECTS_SHARE, WORKERS_SHARE = 0.5, 0.25  # of the rate; what people read has the rest
EVERY_CURRENCY = Settlement()
ANY_HOST = ReturnHosts()

stripe.enable_telemetry = False  # it would write a file into the home directory


class _HTTPClient(stripe.AIOHTTPClient):
    """Turns an answer that was cut in the middle into a connection error, which the SDK retries."""

    async def request_async(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as inherited
        try:
            answer = await super().request_async(*args, **kwargs)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]  # so in the SDK
                f"The answer was cut: {type(error).__name__}.", should_retry=True
            ) from error
        _, status, headers = answer
        record_answer(status, headers.get("Request-Id"))
        return answer


def _of(account: str) -> Options:
    """Of a connected account; the platform's own when there is none."""
    return {"stripe_account": account} if account else {}


def _with_id(answer: Object, object_id: str) -> Object:
    if answer.get("id") != object_id:
        raise Unreadable(f"asked for {object_id}, and got {answer.get('id')!r}")
    return answer


class TokenBucket:
    """Keeps calls below a rate: ``rate_per_s`` on average, bursts of as many."""

    def __init__(self, rate_per_s: float) -> None:
        self._interval_s = 1.0 / rate_per_s
        self._next_at = 0.0

    async def take(self, *, most_s: float) -> bool:
        """Waits for a turn; False, at once, when it would come later than in ``most_s``."""
        now = time.monotonic()
        turn_at = max(self._next_at, now - 1.0) + self._interval_s
        if turn_at - now > most_s:
            return False
        self._next_at = turn_at
        try:
            await asyncio.sleep(max(0.0, turn_at - now))
        except asyncio.CancelledError:
            self._next_at -= self._interval_s  # a canceled call leaves its turn to the others
            raise
        return True


class StripeGateway:
    """A tenant's account at Stripe, how it settles, and where its people are sent back to.

    ``environment`` begins every idempotency key.
    """

    def __init__(
        self,
        secret_key: str,
        *,
        environment: str,
        api_base: str | None = None,
        livemode: bool = False,
        rate_per_s: float = 20.0,
        settlement: Settlement = EVERY_CURRENCY,
        return_hosts: ReturnHosts = ANY_HOST,
    ) -> None:
        self.settlement = settlement
        self.return_hosts = return_hosts
        self.exchange_rates = ExchangeRates(self.fetch_exchange_rates)
        self.livemode = livemode
        self.environment = environment
        self._session: aiohttp.ClientSession | None = None
        self._secret_key = secret_key
        self._api_base = api_base
        # People who reload a payment page must not keep transfers waiting, nor a sweep that reads
        # much the people.
        self.effects = TokenBucket(rate_per_s * EFFECTS_SHARE)
        self.reads = TokenBucket(rate_per_s * (1 - EFFECTS_SHARE - WORKERS_SHARE))
        self.reads_of_workers = TokenBucket(rate_per_s * WORKERS_SHARE)

    async def __aenter__(self) -> Self:
        self._connect(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50), timeout=HTTP_TIMEOUT)
        )
        return self

    def take_over(self, other: StripeGateway) -> Self:
        """Opens this one with the connections of an open one, in whose place it is: the calls that
        are under way there end as they began.
        """
        assert other._session is not None
        self._connect(other._session)
        return self

    def _connect(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        base = self._api_base
        self._client = stripe.StripeClient(
            self._secret_key,
            http_client=_HTTPClient(session=session, timeout=HTTP_TIMEOUT),
            max_network_retries=2,
            stripe_version=API_VERSION,
            base_addresses={"api": base, "files": base} if base else {},
        )

    @property
    def for_workers(self) -> Self:
        """The same, with turns of its own for reading."""
        other = copy.copy(self)
        other.reads = self.reads_of_workers
        return other

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    def _key_of(self, effect: Effect) -> str:
        return f"{self.environment}:{effect.kind}:{effect.effect_id.hex}:{effect.generation}"

    async def send(self, effect: Effect, send: Send) -> Outcome:
        """Makes the call of an effect by its kind's ``send``; the answer says what is known."""
        options: Options = {"idempotency_key": self._key_of(effect)}
        if effect.stripe_account:
            options["stripe_account"] = effect.stripe_account
        if not await self.effects.take(most_s=TURN_TIMEOUT_S):
            return Postponed("our own rate limit", RATE_LIMIT_RETRY_S)
        try:
            with calling(effect.kind, effect):
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    answer = await send(self._client, effect, options)
            return Succeeded(answer.to_dict())
        except NotAsked as why:
            return Rejected(why.code, str(why))
        except Exception as error:  # noqa: BLE001  whatever it was, the call may have been executed
            return outcome_of(error)

    async def find(self, effect: Effect, find: Find) -> Outcome | None:
        """Looks for what an effect has made: Succeeded, None when there is nothing, else Lost."""
        options: Options = {}
        if effect.stripe_account:
            options["stripe_account"] = effect.stripe_account
        if not await self.effects.take(most_s=TURN_TIMEOUT_S):
            return Lost("our own rate limit")
        try:
            with calling(f"find {effect.kind}", effect):
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    found = await find(self._client, effect, options)
            return Succeeded(found) if found is not None else None
        except Exception as error:  # noqa: BLE001  an answer that cannot be read says nothing
            refused = outcome_of(error)
            if isinstance(refused, Rejected) and refused.code == NO_ACCESS:
                return Lost(f"look-up: {NO_ACCESS}", strange=True, no_access=True)
            return Lost(f"look-up: {type(error).__name__}")

    async def fetch_made(self, effect: Effect, fetch: Fetch, object_id: str) -> Object:
        """What an effect made, or is said to have made, by its id at Stripe.

        Raises:
            StripeRefused: there is no such object. StripeUnavailable, Unreadable.
        """
        options = _of(effect.stripe_account or "")
        answer = await self._answer(
            f"read {effect.kind}", lambda: fetch(self._client, effect, object_id, options)
        )
        return _with_id(answer, object_id)

    async def fetch_payment_intent(self, intent_id: str) -> Object:
        """A PaymentIntent with its latest charge and that charge's balance transaction."""
        expand = {"expand": ["latest_charge.balance_transaction"]}
        intents = self._client.v1.payment_intents
        return await self._fetch("payment_intent", intents, intent_id, expand)

    async def fetch_checkout_session(self, session_id: str) -> Object:
        sessions = self._client.v1.checkout.sessions
        return await self._fetch("checkout_session", sessions, session_id, {})

    async def fetch_payout(self, payout_id: str, account: str) -> Object:
        return await self._fetch("payout", self._client.v1.payouts, payout_id, {}, _of(account))

    async def fetch_transfer(self, transfer_id: str) -> Object:
        expand = {"expand": ["balance_transaction"]}
        return await self._fetch("transfer", self._client.v1.transfers, transfer_id, expand)

    async def fetch_reversal(self, transfer_id: str, reversal_id: str) -> Object:
        """The reversal of a transfer."""
        reversals: Any = self._client.v1.transfers.reversals
        answer = await self._answer(
            "read transfer_reversal",
            lambda: reversals.retrieve_async(transfer_id, reversal_id, {}, {}),
        )
        return _with_id(answer, reversal_id)

    async def fetch_charge(self, charge_id: str) -> Object:
        return await self._fetch("charge", self._client.v1.charges, charge_id, {})

    async def fetch_refund(self, refund_id: str) -> Object:
        """A refund with the balance transactions that it caused."""
        expand = {"expand": ["balance_transaction", "failure_balance_transaction"]}
        return await self._fetch("refund", self._client.v1.refunds, refund_id, expand)

    async def fetch_dispute(self, dispute_id: str) -> Object:
        return await self._fetch("dispute", self._client.v1.disputes, dispute_id, {})

    async def fetch_early_fraud_warning(self, warning_id: str) -> Object:
        warnings = self._client.v1.radar.early_fraud_warnings
        return await self._fetch("early_fraud_warning", warnings, warning_id, {})

    async def fetch_exchange_rates(self, currency: str) -> Object:
        """What one unit of a currency comes to in others. Stripe calls this deprecated, and has
        nothing else outside a preview.
        """
        rates = self._client.v1.exchange_rates
        return await self._fetch("exchange_rate", rates, currency.lower(), {})

    async def fetch_balance(self, account: str = "") -> Object:
        """What there is at Stripe: of the platform, or of a connected account."""
        balance: Any = self._client.v1.balance
        options = _of(account)
        return await self._answer("read balance", lambda: balance.retrieve_async({}, options))

    async def fetch_balance_transaction(self, transaction_id: str, account: str) -> Object:
        """With what caused it."""
        resource, expand = self._client.v1.balance_transactions, {"expand": ["source"]}
        name, options = "balance_transaction", _of(account)
        return await self._fetch(name, resource, transaction_id, expand, options)

    async def list_balance_transactions(
        self, account: str, *, since: int | None, after: str | None, before: str | None = None
    ) -> tuple[list[Object], bool]:
        """A page of them with what caused each, newest first, and whether there are more.

        ``since`` is the time in Unix seconds from which on, ``after`` the id that the page before
        ended with; ``before`` asks for those that are newer than an id.

        Raises:
            StripeRefused, StripeUnavailable, Unreadable.
        """
        params: dict[str, Any] = {"limit": MOST_OF_A_PAGE, "expand": ["data.source"]}
        if since is not None:
            params["created"] = {"gte": since}
        if after is not None:
            params["starting_after"] = after
        if before is not None:
            params["ending_before"] = before
        transactions: Any = self._client.v1.balance_transactions
        page = await self._answer(
            "list balance_transactions", lambda: transactions.list_async(params, _of(account))
        )
        data = page.get("data")
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            raise Unreadable("a list of balance transactions without them")
        return data, page.get("has_more") is True

    async def fetch_account(self, api: AccountApi, account_id: str) -> Object:
        if api is AccountApi.V1:
            return await self._fetch("account", self._client.v1.accounts, account_id, {})
        include = {"include": list(ACCOUNT_V2_FIELDS)}
        return await self._fetch("account", self._client.v2.core.accounts, account_id, include)

    async def create_onboarding_link(
        self, api: AccountApi, request: dict[str, Any], key: str
    ) -> Object:
        """A link is no effect: it moves nothing, is single-use, and is never stored.

        Raises:
            StripeRefused, StripeUnavailable.
        """
        links: Any = (
            self._client.v1.account_links
            if api is AccountApi.V1
            else self._client.v2.core.account_links
        )
        options = {"idempotency_key": f"{self.environment}:{key}"}
        return await self._answer(
            "create onboarding_link", lambda: links.create_async(request, options)
        )

    async def refusal_of(
        self, method: str, path: str, parameters: dict[str, Any]
    ) -> stripe.StripeError | None:
        """What Stripe says against a call; None where it takes it.

        Raises:
            StripeUnavailable: it does not answer.
        """
        if not await self.reads.take(most_s=READ_TIMEOUT_S):
            raise StripeUnavailable
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await self._client.raw_request_async(method.lower(), path, **parameters)
        except stripe.APIConnectionError as error:
            raise StripeUnavailable from error
        except stripe.StripeError as error:
            return error
        except (TimeoutError, OSError) as error:
            raise StripeUnavailable from error
        return None

    async def _fetch(
        self,
        name: str,
        resource: Any,  # noqa: ANN401  any service of the SDK
        object_id: str,
        params: dict[str, Any],
        options: Options | None = None,
    ) -> Object:
        """One object, by its id.

        Raises:
            Unreadable: Stripe answered with another object.
            StripeRefused, StripeUnavailable: see ``_answer``.
        """
        if not object_id:  # the SDK would list all objects instead
            raise ValueError("an id of Stripe is missing")
        answer = await self._answer(
            f"read {name}", lambda: resource.retrieve_async(object_id, params, options or {})
        )
        return _with_id(answer, object_id)

    async def _answer(self, operation: str, request: Callable[[], Awaitable[Any]]) -> Object:
        """A call that changes nothing we keep.

        Raises:
            StripeRefused: Stripe's code is in the metadata.
            StripeUnavailable: it did not answer.
        """
        with aside():
            return await self._answer_in_time(operation, request)

    async def _answer_in_time(
        self, operation: str, request: Callable[[], Awaitable[Any]]
    ) -> Object:
        if not await self.reads.take(most_s=READ_TIMEOUT_S / 2):
            raise StripeUnavailable
        try:
            with calling(operation):
                async with asyncio.timeout(READ_TIMEOUT_S):
                    answer: Object = (await request()).to_dict()
                    return answer
        except (stripe.StripeError, TimeoutError, OSError) as error:
            outcome = outcome_of(error)
            if isinstance(outcome, Rejected):
                raise StripeRefused(outcome.message or None, code=outcome.code) from error
            raise StripeUnavailable from error
