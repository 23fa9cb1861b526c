"""Python client of the service, and what people run in a terminal. Imports nothing of worker or service."""
