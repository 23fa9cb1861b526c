"""Reads a STAC API that is slow, rate limited and often wrong."""
