"""Payers and payees as the messages of the API."""

from __future__ import annotations

from collections.abc import Iterable

from escrow.v1 import party_service_pb2 as party_pb
from service.domain.records.parties import Payee, Payer
from service.operations.messages import timestamp


def payer_message(payer: Payer) -> party_pb.Payer:
    return party_pb.Payer(
        id=payer.public_id,
        reference=payer.reference,
        name=payer.name,
        email=payer.email,
        stripe_customer=payer.stripe_customer or "",
        create_time=timestamp(payer.created_at),
        etag=str(payer.version),
    )


def payee_message(payee: Payee, balances: Iterable[party_pb.PayeeBalance] = ()) -> party_pb.Payee:
    return party_pb.Payee(
        id=payee.public_id,
        reference=payee.reference,
        name=payee.name,
        email=payee.email,
        country=payee.country,
        state=party_pb.PayeeState.Value(f"PAYEE_STATE_{payee.state}"),
        account_api=party_pb.AccountApi.Value(f"ACCOUNT_API_{payee.account_api}"),
        stripe_account=payee.stripe_account or "",
        requirements_due=payee.requirements_due,
        balances=balances,
        create_time=timestamp(payee.created_at),
        etag=str(payee.version),
    )
