import inspect

from service.rpc.services import OPERATIONS, SERVICES

METHODS = {method.name for service in SERVICES for method in service.methods}


def test_every_method_has_its_line_and_every_line_its_method() -> None:
    assert set(OPERATIONS) == METHODS


def test_every_method_is_served_by_the_operation_of_its_name_in_the_file_of_its_name() -> None:
    for name, operation in OPERATIONS.items():
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        folder, _, file = inspect.unwrap(operation).__module__.rpartition(".")
        assert (operation.__name__, file) == (snake, snake)
        assert folder.startswith("service.operations.")
