"""What worker, service, infrastructure and tests must agree on, each fact written once.

Imports the standard library and pydantic only, so that anything may import it.
"""
