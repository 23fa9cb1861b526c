"""What worker, service, infrastructure and tests must agree on, each fact written once.

Imports the standard library and pydantic only, so that anything may import it.
"""

from importlib.metadata import version

GENERATOR = f"hls-stac-parquet/{version('hls-stac-parquet')}"
"""Names the software to the source and in every file that it writes."""
