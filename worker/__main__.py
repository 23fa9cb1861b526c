"""`python -m worker`."""

from worker import process

process.run()
