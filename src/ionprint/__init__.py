"""ionprint: which compounds are on a battery-metal surface, and which ions prove it."""

__version__ = "0.1.0"
