"""Request parameters, read with a type and refused in Stripe's words.

Form bodies carry only text and v2 bodies carry JSON; the readers take both. In a form the empty
string means "unset", so every reader answers its default for it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stripe_sandbox.errors import parameter_invalid, parameter_missing
from stripe_sandbox.store import Json

# How many digits an amount may have; eight where it is not said. Stripe's "Supported currencies".
MOST_DIGITS = {"idr": 12, "lbp": 11, "cop": 10, "huf": 10, "jpy": 10, "inr": 9}


def largest_amount(currency: str) -> int:
    """The most that one amount of a currency can be, in its smallest unit."""
    return int(10 ** MOST_DIGITS.get(currency, 8) - 1)


class Params(Mapping[str, Any]):
    """The decoded parameters of one request, or of one nested hash in it."""

    def __init__(self, values: Mapping[str, Any], prefix: str = "") -> None:
        self.values_by_name = dict(values)
        self.prefix = prefix

    def __getitem__(self, name: str) -> Json:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def name_of(self, name: str) -> str:
        """The parameter's full name as errors show it: `payment_method_data[card][number]`."""
        return f"{self.prefix}[{name}]" if self.prefix else name

    def is_set(self, name: str) -> bool:
        """Whether the caller sent a value that is neither null nor the unsetting empty text."""
        return self.values_by_name.get(name) not in (None, "")

    def require(self, *names: str) -> None:
        """Refuse the request unless every named parameter is set."""
        for name in names:
            if not self.is_set(name):
                raise parameter_missing(self.name_of(name))

    def text(self, name: str, default: str | None = None) -> str | None:
        """A string, or the default."""
        if not self.is_set(name):
            return default
        value = self.values_by_name[name]
        if not isinstance(value, str):
            raise parameter_invalid(self.name_of(name), f"Invalid string: {value}")
        return value

    def required_text(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise parameter_missing(self.name_of(name))
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str | None:
        """One of the allowed values, or the default."""
        value = self.text(name, default)
        if value is not None and value not in allowed:
            listed = ", ".join(allowed[:-1]) + f", or {allowed[-1]}" if allowed[1:] else allowed[0]
            raise parameter_invalid(
                self.name_of(name), f"Invalid {self.name_of(name)}: must be one of {listed}"
            )
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """An integer, or the default; `10.5`, `1e3` and `true` are refused."""
        if not self.is_set(name):
            return default
        value = self.values_by_name[name]
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii():
            return int(value)
        raise parameter_invalid(
            self.name_of(name), f"Invalid integer: {value}", "parameter_invalid_integer"
        )

    def amount(self, name: str = "amount", *, currency: str | None = None) -> int | None:
        """An amount in minor units, at least 1 and at most Stripe's digits for the currency: this
        one, or the one that stands beside it.
        """
        value = self.integer(name)
        if value is None:
            return None
        if value < 1:
            raise parameter_invalid(
                self.name_of(name),
                "This value must be greater than or equal to 1.",
                "parameter_invalid_integer",
            )
        most = largest_amount(currency or str(self.values_by_name.get("currency")).lower())
        if value > most:
            raise parameter_invalid(
                self.name_of(name),
                f"Amount must be no more than {most} in the currency's smallest unit.",
                "amount_too_large",
            )
        return value

    def required_amount(self, name: str = "amount") -> int:
        """An amount that must be there."""
        value = self.amount(name)
        if value is None:
            raise parameter_missing(self.name_of(name))
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        """A boolean, or the default."""
        if not self.is_set(name):
            return default
        value = self.values_by_name[name]
        if value in (True, "true"):
            return True
        if value in (False, "false"):
            return False
        raise parameter_invalid(self.name_of(name), f"Invalid boolean: {value}")

    def hash(self, name: str) -> "Params":
        """A nested hash; an absent one reads as empty."""
        value = self.values_by_name.get(name)
        if value in (None, ""):
            value = {}
        if not isinstance(value, Mapping):
            raise parameter_invalid(self.name_of(name), f"Invalid object: {value}")
        return Params(value, self.name_of(name))

    def array(self, name: str) -> list[Any]:
        """An array; an absent one reads as empty."""
        value = self.values_by_name.get(name)
        if value in (None, ""):
            return []
        if not isinstance(value, list):
            raise parameter_invalid(self.name_of(name), "Invalid array")
        return value

    def hashes(self, name: str) -> "list[Params]":
        """An array of hashes, each of them named by its index in errors."""
        return [
            Params(self._as_hash(element, name), f"{self.name_of(name)}[{index}]")
            for index, element in enumerate(self.array(name))
        ]

    def _as_hash(self, element: object, name: str) -> Mapping[str, Any]:
        if not isinstance(element, Mapping):
            raise parameter_invalid(self.name_of(name), f"Invalid object: {element}")
        return element

    def currency(self, name: str = "currency") -> str:
        """A required three-letter currency, in lower case."""
        value = self.required_text(name)
        if len(value) != 3 or not value.isalpha() or not value.isascii():
            raise parameter_invalid(self.name_of(name), f"Invalid currency: {value}")
        return value.lower()

    def merge_metadata(self, existing: Mapping[str, str] | None = None) -> dict[str, str]:
        """Stripe's merge: sent keys are set, empty ones removed, an empty text clears all."""
        sent = self.values_by_name.get("metadata")
        if sent is None:
            return dict(existing or {})
        if sent == "":
            return {}
        if not isinstance(sent, Mapping):
            raise parameter_invalid(self.name_of("metadata"), "Invalid object")
        merged = dict(existing or {})
        for key, value in sent.items():
            if value in (None, ""):
                merged.pop(key, None)
            else:
                merged[key] = self._metadata_value(key, value)
        if len(merged) > 50:
            raise parameter_invalid(
                self.name_of("metadata"), "You can only have 50 keys in metadata."
            )
        return merged

    def _metadata_value(self, key: str, value: object) -> str:
        name = f"{self.name_of('metadata')}[{key}]"
        if not isinstance(value, str):
            raise parameter_invalid(name, "Metadata values must be strings.")
        if len(key) > 40:
            raise parameter_invalid(name, "Metadata keys can only be up to 40 characters.")
        if len(value) > 500:
            raise parameter_invalid(name, "Metadata values can only be up to 500 characters.")
        return value
