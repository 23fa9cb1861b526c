"""What a process of the worker's is prepared for."""

import subprocess
import sys

_SCRIPT = """
import sys
from worker import process

process.prepare()
import worker.main
import pyarrow

pyarrow.array([1])
print({"pandas", "jsonschema"} & sys.modules.keys(), pyarrow.default_memory_pool().backend_name)
"""


def test_it_does_without_what_it_does_not_need() -> None:
    """Where they are installed pyarrow would import pandas for the first list, and pystac jsonschema; memory comes from
    the system."""
    ended = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["set()", "system"]
