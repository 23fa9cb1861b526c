"""The entry script under the name that operators know; the same as `python -m worker`."""

from worker import entry

if __name__ == "__main__":
    entry.run()
