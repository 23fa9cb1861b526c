"""A process that runs the worker again and again, as it is told: arguments as a line of JSON in, the exit code out."""

import json
import os
import sys

from worker.main import main

if __name__ == "__main__":
    wire = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the worker's own lines go where errors go
    print("ready", file=wire)
    for line in sys.stdin:
        print(int(main(json.loads(line))), file=wire)
