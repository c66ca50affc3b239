"""A log that nobody outside can fill."""

import logging
import sys
import threading
import time

EVERY = 60.0
"""Seconds between two messages that are alike."""
MOST = 200
"""Kinds of messages told apart; further ones count as one kind."""


class Seldom(logging.Filter):
    """Lets each message through once a minute, and tells how many were left out since.

    Messages are alike by their level, the first line of their text and what was raised; a client
    that is refused a thousand times a second would else write a line, or a traceback, each time.
    """

    def __init__(self, every: float = EVERY) -> None:
        super().__init__()
        self.every = every
        self._kinds: dict[tuple, list[float]] = {}  # when it was told, how many were left out
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a message is to be written."""
        text = record.getMessage()
        raised = record.exc_info[0] if record.exc_info else None
        kind = (record.levelno, text.partition("\n")[0][:200], raised)
        now = time.monotonic()
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= MOST:
                kind = ()
            told = self._kinds.get(kind)
            if told and now - told[0] < self.every:
                told[1] += 1
                return False
            self._kinds[kind] = [now, 0]
        if told and told[1]:
            record.msg, record.args = f"{text.rstrip()} ({told[1]:.0f} more like this before)", ()
        return True


def start_log() -> None:
    """Send what libraries have to say from warnings on to the standard error, each seldom."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # what is wrong with a form is told to its sender
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
