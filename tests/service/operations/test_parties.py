"""Who may do what, for every method: the roles of the contract, the parties of the states."""

import grpc
import pytest

from escrow.client import reason_of
from service.rpc.identity.roles import ROLES
from tests.service.operations.asked import WHY
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, MUTATIONS, ask
from tests.service.operations.marketplace import Marketplace

EVERYBODY = {"payer", "payee", "operator", "service"}
BUYERS, SELLERS = {"payer", "operator", "service"}, {"payee", "operator", "service"}
# As ledger.md tells it, and the contract. What is not here, anybody may do on anybody's behalf.
ALLOWED = {
    "CreateEscrow": BUYERS,
    "FundEscrow": BUYERS,
    "CapturePayment": BUYERS,
    "CancelPayment": EVERYBODY,
    "CancelEscrow": {"payer", "payee", "operator"},
    "RequestCancellation": {"payer", "payee"},
    "DeclineCancellation": {"payer", "payee", "operator"},
    "RequestExtension": {"payer", "payee"},
    "DeclineExtension": {"payer", "payee", "operator"},
    "ProposeAmendment": {"payer", "payee", "operator"},
    "DeclineAmendment": {"payer", "payee", "operator"},
    "SubmitDelivery": {"payee"},
    "OpenDispute": {"payer", "payee"},
    "AddDisputeEvidence": {"payer", "payee", "operator"},
    "ProposeDisputeSplit": {"payer", "payee"},
    "RequestMediation": {"payer", "payee"},
    "RequestChanges": {"payer"},
    "AcceptDelivery": {"payer"},
    "ReleaseMilestone": {"payer", "operator"},
    "PlanRefund": {"payee", "operator"},
    "RefundMilestone": {"payee", "operator"},
    "CreatePayer": BUYERS,
    "GetPayer": BUYERS,
    "ListPayers": BUYERS,
    "UpdatePayer": BUYERS,
    "CreatePayee": SELLERS,
    "GetPayee": SELLERS,
    "ListPayees": SELLERS,
    "UpdatePayee": SELLERS,
    "ReplacePayeeAccount": {"payee", "operator"},
    "CreateOnboardingLink": SELLERS,
    "RequestPayout": SELLERS,
    "GetPayout": SELLERS,
    "ListPayouts": SELLERS,
    "ListEvents": {"operator", "service"},
    "WatchEvents": {"operator", "service"},
}


@pytest.mark.parametrize("party", sorted(EVERYBODY))
@pytest.mark.parametrize("name", sorted(ALLOWED))
async def test_a_party_does_what_is_its_own(
    shared_market: Marketplace, name: str, party: str
) -> None:
    asked = await EVERY_REQUEST[name](shared_market)
    client = shared_market.client(party)

    if party in ALLOWED[name]:
        assert await ask(client, name, asked.request)
    else:
        async with shared_market.refuses("PARTY_NOT_ALLOWED") as refusal:
            await ask(client, name, asked.request)
        assert refusal.metadata["party"] == party
        told = set(refusal.metadata["allowed"].split(", "))
        assert told - {"stripe", "timer"} == ALLOWED[name]


