"""Every operation of Stripe's API that the installed `stripe` package can call.

The package's service classes are generated, one method per operation, and each method states the
HTTP method, the path template and the types of its parameters and of its answer:

    def create(self, params: "TransferCreateParams", options=None) -> "Transfer":
        return cast("Transfer", self._request("post", "/v1/transfers", params=params, ...))

They are read as source, so that finding an operation needs no import and takes milliseconds.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PARAMETER = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what is called, and the annotations of what goes in and comes out."""

    method: str
    """Upper case: `GET`, `POST` or `DELETE`."""
    path: str
    """A template such as `/v1/transfers/{transfer}`."""
    params: str | None
    """The annotation of the parameters' type, None when the operation takes none."""
    returns: str
    """The annotation of the answer's type."""
    module: str
    """The module whose names the two annotations use."""

    @property
    def takes_json(self) -> bool:
        """Whether the parameters travel as a JSON body rather than as a form or a query."""
        return self.path.startswith("/v2/") and self.method == "POST"


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """All operations by method and by path with every parameter written `{}`."""
    found: dict[tuple[str, str], Operation] = {}
    for operation in _read_package():
        found.setdefault((operation.method, PARAMETER.sub("{}", operation.path)), operation)
    return found


@cache
def find_operation(method: str, path: str) -> Operation | None:
    """The operation that a request line addresses, None when the package knows no such one.

    Args:
        method: the HTTP method.
        path: a concrete path (`/v1/transfers/tr_1`) or a template (`/v1/transfers/{transfer}`).
    """
    parts = path.rstrip("/").split("/")
    candidates = (
        (template, operation)
        for (candidate_method, template), operation in operations().items()
        if candidate_method == method.upper() and _matches(template.split("/"), parts)
    )
    # `/v1/customers/search` also fits `/v1/customers/{}`: the literal one wins.
    best = min(candidates, key=lambda candidate: candidate[0].count("{}"), default=None)
    return best[1] if best else None


def _matches(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        expected in {"{}", part} for expected, part in zip(template, parts, strict=True)
    )


def _read_package() -> Iterator[Operation]:
    spec = find_spec("stripe")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the stripe package is needed to know Stripe's parameters")
    root = Path(spec.origin).parent
    for path in sorted(root.rglob("_*_service.py")):
        module = ".".join(("stripe", *path.relative_to(root).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield from _read_method(node, module)


def _read_method(node: ast.FunctionDef, module: str) -> Iterator[Operation]:
    for call in ast.walk(node):
        if not (isinstance(call, ast.Call) and _is_request(call.func)):
            continue
        method, path = (_constant(argument) for argument in call.args[:2])
        if method and path and node.returns is not None:
            returns = _annotation(node.returns)
            yield Operation(method.upper(), path, _params(node), returns, module)


def _is_request(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "_request"


def _constant(expression: ast.expr) -> str | None:
    """The text of `"..."` or of the template in `"...".format(...)`."""
    if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
        expression = expression.func.value
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        return expression.value
    return None


def _params(node: ast.FunctionDef) -> str | None:
    for argument in node.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            return _annotation(argument.annotation)
    return None


def _annotation(expression: ast.expr) -> str:
    """The annotation as an expression: forward references are written as text in the source."""
    if isinstance(expression, ast.Constant):
        return str(expression.value)
    return ast.unparse(expression)
