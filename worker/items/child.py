"""`python -m worker.items.child`: converts the pages that come on standard input, for `worker.items.pool`."""

import signal
import sys

from worker import process


def main() -> None:
    """Answer each page until there are no more. It is the parent's business when that is, so signals are not heeded."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    process.prepare()
    with process.importing():
        import pyarrow as pa

        from worker.items.convert import Converter
        from worker.items.wire import FAILED, READ, packed, receive, send

    converter = Converter()
    known = 0
    while True:
        try:
            body = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            converted = converter.convert(body)
        except (ValueError, pa.ArrowException) as error:
            send(sys.stdout.buffer, FAILED, str(error).encode())
            continue
        send(sys.stdout.buffer, READ, packed(converted, known))
        known = len(converted.moulds) if converted.moulds is not None else known


if __name__ == "__main__":
    main()
