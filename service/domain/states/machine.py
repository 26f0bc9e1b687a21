"""What a state machine is: which event leads where, and which parties may cause it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from service.domain.call import Party
from service.domain.errors import PartyNotAllowed, WrongState

S = TypeVar("S", bound=StrEnum)
V = TypeVar("V", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Edge(Generic[S]):
    """Where an event leads, and which parties may cause it."""

    to: S
    parties: frozenset[Party]


def edge(to: S, *parties: Party) -> Edge[S]:
    return Edge(to, frozenset(parties))


@dataclass(frozen=True, slots=True)
class Machine(Generic[S, V]):
    """A table of edges. ``title`` and ``note`` are printed above it by ``make docs``."""

    title: str
    edges: Mapping[tuple[S, V], Edge[S]]
    note: str = ""

    def allows(self, state: S, event: V) -> bool:
        return (state, event) in self.edges

    def open_to(self, state: S) -> Mapping[Party, list[V]]:
        """What each party may cause in this state, in the order of the parties and of the table."""
        edges = [(event, edge) for (before, event), edge in self.edges.items() if before is state]
        open_ = {party: [e for e, edge in edges if party in edge.parties] for party in Party}
        return {party: events for party, events in open_.items() if events}

    def follow(self, subject: str, state: S, event: V, party: Party) -> S:
        """The state of ``subject``, an id ("mst_..."), after ``event``.

        Raises:
            WrongState: the table has no such edge.
            PartyNotAllowed: it has, but not for this party.
        """
        found = self.edges.get((state, event))
        if found is None:
            raise WrongState(
                f"{subject} is {state.value}: {event.value.replace('_', ' ')} is not possible.",
                subject_id=subject,
                state=state.value,
                event=event.value,
            )
        if party not in found.parties:
            allowed = ", ".join(sorted(found.parties))
            raise PartyNotAllowed(
                f"Only {allowed} may do this ({event.value}); say who acts with the metadata key"
                " escrow-party.",
                party=party.value,
                allowed=allowed,
            )
        return found.to


class Stateful(Protocol[S, V]):
    """A record with a state, and the machine that moves it."""

    state: S

    @property
    def machine(self) -> Machine[S, V]: ...

    @property
    def public_id(self) -> str: ...


def in_order(ranks: Iterable[StrEnum]) -> str:
    """States as the documents show an order of them."""
    return " < ".join(f"`{state}`" for state in ranks)
