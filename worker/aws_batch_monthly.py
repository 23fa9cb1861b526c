"""The entry script under the name that operators know; the same as `python -m worker`."""

import sys

from worker.main import main

if __name__ == "__main__":
    sys.exit(main())
