"""The catalogue that tests of all methods walk is whole, and each folder asks for its own."""

from importlib.util import find_spec

import pytest

from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, PARTS


def test_every_method_of_the_contract_is_in_it() -> None:
    missing, unknown = set(METHODS) - set(EVERY_REQUEST), set(EVERY_REQUEST) - set(METHODS)

    assert (missing, unknown) == (set(), set())


@pytest.mark.parametrize("folder", PARTS)
def test_a_folder_has_the_requests_of_its_own_verbs(folder: str) -> None:
    for method in PARTS[folder]:
        verb = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method)

        assert find_spec(f"service.operations.{folder}.{verb.removeprefix('_')}"), method
