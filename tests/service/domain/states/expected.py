"""A machine held against its table in ledger.md section 4 or design.md section 7.

The tables are written out in the tests: nothing of them is read from the code they hold to account.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from service.domain.call import Party
from service.domain.errors import PartyNotAllowed, WrongState
from service.domain.states.machine import Machine

Edges = Mapping[tuple[str, str], tuple[str, set[str]]]


class Expected:
    """What a machine must be. A line is an edge: state, event, state after, who may cause it."""

    def __init__(
        self,
        machine: Machine[Any, Any],
        states: type[StrEnum],
        events: type[StrEnum],
        table: str,
    ) -> None:
        self.machine, self.states, self.events = machine, states, events
        rows = (line.split() for line in table.strip().splitlines())
        self.edges: Edges = {
            (state, event): (to, set(parties)) for state, event, to, *parties in rows
        }

    def pairs(self) -> Sequence[Any]:
        """Every state with every event, for parametrize."""
        return [
            pytest.param(state, event, id=f"{state}-{event}")
            for state, event in product(self.states, self.events)
        ]

    def check_names(self) -> None:
        """The table speaks of states, events and parties that there are."""
        for (state, event), (to, parties) in self.edges.items():
            assert {state, to} <= set(self.states)
            assert event in set(self.events)
            assert parties <= set(Party)

    def check_pair(self, state: StrEnum, event: StrEnum) -> None:
        """Each party may cause what the table says, and nothing else."""
        machine = self.machine
        edge = self.edges.get((state.value, event.value))

        for party in Party:
            if edge is None:
                with pytest.raises(WrongState) as wrong:
                    machine.follow("xyz_1", state, event, party)
                told = {"state": state.value, "event": event.value}
                assert wrong.value.metadata == {"subject_id": "xyz_1"} | told
            elif party.value in edge[1]:
                assert machine.follow("xyz_1", state, event, party) == edge[0]
            else:
                with pytest.raises(PartyNotAllowed) as refused:
                    machine.follow("xyz_1", state, event, party)
                assert refused.value.metadata["party"] == party.value
                assert set(refused.value.metadata["allowed"].split(", ")) == edge[1]