# By the role, what it may call beside what reads; "" stands for reading.
READS = {
    "GetEscrow",
    "ListEscrows",
    "QuoteFees",
    "GetPayment",
    "ListPayments",
    "ListTimeline",
    "ExplainEscrow",
    "WatchEscrow",
    "ListEvents",
    "WatchEvents",
} | {
    *("GetPayer", "ListPayers", "GetPayee", "ListPayees", "GetPayout", "ListPayouts"),
    *("GetRefund", "ListRefunds", "GetDispute", "ListDisputes"),
    *("GetDisputeEvidence", "ListDisputeEvidence"),
}
LOOKS = {"ListEffects", "GetEffect", "ListStripeEvents", "GetStripeEvent"} | {
    *("ListSuspense", "ListPolicyVersions", "ListReceivables", "ListApprovals", "GetApproval"),
    "GetPayeeExposure",
    *("ListChargebacks", "GetChargeback", "PreviewChargebackEvidence", "ListChargebackEvidence"),
}
# Of the payer or the payee, by who opened the dispute: test_disputes.py.
OF_ONE_SIDE = {"RespondToDispute", "AcceptDisputeSplit", "WithdrawDispute"}
INGESTS = {"IngestStripeEvent", "BatchIngestStripeEvents"}
OF_PEOPLE = {
    name
    for name, method in METHODS.items()
    if method.containing_service.name in ("OperatorService", "PolicyService", "ApprovalService")
}
REPAIRS = {"PlaceFreeze", "LiftFreeze", "RefundSuspense", "AdoptRefund", "ResolveRefund"} | {
    *("RedirectShare", "ListReceivables", "WriteOffReceivable", "AdoptReversal"),
    "GetPayeeExposure",
    *("ListChargebacks", "GetChargeback", "PreviewChargebackEvidence", "ListChargebackEvidence"),
    *("StageChargebackEvidence", "SubmitChargebackEvidence", "UploadChargebackEvidenceFile"),
    *("SettleChargeback", "ResolveDispute"),
}
MAY = {
    "service": {*METHODS} - INGESTS - OF_PEOPLE - REPAIRS,
    "reader": READS,
    "support": READS
    | LOOKS
    | {"CreatePayer", "UpdatePayer", "CreatePayee", "UpdatePayee"}
    | {"ReplacePayeeAccount", "CreateOnboardingLink"},
    "finance": READS
    | LOOKS
    | {
        "RequestPayout",
        "CreatePolicyVersion",
        "PlanRefund",
        "RefundMilestone",
        "Approve",
        "Reject",
    },
    "auditor": READS | LOOKS,
    "operator": {*METHODS} - INGESTS,
    "gateway": INGESTS,
}


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_a_role_calls_what_it_permits(shared_market: Marketplace, name: str) -> None:
    asked = await EVERY_REQUEST[name](shared_market)
    for role in ROLES:
        client = shared_market.client(role=role)
        if name not in MAY[role]:
            async with shared_market.refuses("PERMISSION_MISSING") as refusal:
                await ask(client, name, asked.request)
            assert refusal.metadata["method"].endswith(f"/{name}")
            assert refusal.metadata["role"] == role
            continue
        refused_for = ""
        try:
            await ask(client, name, asked.request)
        except grpc.aio.AioRpcError as error:  # the state, or the party
            refused_for = reason_of(error)
        assert refused_for != "PERMISSION_MISSING"


def test_the_table_of_roles_is_whole() -> None:
    assert MAY.keys() == ROLES.keys()


@pytest.mark.parametrize(("role", "party"), [("gateway", "payer"), ("operator", "payee")])
async def test_a_role_acts_for_its_own_parties_only(
    shared_market: Marketplace, role: str, party: str
) -> None:
    asked = await EVERY_REQUEST["AcceptDelivery"](shared_market)

    async with shared_market.refuses("PARTY_NOT_ALLOWED"):
        client = shared_market.client(party, role=role)
        await ask(client, "AcceptDelivery", asked.request)


@pytest.mark.parametrize("name", MUTATIONS)
async def test_an_operator_says_why_and_it_is_kept_under_their_name(
    shared_market: Marketplace, name: str
) -> None:
    """Whatever an operator may change: without a reason nothing is, and with one it is known."""
    if name in INGESTS | OF_ONE_SIDE or "operator" not in ALLOWED.get(name, {"operator"}):
        return
    asked = await EVERY_REQUEST[name](shared_market)
    client = shared_market.client("operator", caller="jo@example.com")

    asked.request.reason = " "
    before = await shared_market.contents()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(client, name, asked.request)
    assert "reason: is required" in str(refused.value.details())
    assert await shared_market.contents() == before

    asked.request.reason = WHY
    await ask(client, name, asked.request)
    kept = await shared_market.owner.fetch(
        "SELECT caller, party, note FROM operations WHERE key LIKE $1 || '%'",
        asked.request.request_id,
    )
    assert kept
    for caller, party, note in kept:
        assert (caller, party) == ("jo@example.com", "operator")
        assert note.endswith(WHY)
