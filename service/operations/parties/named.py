"""How a request names a party: by the id that it has here, or by the caller's own reference."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.errors import FieldViolation, InvalidField


def check_named_once(id_field: str, party_id: str, reference: str) -> Mapping[str, str]:
    """The one that is given, by its field.

    Raises:
        InvalidField: both are given, or neither.
    """
    if bool(party_id) == bool(reference):
        problem = "give this or reference, not both" if party_id else "give this or reference"
        raise InvalidField(FieldViolation(id_field, problem))
    return {id_field: party_id} if party_id else {"reference": reference}
