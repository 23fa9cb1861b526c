"""A process that uses a store as it is told: a line of JSON in, a line of JSON out.

`{"do": "create", "key": ..., "text": ...}` answers with the etag or the name of the fault.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

from storage import StorageError, Store, open_store


def obey(store: Store, order: dict[str, Any]) -> Any:
    key = order.get("key", "")
    match order["do"]:
        case "create":
            return store.create(key, order["text"].encode())
        case "upload":
            return store.upload(key, Path(order["path"]))
        case "publish":
            return store.publish(key, Path(order["path"]), expected=order["expected"])
        case "watch":
            return watch(store, key, size=order["size"], last=order["last"])
        case "limit":  # no file of this process may grow beyond: to the store it is a disk that is full
            return resource.setrlimit(resource.RLIMIT_FSIZE, (order["bytes"], order["bytes"]))
    raise AssertionError(order)


def watch(store: Store, key: str, *, size: int, last: int) -> list[str]:
    """Read until the content is made of the last byte; returns what was seen that was not one byte repeated."""
    torn = []
    while True:
        content = store.get(key)
        if len(content) != size or content.count(content[:1]) != size:
            torn.append(f"{len(content)} bytes of {sorted(set(content))}")
        if content[0] == last:
            return torn


if __name__ == "__main__":
    opened = open_store(sys.argv[1])
    print("ready", flush=True)  # noqa: T201  standard output is the wire
    for line in sys.stdin:
        try:
            answer = {"result": obey(opened, json.loads(line))}
        except StorageError as error:
            answer = {"fault": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)  # noqa: T201  what its test reads
