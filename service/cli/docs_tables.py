"""The tables of the domain as Markdown: diagrams of states, an accountant's table, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, replace
from typing import Any

from service.domain.accounts import CHART, DEBIT
from service.domain.call import ApprovalKind, Party
from service.domain.errors import Refusal
from service.domain.fees import FeeRule
from service.domain.money import format_minor
from service.domain.policy import DEFAULT_PERIODS as PERIODS
from service.domain.policy import ApprovalLimits, CurrencyRules
from service.domain.policy_default import DEFAULT_POLICY, DEFAULT_VERSION, PAYEE_FEE, PAYER_FEE
from service.domain.policy_lint import LONGEST_HOURS, lint
from service.domain.postings import POSTINGS, Leg
from service.domain.states.escrow import escrow_state
from service.domain.states.machine import Edge, Machine
from service.domain.states.machines import MACHINES
from service.domain.states.milestone import MilestoneState
from service.policy_documents import left_out
from service.rpc.contract import access_table
from service.rpc.errors import RETRY_AFTER_MS, status_of
from service.rpc.identity.caller import FROM_OUTSIDE
from service.rpc.identity.roles import ROLES, permits
from service.rpc.services import SERVICES

WRITTEN_BY = "<!-- Written by `make docs` from {source}. Do not edit. -->"

Table = Mapping[tuple[Any, Any], Edge[Any]]


def markdown_document(title: str, source: str, *paragraphs: str) -> str:
    return "\n\n".join([WRITTEN_BY.format(source=source), f"# {title}", *paragraphs]) + "\n"


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# --- states -------------------------------------------------------------------------------------


def states() -> str:
    """What may follow what, by which event, and who may cause it."""
    return markdown_document(
        "States",
        "service/domain/states/",
        "What may follow what, by which event, and which party may cause it. Everything else is"
        " refused with WRONG_STATE, and the wrong party with PARTY_NOT_ALLOWED. An event that"
        " begins with `see` is what Stripe shows.",
        *(part for machine in MACHINES for part in _machine(machine)),
        _escrow_states(),
    )


def _machine(machine: Machine[Any, Any]) -> Iterator[str]:
    yield f"## {machine.title}"
    if machine.note:
        yield machine.note
    yield _diagram(machine.edges)
    yield _edges(machine.edges)


def _edges(table: Table) -> str:
    return markdown_table(
        ("from", "event", "to", "who"),
        (
            (state, event, edge.to, ", ".join(sorted(edge.parties)))
            for (state, event), edge in table.items()
        ),
    )


def _diagram(table: Table) -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    first = next(iter(table))[0]
    lines.append(f"    [*] --> {first}")
    moves: dict[tuple[str, str], list[str]] = {}
    for (state, event), edge in table.items():
        moves.setdefault((state, edge.to), []).append(event)
    lines += [f"    {a} --> {b} : {', '.join(events)}" for (a, b), events in moves.items()]
    left = {state for state, _ in table}
    ends = dict.fromkeys(edge.to for edge in table.values() if edge.to not in left)
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join([*lines, "```"])


def _escrow_states() -> str:
    """By the function itself, for every mix of two states."""
    rows: dict[str, list[str]] = {}
    for one in MilestoneState:
        for other in MilestoneState:
            if one <= other:
                mix = one if one is other else f"{one} + {other}"
                rows.setdefault(escrow_state({one, other}), []).append(mix)
    return markdown_table(
        ("escrow", "milestones are all, or some each"),
        ((f"`{state}`", "; ".join(mixes)) for state, mixes in rows.items()),
    )


# --- postings -----------------------------------------------------------------------------------


def postings() -> str:
    """Which event debits and credits which accounts."""
    return markdown_document(
        "Postings",
        "service/domain/postings.py and service/domain/accounts.py",
        "One journal for each fact; debits and credits are equal per book and currency. The words"
        " in parentheses name the amounts.",
        markdown_table(
            ("#", "journal", "debit", "credit"),
            (
                (posting.number, f"`{kind}`", _legs(posting.debit), _legs(posting.credit))
                for kind, posting in POSTINGS.items()
            ),
        ),
        "## Accounts",
        "Those that belong to a person or a milestone have a balance row that may not fall below"
        " zero. The others are append-only, so that no two releases wait for each other.",
        markdown_table(("account", "book", "grows by", "never below zero"), _accounts()),
    )


def _legs(legs: Iterable[Leg]) -> str:
    by_account: dict[str, list[str]] = {}
    for leg in legs:
        by_account.setdefault(leg.account.template, []).append(leg.amount)
    return "<br>".join(f"`{name}` ({' + '.join(of)})" for name, of in by_account.items())


def _accounts() -> Iterator[tuple[str, ...]]:
    posted = {leg.account for posting in POSTINGS.values() for side in posting[1:] for leg in side}
    for account in sorted(CHART, key=lambda account: account.template):
        if account in posted:
            grows = "debit" if account.normal == DEBIT else "credit"
            tracked = "yes" if account.tracked and not account.can_owe else ""
            yield f"`{account.template}`", account.book, grows, tracked


# --- refusals -----------------------------------------------------------------------------------


SHOWN = ("service.domain.errors", "service.rpc.errors")  # others are caught where they are raised


def refusals() -> str:
    """Every refusal: its reason, its gRPC status and what it says."""
    return markdown_document(
        "Refusals",
        "service/domain/errors.py and service/rpc/errors.py",
        "Every error carries an ErrorInfo with the reason and the domain `escrow.v1`. Where a wait"
        " is given, the same request may be sent again after it, with the same request_id.",
        markdown_table(
            ("reason", "status", "again after", "says"),
            (
                (f"`{kind.reason()}`", status_of(kind).name, _wait(kind), _says(kind))
                for kind in _every(Refusal)
                if kind.__module__ in SHOWN and kind is not Refusal
            ),
        ),
    )


def _every(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _every(below)


def _wait(kind: type[Refusal]) -> str:
    waits = (RETRY_AFTER_MS[above] for above in kind.__mro__ if above in RETRY_AFTER_MS)
    wait_ms = next(waits, None)
    return f"{wait_ms / 1000:g} s" if wait_ms else ""


def _says(kind: type[Refusal]) -> str:
    return " ".join((kind.__doc__ or "").split())


# --- policy -------------------------------------------------------------------------------------


def policy() -> str:
    """The policy that a tenant starts on."""
    return markdown_document(
        "The default policy",
        "service/domain/policy_default.py",
        f"Version {DEFAULT_VERSION} of every tenant. Of each milestone the payer pays"
        f" {_share(PAYER_FEE)} on top, and {_share(PAYEE_FEE)} are kept from the payee at release."
        f" What nobody pays for expires after {PERIODS.payment_hours} hours, and what was"
        f" delivered is released after {PERIODS.inspection_hours}."
        " Another policy is applied with `escrow policy apply` or CreatePolicyVersion; an escrow"
        " keeps the version of its creation.",
        "## What holds where a policy does not say otherwise",
        "Beside `currencies`, whose parts are below; `escrow policy show` has it as comments."
        " [The contract](../../proto/escrow/v1/policy_service.proto) says what each does.",
        markdown_table(("place", "it is", "or"), _defaults()),
        "## Currencies",
        "Each has both fees, and these limits of payments and payouts. Another policy can have"
        " `fixed_minor`, `fixed_per`, `least_minor` and `most_minor` in a fee, and"
        " `payout_limits`.",
        markdown_table(
            ("currency", "least payment or payout", "most at once"),
            (_limits(*each) for each in sorted(DEFAULT_POLICY.currencies.items())),
        ),
    )


def _defaults() -> Iterator[tuple[str, str, str]]:
    """What a policy file may leave out."""
    for name, value in left_out(DEFAULT_POLICY).items():
        if isinstance(value, dict):
            for period, hours in value.items():
                yield f"`{name}.{period}`", str(hours), f"1 to {LONGEST_HOURS}"
            continue
        every = type(getattr(DEFAULT_POLICY, name))
        others = [o for o in every if o != value and not lint(replace(DEFAULT_POLICY, **{name: o}))]
        yield f"`{name}`", f"`{value}`", ", ".join(f"`{each}`" for each in others)
    limits = ", ".join(f"`{each.name}`" for each in fields(ApprovalLimits))
    yield "`approvals`", "nothing waits for a second person", f"by currency: {limits}"


def _limits(currency: str, rules: CurrencyRules) -> Iterator[str]:
    yield currency
    for minor in (rules.payment_limits.least_minor, rules.payment_limits.most_minor):
        yield format_minor(minor, currency)


def _share(rule: FeeRule) -> str:
    return f"{rule.basis_points / 100:g} %"


# --- permissions --------------------------------------------------------------------------------


def _limits_of(approvals: Iterable[ApprovalKind], approval_of: AbstractSet[Party]) -> str:
    """What a method waits above, and on whose behalf if not on anybody's."""
    limits = " and ".join(each.lower().replace("_", "-") for each in approvals)
    everybody = not limits or len(approval_of) == len(FROM_OUTSIDE)
    return limits if everybody else f"{limits}, for {', '.join(sorted(approval_of))}"


