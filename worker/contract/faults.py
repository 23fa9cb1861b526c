"""Pydantic's faults in the contract's own words."""

from pydantic import ValidationError


def faults_of(error: ValidationError) -> list[tuple[str, str]]:
    """For every faulty field its dotted path (empty for the whole) and what is wrong with it."""
    return [
        (".".join(str(part) for part in fault["loc"]), fault["msg"].removeprefix("Value error, "))
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
