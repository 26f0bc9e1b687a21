"""What belongs in one room only, and is found nowhere else in the service.

Read from the syntax tree, so that comments and docstrings may speak of anything.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.domain.accounts import CHART

SERVICE = Path(__file__).parents[2] / "service"
SQL = re.compile(r"^\s*(SELECT\s.+\sFROM|INSERT INTO|UPDATE\s\w+\sSET|DELETE FROM|WITH\s\w+\sAS)\b")
# The beginning of an account's name, up to its first id or to its end.
ACCOUNTS = tuple(account.template.partition("{")[0] for account in CHART)


def files() -> Iterator[Path]:
    yield from sorted(SERVICE.rglob("*.py"))


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every text of a module but its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node


def assigns_a_state(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Attribute) and part.attr == "state":
                    yield node


def spells_an_account(tree: ast.AST) -> Iterator[ast.AST]:
    for node in strings(tree):
        if any(prefix in str(node.value) for prefix in ACCOUNTS):
            yield node


def speaks_sql(tree: ast.AST) -> Iterator[ast.AST]:
    return (node for node in strings(tree) if SQL.match(str(node.value)))


def aborts_a_call(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("abort", "abort_with_status"):
            yield node


# what, how it is found, the only places where it may be (files or folders of service/)
ROOMS: dict[str, tuple[Callable[[ast.AST], Iterator[ast.AST]], set[str]]] = {
    "a record's state is assigned": (assigns_a_state, {"domain/unit.py"}),
    "an account's name is spelled": (spells_an_account, {"domain/accounts.py"}),
    "a statement of SQL": (
        speaks_sql,
        # migrations run before there is a store, and look at the catalog
        {"store", "migrations.py", "database.py", "local/schema_dump.py", "local/postgres"},
    ),
    "a call is aborted": (aborts_a_call, {"rpc/errors.py"}),
}


def places(find: Callable[[ast.AST], Iterator[ast.AST]]) -> list[str]:
    return [
        f"{path.relative_to(SERVICE)}:{getattr(node, 'lineno', 0)}"
        for path in files()
        for node in find(ast.parse(path.read_text()))
    ]


@pytest.mark.parametrize("what", ROOMS)
def test_it_is_found_in_its_room_and_nowhere_else(what: str) -> None:
    find, rooms = ROOMS[what]

    found = places(find)

    assert [place for place in found if not place.startswith(tuple(rooms))] == []
    assert found, "the search finds nothing at all: it would find no stray either"


@pytest.mark.parametrize(
    ("find", "code"),
    [
        (assigns_a_state, "payment.state = 1"),
        (assigns_a_state, "a, payment.state = 1, 2"),
        (spells_an_account, "x = f'liab:payee:{payee}:payable'"),
        (spells_an_account, "x = 'asset:stripe'"),
        (speaks_sql, "x = 'SELECT 1 FROM payments'"),
        (aborts_a_call, "await context.abort(1, 'no')"),
    ],
)
def test_a_stray_would_be_found(find: Callable[[ast.AST], Iterator[ast.AST]], code: str) -> None:
    assert list(find(ast.parse(code)))
