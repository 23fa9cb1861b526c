"""Harvests one month of HLS metadata from a STAC API into one Parquet partition. Knows nothing of the service."""
