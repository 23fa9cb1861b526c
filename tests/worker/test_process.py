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
print("pandas" in sys.modules, pyarrow.default_memory_pool().backend_name)
"""


def test_it_does_without_pandas() -> None:
    """Where pandas is installed pyarrow would import it for the first list; memory comes from the system."""
    ended = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "system"]
