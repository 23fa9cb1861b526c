"""A month by pystac-client and stac-geoparquet, as their documentation has it for items whose columns differ.

`python -m benchmarks.peers.stac_geoparquet_search [--no-collector] URL DATETIME COLLECTIONS FILE`
"""

import gc
import sys

from pystac_client import Client
from stac_geoparquet.arrow import parse_stac_items_to_parquet

from worker.source.search import PAGE_LIMIT


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[0] == "--no-collector":
        gc.disable()
        arguments = arguments[1:]
    url, interval, collections, file = arguments
    search = Client.open(url).search(collections=collections.split(","), datetime=interval, limit=PAGE_LIMIT)
    parse_stac_items_to_parquet(search.items_as_dicts(), output_path=file, schema="ChunksToDisk", compression="zstd")


if __name__ == "__main__":
    main()
