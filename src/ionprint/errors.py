"""Every error ionprint raises on purpose.

All share one base, so that a caller can catch them together; the command line prints their
message alone and ends with exit code 2. A message says what was got, what was expected, where
(file and line), and what to do.
"""


class IonprintError(Exception):
    """Base of all errors that a user can mend."""


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
