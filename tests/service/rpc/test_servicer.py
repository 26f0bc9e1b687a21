from collections.abc import Mapping

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from escrow.v1 import escrow_service_pb2, party_service_pb2
from service.domain.call import Call
from service.rpc.contract import ContractError, access_table
from service.rpc.interceptors import methods_of
from service.rpc.servicer import Operation, add_services

PARTIES = party_service_pb2.DESCRIPTOR.services_by_name["PartyService"]
ESCROWS = escrow_service_pb2.DESCRIPTOR.services_by_name["EscrowService"]


async def serve(_house: object, _call: Call, _request: object) -> Message:
    raise AssertionError


EVERY_OPERATION: Mapping[str, Operation[object]] = {
    method.name: serve for method in PARTIES.methods
}


async def test_a_method_without_an_operation_refuses_to_start() -> None:
    operations = {name: op for name, op in EVERY_OPERATION.items() if name != "GetPayer"}

    with pytest.raises(ContractError, match="no operation serves: GetPayer"):
        add_services(grpc.aio.server(), None, [PARTIES], operations)


async def test_an_operation_without_a_method_refuses_to_start() -> None:
    with pytest.raises(ContractError, match="the contract has no method: GetPayr"):
        add_services(grpc.aio.server(), None, [PARTIES], {**EVERY_OPERATION, "GetPayr": serve})


def test_every_method_of_the_contract_says_who_may_call_it() -> None:
    table = access_table([PARTIES, ESCROWS])

    assert len(table) == len(PARTIES.methods) + len(ESCROWS.methods)
    assert all(table.values())
    assert set(methods_of([PARTIES, ESCROWS])) == set(table)


def _service_with(method: descriptor_pb2.MethodDescriptorProto, package: str) -> ServiceDescriptor:
    method.name = "Do"
    method.input_type = method.output_type = ".escrow.v1.GetPayerRequest"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto",
        package=package,
        syntax="proto3",
        dependency=[party_service_pb2.DESCRIPTOR.name],
        service=[descriptor_pb2.ServiceDescriptorProto(name="Service", method=[method])],
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(f"{package}.Service")


def test_a_method_without_access_refuses_to_start() -> None:
    service = _service_with(descriptor_pb2.MethodDescriptorProto(), "servicer_test.open")

    with pytest.raises(ContractError, match=r"Service\.Do: the access option must name a role"):
        access_table([service])


def test_a_stream_refuses_to_start() -> None:
    method = descriptor_pb2.MethodDescriptorProto(server_streaming=True)
    method.options.CopyFrom(PARTIES.methods[0].GetOptions())
    service = _service_with(method, "servicer_test.stream")

    with pytest.raises(ContractError, match="streams are not served yet"):
        methods_of([service])
