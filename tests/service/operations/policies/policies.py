"""Policies as an operator applies them."""

from typing import Any

from escrow.client import new_request_id
from escrow.v1 import policy_service_pb2 as pb
from service.domain.fees import FeeRule, FixedPer
from service.domain.policy import CurrencyRules, Policy
from service.operations.policies.messages import policy_message
from tests.service.domain.policies import rules
from tests.service.operations.marketplace import Marketplace

OWN = Policy({"USD": rules()})
"""3 % + 0.30 of the payer, 10 % of the payee, from 2.00 to 500.00."""


def once() -> CurrencyRules:
    """The same, with the fixed part once a payment, and one of 1.00 of the payee."""
    payer_fee = FeeRule(300, 30, FixedPer.PAYMENT)
    return rules(payer_fee=payer_fee, payee_fee=FeeRule(1_000, 1_00, FixedPer.PAYMENT))


def creation(policy: Policy = OWN, **changes: Any) -> pb.CreatePolicyVersionRequest:  # noqa: ANN401  any field
    fields = {"request_id": new_request_id(), "reason": "our own fees"} | changes
    return pb.CreatePolicyVersionRequest(policy=policy_message(policy), **fields)


async def apply(market: Marketplace, policy: Policy = OWN) -> pb.PolicyVersion:
    operators = market.client("operator", role="operator").policies
    return (await operators.CreatePolicyVersion(creation(policy))).version
