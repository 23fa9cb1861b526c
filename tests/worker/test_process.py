"""What a process of the worker's is prepared for."""

import ctypes
import subprocess
import sys

import pytest

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


_PAGES = """
import ctypes
from worker import process


class Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks apart _ _ _ _ _".split()]


def apart():
    bytes(3 << 20)  # what glibc has seen freed once it takes from the heap
    page = bytes(3 << 20)
    return read().apart >= len(page)


read = ctypes.CDLL(None).mallinfo2
read.restype = Memory
process.prepare()
with process.pages_apart():
    within = apart()
print(within, apart())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc 2.33 or newer")
def test_pages_have_memory_of_their_own() -> None:
    """While pages come, each is the system's again at once; later, when there are none, the heap serves all."""
    ended = subprocess.run([sys.executable, "-c", _PAGES], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "False"]
