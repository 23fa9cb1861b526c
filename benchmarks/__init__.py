"""Measurements, one command each, with the peers in the same run."""
