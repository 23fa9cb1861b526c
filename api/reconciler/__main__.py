"""`python -m api.reconciler`, the same as `python -m api reconcile`."""

import sys

from api.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["reconcile"]))
