"""Partitions, datasets and what is known of them; all DuckDB lives here."""
