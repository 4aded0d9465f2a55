"""Which requests a route's target serves: the shape of its conditions. Pure."""

from typing import Any

_LISTS = ("agents", "teams")
_COUNTS = ("min_input_tokens", "max_input_tokens")


def check_conditions(conditions: Any) -> None:
    """Raise ValueError, whose sentence says what is wrong with them."""
    if not isinstance(conditions, dict):
        raise ValueError("Conditions are an object of names and values.")
    for name, value in conditions.items():
        if name in _LISTS:
            _check_list(name, value)
        elif name in _COUNTS:
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} is a whole number.")
        elif name != "metadata":
            raise ValueError(f"{name} is no condition.")
        elif not isinstance(value, dict):
            raise ValueError("metadata is an object of names and values.")


def _check_list(name: str, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} is a list of slugs.")
