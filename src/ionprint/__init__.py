"""ionprint: which compounds are on a battery-metal surface, and which ions prove it."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """Give `load` when it is asked for: the rest of ionprint should not wait for it."""
    if name == "load":
        from ionprint.tracking.fetch import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
