"""Serves API requests: authenticate, claim the idempotency key, execute, commit, answer.

Everything between reading the body and writing the answer happens without an await, except where
an armed fault says otherwise; that is what makes every request atomic.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from stripe_sandbox.answers import FAULT_BODIES, UNKNOWN_ERROR, Answer, hang_up, respond
from stripe_sandbox.authentication import authenticate, redacted
from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError, StripeError
from stripe_sandbox.events import Cause
from stripe_sandbox.expand import render
from stripe_sandbox.faults import Fault
from stripe_sandbox.idempotency import Slot, hash_of, key_in_use
from stripe_sandbox.ids import new_id
from stripe_sandbox.older_parameters import to_current, version_of
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Operation
from stripe_sandbox.request_body import read_params
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.schemas.parameters import check_parameters
from stripe_sandbox.store import Transaction
from stripe_sandbox.traffic import Exchange

logger = logging.getLogger(__name__)

CONFLICT, RATE_LIMITED = 409, 429
PROXY_PAGE = "<html><body>Please try again later.</body></html>"


@dataclass(frozen=True)
class Received:
    """One request as it came in, decoded."""

    request_id: str
    api_key: str
    api_version: str
    account: str
    params: dict[str, Any]
    idempotency_key: str | None


class Api:
    """Serves the registered operations."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._state = sandbox.state
        self._registry = sandbox.registry

    def serve(self, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The aiohttp handler of one operation."""

        async def handle(request: web.Request) -> web.StreamResponse:
            request_id = new_id("req")
            fault = self._fault_of(operation, request)
            if fault and fault.kind == "cut_before_effect":
                return hang_up(request)
            received: Received | None = None
            try:
                received = await self._receive(operation, request, request_id)
                if fault and fault.kind == "status" and fault.status == RATE_LIMITED:
                    answer = _refused_by(fault)  # Stripe's limiter comes before its keys
                else:
                    answer = await self._answer(operation, request, received, fault)
            except StripeError as error:
                answer = Answer(error.status, json.dumps(error.body()), error.should_retry)
            except Exception:
                # A bug of the sandbox: nothing was committed, and the log has the traceback.
                logger.exception("%s %s failed", request.method, request.path)
                answer = Answer(500, json.dumps(UNKNOWN_ERROR))
            self._state.traffic.record(_exchange(request, request_id, received, answer))
            return await respond(request, request_id, answer, fault)

        return handle

    def _fault_of(self, operation: Operation, request: web.Request) -> Fault | None:
        """The armed fault for this request, otherwise the one chaos draws for it."""
        armed = self._state.faults.take(request.method, request.path)
        return armed or self._state.chaos.fault_of(
            request.method,
            operation.path,
            has_key=request.method != "GET" and "Idempotency-Key" in request.headers,
        )

    async def _receive(
        self, operation: Operation, request: web.Request, request_id: str
    ) -> Received:
        api_key = authenticate(request.headers.get("Authorization"))
        self._state.keys.check_valid(api_key)
        account = self._acting_account(request.headers, api_key)
        self._state.keys.check_permission(api_key, operation.method, operation.path, account)
        return Received(
            request_id=request_id,
            api_key=api_key,
            api_version=version_of(request.headers.get("Stripe-Version")),
            account=account,
            params=await read_params(request),
            idempotency_key=request.headers.get("Idempotency-Key") or None,
        )

    def _acting_account(self, headers: Mapping[str, str], api_key: str) -> str:
        account = headers.get("Stripe-Account") or headers.get("Stripe-Context")
        platform = self._state.platform
        if not account or account == platform:
            return platform
        if self._state.store.read(platform, "account", account) is None:
            raise InvalidRequestError(
                f"The provided key '{redacted(api_key)}' does not have access to account "
                f"'{account}' (or that account does not exist). Application access may have been "
                "revoked.",
                code="account_invalid",
                status=403,
            )
        return account

    async def _answer(
        self, operation: Operation, request: web.Request, received: Received, fault: Fault | None
    ) -> Answer:
        slot = _slot(request, received)
        if slot is not None:
            stored = self._state.idempotency.claim(slot)
            if stored is not None:
                should_retry = False if stored["status"] >= 500 else None
                return Answer(
                    stored["status"], stored["body"], should_retry, replayed=stored["request_id"]
                )
        try:
            if fault and fault.latency_ms:
                await asyncio.sleep(fault.latency_ms / 1000)
            if fault and fault.kind == "key_in_use" and slot is not None:
                raise key_in_use(slot)
            if fault and fault.kind == "status":
                return _refused_by(fault)
            answer = self._execute(operation, request, received, slot, fault)
        finally:
            if slot is not None:
                self._state.idempotency.release(slot)
        if fault and fault.kind == "error_after_effect":
            return Answer(500, json.dumps(UNKNOWN_ERROR))
        if fault and fault.kind == "page_after_effect":
            return Answer(200, PROXY_PAGE)
        if fault and fault.kind == "altered":
            return Answer(200, json.dumps(json.loads(answer.body) | fault.answer))
        return answer

    def _execute(
        self,
        operation: Operation,
        request: web.Request,
        received: Received,
        slot: Slot | None,
        fault: Fault | None,
    ) -> Answer:
        """Run the operation; its changes and its stored answer are one transaction."""
        stores_error = fault is not None and fault.kind == "stored_error"
        failed = Answer(500, json.dumps(UNKNOWN_ERROR), should_retry=False)
        with_effect = fault is None or fault.effect or not stores_error
        transaction = self._state.store.begin()
        answer = self._run(operation, request, received, transaction) if with_effect else failed
        if stores_error:
            answer = failed
        if slot is not None:
            now = self._state.clock.now()
            record = slot.record(answer.status, answer.body, received.request_id, now)
            transaction.add(received.account, record)
        transaction.commit()
        return answer

    def _run(
        self,
        operation: Operation,
        request: web.Request,
        received: Received,
        transaction: Transaction,
    ) -> Answer:
        """The handler's answer, or its executed refusal; other refusals are raised."""
        params, kept = to_current(
            request.method, request.path, received.api_version, received.params
        )
        check_parameters(operation.method, operation.path, params)
        params |= kept
        expand = Params(params).array("expand")
        params.pop("expand", None)
        call = Call(
            self._state,
            self._registry.reactions,
            transaction,
            received.account,
            Params(params),
            {**request.match_info, "": request.path},
            Cause(received.request_id, received.idempotency_key),
        )
        try:
            answer = operation.handler(call)
            rendered = render(call, self._registry.expansions, answer, expand)
            return Answer(200, json.dumps(rendered))
        except StripeError as error:
            if not error.executed:
                raise
            return Answer(error.status, json.dumps(error.body()), error.should_retry)


def _refused_by(fault: Fault) -> Answer:
    return Answer(fault.status, json.dumps(FAULT_BODIES[fault.status]), fault.status == CONFLICT)


def _slot(request: web.Request, received: Received) -> Slot | None:
    """The idempotency slot of a mutating request that has a key; GETs ignore theirs."""
    if received.idempotency_key is None or request.method == "GET":
        return None
    return Slot(
        account=received.account,
        api_key=received.api_key,
        key=received.idempotency_key,
        method=request.method,
        path=request.path,
        request_hash=hash_of(received.params),
    )


def _exchange(
    request: web.Request, request_id: str, received: Received | None, answer: Answer
) -> Exchange:
    return Exchange(
        id=request_id,
        method=request.method,
        path=request.path,
        params=received.params if received else {},
        api_version=received.api_version if received else None,
        account=received.account if received else None,
        status=answer.status,
        body=answer.body,
        replayed=answer.replayed is not None,
    )
