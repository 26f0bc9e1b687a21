"""What is sure to be answered about payers and payees."""

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.marketplace import Marketplace


async def _create_payer(market: Marketplace) -> Asked:
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(),
        reason=WHY,
        reference=new_request_id(),
        name="Ann Payer",
        email="ann@example.com",
    )
    return Asked("", request)


async def _get_payer(market: Marketplace) -> Asked:
    return Asked("", party_pb.GetPayerRequest(payer_id=(await market.new_payer()).id))


async def _list_payers(market: Marketplace) -> Asked:
    payer = await market.new_payer()
    filter_ = f'reference = "{payer.reference}" AND email = {payer.email}'
    return Asked("", party_pb.ListPayersRequest(page_size=10, filter=filter_))


async def _list_payees(market: Marketplace) -> Asked:
    payee = await market.new_payee(active=False)
    filter_ = f'reference = "{payee.reference}" AND country = US'
    return Asked("", party_pb.ListPayeesRequest(page_size=10, filter=filter_))


async def _create_payee(market: Marketplace) -> Asked:
    request = party_pb.CreatePayeeRequest(
        request_id=new_request_id(),
        reason=WHY,
        reference=new_request_id(),
        name="Bob Payee",
        email="bob@example.com",
        country="US",
        account_api=party_pb.ACCOUNT_API_V2,
    )
    return Asked("", request)


async def _get_payee(market: Marketplace) -> Asked:
    payee = await market.new_payee(active=False)
    return Asked("", party_pb.GetPayeeRequest(payee_id=payee.id))


async def _get_payee_exposure(market: Marketplace) -> Asked:
    payee = await market.paid_payee()
    return Asked("operator", party_pb.GetPayeeExposureRequest(payee_id=payee.id), role="auditor")


async def _update_payer(market: Marketplace) -> Asked:
    payer = await market.new_payer()
    request = party_pb.UpdatePayerRequest(
        request_id=new_request_id(),
        reason=WHY,
        payer_id=payer.id,
        name="Anna Payer",
        email="anna@example.com",
        etag=payer.etag,
    )
    return Asked("", request)


async def _update_payee(market: Marketplace) -> Asked:
    payee = await market.new_payee(active=False)
    request = party_pb.UpdatePayeeRequest(
        request_id=new_request_id(),
        reason=WHY,
        payee_id=payee.id,
        name="Rob Payee",
        email="rob@example.com",
        country=payee.country,
        etag=payee.etag,
    )
    return Asked("", request)


async def _replace_payee_account(market: Marketplace) -> Asked:
    payee = await market.lost_payee()
    request = party_pb.ReplacePayeeAccountRequest(
        request_id=new_request_id(),
        payee_id=payee.id,
        reason="They closed it by mistake.",
        etag=payee.etag,
    )
    return Asked("payee", request)


async def _create_onboarding_link(market: Marketplace) -> Asked:
    payee = await market.new_payee(active=False)
    request = party_pb.CreateOnboardingLinkRequest(
        request_id=new_request_id(),
        reason=WHY,
        payee_id=payee.id,
        return_url="https://shop.example/payee",
        refresh_url="https://shop.example/payee/again?of=1",
    )
    return Asked("payee", request)


REQUESTS: Requests = {
    "CreatePayer": _create_payer,
    "GetPayer": _get_payer,
    "ListPayers": _list_payers,
    "CreatePayee": _create_payee,
    "GetPayee": _get_payee,
    "GetPayeeExposure": _get_payee_exposure,
    "ListPayees": _list_payees,
    "UpdatePayer": _update_payer,
    "UpdatePayee": _update_payee,
    "ReplacePayeeAccount": _replace_payee_account,
    "CreateOnboardingLink": _create_onboarding_link,
}
