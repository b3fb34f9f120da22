"""The program's own version."""

import importlib.metadata
from functools import cache


@cache
def version() -> str:
    """As installed, such as "0.1.0"; "unknown" when run from a folder that was never installed."""
    try:
        return importlib.metadata.version("pinhole")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
