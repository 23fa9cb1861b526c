"""What a key may do; each scope holds those before it."""

from enum import StrEnum


class Scope(StrEnum):
    """Look; ask for work; rule over keys."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def covers(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)
