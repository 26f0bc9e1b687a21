"""Turns the type annotations of the `stripe` package into JSON Schema.

Two shapes of the same types are needed. `JSON` is what Stripe answers and what `/v2` requests
carry; `FORM` is what `/v1` requests carry, where every leaf is a string on the wire.

The schemas are closed: an unknown property or an unknown enum value is a violation. The package
writes most enums as `Union[Literal[...], str]` to survive values newer than itself, but a program
that claims to speak the package's API version has no excuse for such a value.

A resource inside another resource (an expanded field, the items of a list) is not inlined, because
Stripe's resources refer to each other without end. It appears as "an object whose `object` is one
of these names", and a checker visits each resource of a document under its own schema.
"""

import inspect
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import typing_extensions
from stripe._request_options import RequestOptions
from stripe._stripe_object import StripeObject, UntypedStripeObject

from stripe_sandbox.schemas.names import UNIONS, Namespace, flatten, namespace_of, resolve

Schema: TypeAlias = dict[str, Any]


class Encoding(Enum):
    """How leaves are written: typed JSON values, or the strings of a form."""

    JSON = "json"
    FORM = "form"


_LEAVES: dict[Encoding, dict[type, Schema]] = {
    Encoding.JSON: {
        str: {"type": "string"},
        int: {"type": "integer"},
        bool: {"type": "boolean"},
        float: {"type": "number"},
        Decimal: {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    },
    # The title is the noun Stripe uses when it refuses the value: "Invalid integer: abc".
    Encoding.FORM: {
        # An empty string asks to unset a parameter; those that can be unset say `Literal[""]`.
        str: {"type": "string", "minLength": 1},
        int: {"type": "string", "title": "integer", "pattern": "^-?[0-9]+$"},
        bool: {"type": "string", "title": "boolean", "enum": ["true", "false"]},
        float: {"type": "string", "title": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
        Decimal: {"type": "string", "title": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    },
}


_LITERALS = frozenset({Literal, typing_extensions.Literal})


class SchemaWriter:
    """Writes the schema of an annotation in one encoding."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding

    def schema(
        self, annotation: object, names: Namespace, bound: Mapping[object, Schema] | None = None
    ) -> Schema:
        """The schema of an annotation.

        Args:
            annotation: a type, a typing construct, or the text of one.
            names: the namespace of the module that wrote the annotation.
            bound: what the type variables of the surrounding generic class stand for.
        """
        annotation = resolve(annotation, names)
        if isinstance(annotation, TypeVar):
            return (bound or {})[annotation]
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is None:
            return self._class(annotation)
        if origin in UNIONS:
            return self._union(flatten(annotation, names), names)
        if origin in _LITERALS:
            return {"enum": [self._literal(value) for value in arguments]}
        return self._generic(origin, [self.schema(a, names, bound) for a in arguments])

    def _generic(self, origin: object, inner: list[Schema]) -> Schema:
        if origin is list:
            return {"type": "array", "items": inner[0]}
        if origin in {dict, UntypedStripeObject}:
            # Emptying a key of a free-form object removes it, so that empty values are fine here.
            return {"type": "object", "additionalProperties": _without_minimum(inner[-1])}
        if origin is typing_extensions.NotRequired:
            return inner[0]
        if not (isinstance(origin, type) and issubclass(origin, StripeObject)):
            raise TypeError(f"no schema is known for the generic type {origin!r}")
        parameters: tuple[TypeVar, ...] = getattr(origin, "__parameters__", ())
        return self._stripe_object(origin, dict(zip(parameters, inner, strict=True)))

    def _class(self, annotation: object) -> Schema:
        if annotation is Any:
            return {}
        if annotation in {None, type(None)}:
            return {"type": "null"}
        if not isinstance(annotation, type):
            raise TypeError(f"no schema is known for the annotation {annotation!r}")
        if annotation in _LEAVES[self._encoding]:
            return dict(_LEAVES[self._encoding][annotation])
        if typing_extensions.is_typeddict(annotation):
            return self.parameters(annotation)
        if issubclass(annotation, StripeObject):
            name = resource_name(annotation)
            return _named_resource([name]) if name else self._stripe_object(annotation, {})
        raise TypeError(f"no schema is known for the class {annotation!r}")

    def parameters(self, params_class: type) -> Schema:
        """The schema of a TypedDict of request parameters, without the per-request options."""
        names = namespace_of(params_class.__module__)
        options = set(RequestOptions.__annotations__) if _has_options(params_class) else set()
        annotations = {
            name: annotation
            for name, annotation in inspect.get_annotations(params_class).items()
            if name not in options
        }
        required: frozenset[str] = getattr(params_class, "__required_keys__", frozenset())
        return {
            "type": "object",
            "properties": {name: self.schema(a, names) for name, a in annotations.items()},
            "required": sorted(set(annotations) & required),
            "additionalProperties": False,
        }

    def resource(self, resource_class: type[StripeObject]) -> Schema:
        """The schema of a whole resource, or of the stub that remains when it was deleted."""
        whole = self._stripe_object(resource_class, {})
        if "deleted" not in whole["properties"]:
            return whole
        # A deleted bank account or card still says its currency.
        kept = {"id", "object", "currency"} & set(whole["properties"])
        stub = {name: whole["properties"][name] for name in kept}
        return {
            "if": {"properties": {"deleted": {"const": True}}, "required": ["deleted"]},
            "then": {
                "type": "object",
                "properties": {**stub, "deleted": {"const": True}},
                "required": ["id", "object", "deleted"],
                "additionalProperties": False,
            },
            "else": whole,
        }

    def _stripe_object(
        self, resource_class: type[StripeObject], bound: Mapping[object, Schema]
    ) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for base in reversed(resource_class.__mro__):
            if not issubclass(base, StripeObject) or base is StripeObject:
                continue
            names = namespace_of(base.__module__)
            for name, written in inspect.get_annotations(base).items():
                annotation = resolve(written, names)
                if name.startswith("_") or typing.get_origin(annotation) is ClassVar:
                    continue
                properties[name] = self.schema(annotation, names, bound)
                if not _is_optional(annotation):
                    required.append(name)
        if bound and not resource_class.__module__.startswith("stripe.v2."):
            # The lists of v1 name themselves, though their class does not annotate it.
            properties["object"] = {"const": resource_class.__dict__["OBJECT_NAME"]}
            required.append("object")
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _union(self, members: list[object], names: Namespace) -> Schema:
        literals = [m for m in members if typing.get_origin(m) in _LITERALS]
        closes_str = any(value for literal in literals for value in typing.get_args(literal))
        kept = [m for m in members if not (m is str and closes_str)]
        resources = [name for member in kept if (name := resource_name(member))]
        schemas: list[Schema] = []
        for member in kept:
            schema = (
                _named_resource(resources) if resource_name(member) else self.schema(member, names)
            )
            if schema not in schemas:
                schemas.append(schema)
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _literal(self, value: object) -> object:
        if self._encoding is Encoding.FORM and not isinstance(value, str):
            return str(value).lower()
        return value


def resource_name(annotation: object) -> str | None:
    """The `object` name of a resource class; None for anything that is not one."""
    if not (isinstance(annotation, type) and issubclass(annotation, StripeObject)):
        return None
    name = annotation.__dict__.get("OBJECT_NAME")
    return name if "object" in inspect.get_annotations(annotation) else None


def _named_resource(names: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": {"object": {"enum": names}},
        "required": ["object"],
    }


def _without_minimum(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "minLength"}


def _is_optional(annotation: object) -> bool:
    return type(None) in typing.get_args(annotation)


def _has_options(params_class: type) -> bool:
    return RequestOptions in typing_extensions.get_original_bases(params_class)
