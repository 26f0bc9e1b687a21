"""What the names in an annotation of the `stripe` package stand for.

The package imports most of its types under `if TYPE_CHECKING:` and quotes them, to keep its import
short. So a name is looked up in its module first, then among those imports.
"""

import ast
import builtins
import importlib
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any, ForwardRef, Union

UNIONS = frozenset({Union, types.UnionType})


class Namespace(dict[str, Any]):
    """The names an annotation in a module may use, with those it imports for type checkers only."""

    def __init__(self, module_name: str) -> None:
        module = importlib.import_module(module_name)
        super().__init__(vars(module))
        self._typing_imports = _typing_imports(module)

    def __missing__(self, name: str) -> object:
        if name not in self._typing_imports:
            return getattr(builtins, name)  # a NameError would say no more than this one
        module_name, original_name = self._typing_imports[name]
        self[name] = getattr(importlib.import_module(module_name), original_name)
        return self[name]

    def evaluate(self, expression: str) -> object:
        # The expression is a type annotation of the installed package, never anyone's input.
        return eval(expression, {}, self)  # noqa: S307


@cache
def namespace_of(module_name: str) -> Namespace:
    """The names visible to annotations in the module of this name."""
    return Namespace(module_name)


def _typing_imports(module: types.ModuleType) -> dict[str, tuple[str, str]]:
    """`local name -> (module, name)` of the imports under `if TYPE_CHECKING:`."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    blocks = (node for node in tree.body if isinstance(node, ast.If))
    imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
    return {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in imports
        for alias in node.names
    }


def resolve(annotation: object, names: Namespace) -> object:
    """The annotation itself in place of its text."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        return resolve(names.evaluate(annotation), names)
    return annotation


def flatten(annotation: object, names: Namespace) -> list[object]:
    """The members of a union, of those in it, and so on; [annotation] when it is none."""
    annotation = resolve(annotation, names)
    if typing.get_origin(annotation) not in UNIONS:
        return [annotation]
    arguments = typing.get_args(annotation)
    return [member for argument in arguments for member in flatten(argument, names)]
