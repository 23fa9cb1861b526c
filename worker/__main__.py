"""`python -m worker`."""

from worker import entry

entry.run()
