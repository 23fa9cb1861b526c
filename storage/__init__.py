"""The archive's storage, a bucket or a directory, behind one interface with conditional writes.

Used by the worker and by the service; knows neither (docs/decisions/0001-storage-package.md).
"""

from storage.base import AlreadyExists, Changed, NotFound, Stat, StorageError, Store
from storage.opener import open_store

__all__ = ["AlreadyExists", "Changed", "NotFound", "Stat", "StorageError", "Store", "open_store"]
