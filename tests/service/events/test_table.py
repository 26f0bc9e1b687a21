"""The allow-lists of event types: who claims what."""

import pytest

from service.events import accounts, payouts, transfers
from service.events.table import OF_CONNECTED, OF_PLATFORM, merged


def test_the_types_of_all_objects_are_one_table() -> None:
    table = merged([transfers.PLATFORM, payouts.CONNECTED])

    assert table == {**transfers.PLATFORM, **payouts.CONNECTED}


def test_a_type_that_two_files_claim_is_refused() -> None:
    with pytest.raises(ValueError, match=r"claimed twice: transfer\.created, transfer\.reversed"):
        merged([accounts.PLATFORM, transfers.PLATFORM, transfers.PLATFORM])


def test_what_a_connected_account_charges_itself_is_not_ours() -> None:
    paid_for = ("payment_intent.", "charge.", "checkout.", "transfer.")

    assert [type_ for type_ in OF_PLATFORM if type_.startswith(paid_for)]
    assert not [type_ for type_ in OF_CONNECTED if type_.startswith(paid_for)]
