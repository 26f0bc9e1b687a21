"""How a thing of the contract is told to people."""

from escrow.v1 import dispute_service_pb2 as pb
from service.cli.operating import text_of
from tests.service.operations.marketplace import usd


def test_a_list_within_a_fact_is_on_its_line() -> None:
    shares = [
        pb.DisputeShare(payee_id="pye_1", amount_minor=2_000),
        pb.DisputeShare(payee_id="pye_2", amount_minor=4_000),
    ]
    offer = pb.DisputeOffer(number=1, offered_by="payer", to_payer=usd(4_000), payees=shares)
    dispute = pb.Dispute(offer=offer)

    assert text_of(dispute, "offer", dispute.offer) == (
        "number 1, offered_by payer, to_payer 40.00 USD,"
        " payees payee_id pye_1, amount_minor 2000; payee_id pye_2, amount_minor 4000"
    )
