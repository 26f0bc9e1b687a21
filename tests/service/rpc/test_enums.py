"""Every state and choice of the domain has its value in the contract; else an answer would fail.

The contract may have more: values that later versions will use.
"""

from enum import StrEnum
from typing import Any

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import party_service_pb2 as party_pb
from service.domain.records.parties import AccountApi
from service.domain.records.payment import CaptureStrategy, PaymentMethod
from service.domain.states.effect import EffectState
from service.domain.states.escrow import EscrowState
from service.domain.states.milestone import MilestoneState
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PaymentState
from service.domain.states.payout import PayoutState

SHOWN: list[tuple[type[StrEnum], Any, str]] = [
    (EscrowState, pb.EscrowState, "ESCROW_STATE"),
    (MilestoneState, pb.MilestoneState, "MILESTONE_STATE"),
    (PaymentState, pb.PaymentState, "PAYMENT_STATE"),
    (PaymentMethod, pb.PaymentMethod, "PAYMENT_METHOD"),
    (CaptureStrategy, pb.CaptureStrategy, "CAPTURE_STRATEGY"),
    (PayeeState, party_pb.PayeeState, "PAYEE_STATE"),
    (AccountApi, party_pb.AccountApi, "ACCOUNT_API"),
    (EffectState, operator_pb.EffectState, "EFFECT_STATE"),
    (PayoutState, party_pb.PayoutState, "PAYOUT_STATE"),
]


@pytest.mark.parametrize(("ours", "theirs", "prefix"), SHOWN, ids=[each[2] for each in SHOWN])
def test_the_contract_has_every_value(
    ours: type[StrEnum],
    theirs: Any,  # noqa: ANN401  a generated enum
    prefix: str,
) -> None:
    assert {f"{prefix}_{value}" for value in ours} <= set(theirs.keys())
