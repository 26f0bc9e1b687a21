import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from escrow.v1 import party_service_pb2
from service.rpc.contract import ContractError, access_table
from service.rpc.edge import methods_of
from service.rpc.identity.roles import ROLES, permits
from service.rpc.services import SERVICES

PARTIES = party_service_pb2.DESCRIPTOR.services_by_name["PartyService"]


def test_every_method_of_the_contract_says_who_may_call_it() -> None:
    table = access_table(SERVICES)

    assert set(table) == {
        f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods
    }
    assert all(access.permission and access.parties for access in table.values())
    assert set(methods_of(SERVICES)) == set(table)


def test_only_the_gateway_may_tell_stripes_events() -> None:
    gateway = {
        path
        for path, access in access_table(SERVICES).items()
        if permits(ROLES["gateway"], access.permission)
    }

    assert gateway == {
        "/escrow.v1.StripeEventService/IngestStripeEvent",
        "/escrow.v1.StripeEventService/BatchIngestStripeEvents",
    }


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

    with pytest.raises(
        ContractError, match=r"Service\.Do: the access option must name a permission"
    ):
        access_table([service])


def test_a_stream_of_requests_refuses_to_start() -> None:
    method = descriptor_pb2.MethodDescriptorProto(client_streaming=True)
    method.options.CopyFrom(PARTIES.methods[0].GetOptions())
    service = _service_with(method, "servicer_test.stream")

    with pytest.raises(ContractError, match="streams of requests are not served"):
        methods_of([service])