def permissions() -> str:
    """Who may call what: every method, its permission, for whom, and the built-in roles."""
    access = access_table(SERVICES)
    everybody = len(FROM_OUTSIDE)
    return markdown_document(
        "Permissions",
        "the contract's option `access` and service/rpc/identity/roles.py",
        "A caller's role must permit the method's permission, else the call is refused with"
        " PERMISSION_MISSING; and the caller must act for one of the named parties, else with"
        " PARTY_NOT_ALLOWED. What a party may do with a state is in [states.md](states.md). A role"
        " acts for its first party unless the metadata `escrow-party` names another.",
        markdown_table(
            ("method", "permission", "for", "roles", "waits above the limit of"),
            (
                (
                    f"`{path.rpartition('.')[2]}`",
                    f"`{permission}`",
                    "anybody" if len(parties) == everybody else ", ".join(sorted(parties)),
                    ", ".join(n for n, role in ROLES.items() if permits(role, permission)),
                    _limits_of(approvals, approval_of),
                )
                for path, (permission, parties, approvals, approval_of) in access.items()
            ),
        ),
        "## Roles",
        markdown_table(
            ("role", "permits", "acts for"),
            (
                (
                    f"`{role.name}`",
                    ", ".join(f"`{each}`" for each in role.permissions),
                    ", ".join(role.parties),
                )
                for role in ROLES.values()
            ),
        ),
    )


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "states.md": states,
    "postings.md": postings,
    "refusals.md": refusals,
    "policy.md": policy,
    "permissions.md": permissions,
}
