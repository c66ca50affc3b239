"""Every error ionprint raises on purpose.

All share one base, so that a caller can catch them together; the command line prints their
message alone and ends with exit code 2. A message says what was got, what was expected, where
(file and line), and what to do.
"""

import errno
import re

PASSWORD = re.compile(
    r"""([\w+.-]+://[^\s/:@'"]*:)[^\s'"]+@|([?&][^=&\s]*(?:pass|pwd|secret|token|key)
    [^=&\s]*=)[^&\s'"]+""",
    re.IGNORECASE | re.VERBOSE,
)
"""In an address: what stands between the user's name and `@`, and parameters that say so."""


def masked(text: str) -> str:
    """Return a text with the passwords of all addresses in it masked.

    Examples
    --------
    >>> masked("tuning.storage=postgresql://anna:secret@host/studies")
    'tuning.storage=postgresql://anna:***@host/studies'
    """
    return PASSWORD.sub(lambda m: f"{m[1]}***@" if m[1] else f"{m[2]}***", text)


class IonprintError(Exception):
    """Base of all errors that a user can mend; no message of one holds a password."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(masked(arg) if isinstance(arg, str) else arg for arg in args))


class ConfigError(IonprintError, ValueError):
    """A configuration names something that is not there, or holds an impossible value."""


class SpectrumError(IonprintError, ValueError):
    """A spectrum file cannot be read exactly."""


class SheetError(IonprintError, ValueError):
    """The sample sheet and the files beside it do not agree with what a sheet has to say."""


class CalibrationError(IonprintError, ValueError):
    """The mass scale of a spectrum cannot be trusted."""


class FormulaError(IonprintError, ValueError):
    """A text is not a chemical formula."""


class DataError(IonprintError, ValueError):
    """A table lacks what a stage needs: a column, a class, enough spectra."""


class InputError(DataError):
    """A spectrum that is to be read lacks something.

    Attributes
    ----------
    field : str
        Which part of it.
    reason : str
        What was got, what was expected.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class ImageError(DataError):
    """An image, or a part of it, cannot be read."""


class NoWeightsError(DataError):
    """A model has neither weights nor importances to rank ions by."""


class MissingInputError(IonprintError, FileNotFoundError):
    """A stage's input file is not there yet."""

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.args)


class ModelFileError(IonprintError, ValueError):
    """A saved model holds something that is not allowed in it, or is damaged."""


class UnsoundError(IonprintError, ValueError):
    """What a saved model holds cannot be: sizes that do not agree, numbers out of range."""


class TrackingError(IonprintError, RuntimeError):
    """The tracking store or server does not answer."""


class ClusterError(IonprintError, RuntimeError):
    """The scheduler that work is given to does not answer."""


def listed(problems: list[str], most: int = 20) -> str:
    """Join problems into one message, a line each, the first `most` of them in full."""
    lines = [f"  - {p}" for p in problems[:most]]
    if len(problems) > most:
        lines.append(f"  ... and {len(problems) - most} more")
    return "\n".join(lines)


OF_DISK = {
    errno.ENOSPC: "make room on the disk and run it again",
    errno.EDQUOT: "make room within your quota and run it again",
    errno.EACCES: "see who owns it and who may read and write there",
    errno.EPERM: "see who owns it and who may read and write there",
    errno.EROFS: "nothing can be written there; choose another place with outputs=...",
    errno.EISDIR: "a folder is there where a file was expected",
    errno.ENOTDIR: "a file is there where a folder was expected",
    errno.ENOENT: "see whether it was moved",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "close other programs, or raise the limit of open files (ulimit -n)",
    errno.EIO: "the disk failed; see its log",
}
"""What to do, by the number that the system gives."""


def of_disk(error: OSError) -> str:
    """Say what the system refused, of which file, and what to do."""
    what = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename else ""
    advice = OF_DISK.get(error.errno or 0)
    return masked(f"{where}{what}" + (f"; {advice}" if advice else ""))
