"""Random moments that can be had again."""

import os
import secrets
from random import Random


def drawn() -> Random:
    """A generator whose seed is printed, and so shown when the test fails; TEST_SEED gives the same moments again."""
    seed = int(os.environ.get("TEST_SEED", secrets.randbelow(10**6)))
    print(f"TEST_SEED={seed}")  # noqa: T201  pytest shows it with a failure
    return Random(seed)
