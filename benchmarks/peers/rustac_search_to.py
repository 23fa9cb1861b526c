"""A month by `rustac.search_to`: `python -m benchmarks.peers.rustac_search_to URL DATETIME COLLECTIONS FILE`."""

import asyncio
import os
import sys

import rustac

from worker.source.search import PAGE_LIMIT


async def main() -> None:
    url, interval, collections, file = sys.argv[1:]
    found = await rustac.search_to(
        file,
        url,
        collections=collections.split(","),
        datetime=interval,
        limit=PAGE_LIMIT,
        parquet_compression="zstd(3)",
    )
    print(found, flush=True)
    os._exit(0)  # its threads may outlive the interpreter's end, which then aborts


if __name__ == "__main__":
    asyncio.run(main())
