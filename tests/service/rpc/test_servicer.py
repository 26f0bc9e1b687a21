from collections.abc import Mapping

import grpc
import pytest
from google.protobuf.message import Message

from escrow.v1 import party_service_pb2
from service.domain.call import Call
from service.rpc.contract import ContractError
from service.rpc.edge import Edge
from service.rpc.identity.development import development_identify
from service.rpc.servicer import Operation, add_services

PARTIES = party_service_pb2.DESCRIPTOR.services_by_name["PartyService"]


async def serve(_house: object, _call: Call, _request: object) -> Message:
    raise AssertionError


EDGE = Edge(development_identify({"default"}), default_deadline_s=1)
EVERY_OPERATION: Mapping[str, Operation[object]] = {
    method.name: serve for method in PARTIES.methods
}


async def test_a_method_without_an_operation_refuses_to_start() -> None:
    operations = {name: op for name, op in EVERY_OPERATION.items() if name != "GetPayer"}

    with pytest.raises(ContractError, match="no operation serves: GetPayer"):
        add_services(grpc.aio.server(), None, [PARTIES], operations, EDGE)


async def test_an_operation_without_a_method_refuses_to_start() -> None:
    with pytest.raises(ContractError, match="the contract has no method: GetPayr"):
        add_services(
            grpc.aio.server(), None, [PARTIES], {**EVERY_OPERATION, "GetPayr": serve}, EDGE
        )
