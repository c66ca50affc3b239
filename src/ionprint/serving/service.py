"""What a server does with a request: the model it holds, what it takes, what it answers."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import orjson

from ionprint.errors import InputError, IonprintError
from ionprint.serving.given import TABLE, Given, of_file, of_record
from ionprint.serving.model import Model, row_of, to_json
from ionprint.serving.refusal import BODY, Refused
from ionprint.serving.spool import Spool
from ionprint.serving.weighing import LARGE, weigh

MOST_SPECTRA = 1000
"""Spectra in one request."""
MOST_TOLD = 20
"""Problems of one request that are told."""
MOST_PEAKS = 20_000
"""Peaks of one spectrum that is given as a list of them."""
MOST_TABLE = 8 << 20
"""Bytes of a table of peak areas."""
MOST_CELLS = 800_000
"""Cells of one: 1000 spectra of 800 peaks. Each takes 760 bytes to be read, 600 MB."""
MOST_POINTS = 100_000
"""Bins of a spectrum that is sent back to be looked at."""
MOST_SENT = 1_000_000
"""Such bins in one answer."""
EXTRAS = {"rows": "rows", "profile": "profiles"}
"""What may be asked for besides, and where it stands in the answer."""


_TABLES = threading.Lock()
"""One table is read at a time, for its memory."""
Upload = tuple[str, BinaryIO]
"""A file that was sent: its name and content."""


@dataclass
class Service:
    """A model that can be replaced by another while requests are answered.

    Attributes
    ----------
    load : callable
        Loads the model that is to answer now.
    seconds : float
        For the spectra of one request to be read.
    model : Model
    """

    load: Callable[[], Model]
    seconds: float = 60.0
    model: Model = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.model = self.load()

    def reload(self) -> Model:
        """Load the model anew; requests under way are answered by the one they began with.

        Raises
        ------
        IonprintError
            It cannot be loaded; the model that is there goes on answering.
        """
        with self._lock:
            self.model = self.load()
            return self.model

    def records(self, body: bytes) -> list[Any]:
        """Return the records of ``{"spectra": [record, ...]}``, as they are.

        Raises
        ------
        Refused
        """
        request = _parsed(body)
        records = request.get("spectra") if isinstance(request, dict) else None
        if not isinstance(records, list) or set(request) != {"spectra"}:
            raise Refused(422, (BODY, 'expected {"spectra": [...]}, a list of objects'))
        _refuse_many(len(records), "spectra")
        return records

    def of_records(self, records: list[Any], include: tuple[str, ...] = ()) -> tuple[Model, bytes]:
        """Answer records.

        Returns
        -------
        model : Model
            Which answered.
        bytes
            JSON.

        Raises
        ------
        Refused
        """
        sources = [
            (f"spectra[{n}]", partial(_of_record, record, n)) for n, record in enumerate(records)
        ]
        return self._answered(sources, include)

    def of_json(self, body: Spool, include: tuple[str, ...] = ()) -> tuple[Model, bytes]:
        """Answer a body, see `records` and `of_records`; a large one is parsed record by record."""
        if body.size <= LARGE:
            return self.of_records(self.records(body.read()), include)
        weighed = weigh(body.blocks(), MOST_SPECTRA)
        sources = []
        for n, record in enumerate(self.records(weighed.frame)):
            read = partial(_of_record, record, n)
            if isinstance(record, list):  # where a record stood
                read = partial(_of_part, body, weighed.places[record[0]], n)
            sources.append((f"spectra[{n}]", read))
        return self._answered(sources, include)

    def of_files(
        self,
        files: list[Upload],
        numbers: dict[str, str],
        include: tuple[str, ...] = (),
    ) -> tuple[Model, bytes]:
        """Answer for files that were sent, by name and content.

        Parameters
        ----------
        numbers : dict of str to str
            `primary_ions` and `pulses` of all of them, where given.

        Raises
        ------
        Refused
        """
        _refuse_many(len(files), "files")
        more: dict[str, float] = {}
        for name, text in numbers.items():
            try:
                more[name] = float(text)
            except ValueError:
                more[name] = float("nan")
            if not 0 < more[name] < float("inf"):
                raise Refused(422, (name, f"got {text[:40]!r}, expected a number above 0"))
        sources = [
            (f"files[{n}]", partial(_of_sent, name, content, more))
            for n, (name, content) in enumerate(files)
        ]
        return self._answered(sources, include)

    def _answered(
        self, sources: list[tuple[str, Callable[[], list[Given]]]], include: tuple[str, ...]
    ) -> tuple[Model, bytes]:
        """Read and answer one after another, so that one spectrum at a time is in memory."""
        model = self.model  # one model for the whole request, whatever is loaded meanwhile
        until = time.monotonic() + self.seconds
        most = min(MOST_POINTS, MOST_SENT // len(sources))
        parts: dict[str, list[bytes]] = {"predictions": []} | {
            EXTRAS[extra]: [] for extra in EXTRAS if extra in include
        }
        problems: list[tuple[str, str]] = []

        def refuse_late(name: str) -> None:
            if time.monotonic() > until:
                told = f"not all was read within {self.seconds:g} seconds; send fewer at once"
                raise Refused(413, (name, told))

        def spectra() -> Iterator[tuple[str, Given]]:
            for name, read in sources:
                refuse_late(name)
                try:
                    yield from ((name, one) for one in read())
                except IonprintError as exc:
                    problems.append(_problem(name, exc))
                if len(problems) >= MOST_TOLD:
                    return

        for name, one in spectra():
            refuse_late(name)
            _refuse_many(len(parts["predictions"]) + 1, name)
            try:
                answer = model.answer(one)
                parts["predictions"].append(to_json(answer).encode())
                if "rows" in include:
                    parts["rows"].append(to_json(row_of(answer)).encode())
                if "profile" in include:
                    parts["profiles"].append(to_json(profile(model, one, most)).encode())
            except IonprintError as exc:
                problems.append(_problem(name, exc, one))
        if problems:
            raise Refused(422, *problems[:MOST_TOLD])
        # each is written by itself: all at once would lock the interpreter for seconds
        lists = (b'"%s":[%s]' % (part.encode(), b",".join(has)) for part, has in parts.items())
        return model, b"{%s}" % b",".join(lists)

    def about(self) -> dict[str, Any]:
        """Return what the model is, for people and programs that ask."""
        model = self.model
        about = model.about
        return {
            **model.identity,
            "source": model.source,
            "compounds": model.classes,
            "polarity": about["polarity"],
            "choices": {key: about[key] for key in ("normalisation", "scaling", "model")},
            "hyperparameters": about["params"],
            "dataset": about["dataset"],
            "reference_spectra": about["spectra"],
            "peaks": [
                {"mz": round(float(mz), 4), "ion": str(ion)}
                for mz, ion in zip(model.mz, model.ion, strict=True)
            ],
            "reads_exports": model.method is not None,
            "calibrants": model.method.choices.calibrants if model.method else [],
            "needs_primary_ions": model.dose_column is not None,
            "false_alarms": model.reader.false_alarms,
            "presence_thresholds": dict(
                zip(model.classes, model.reader.presence.thresholds.round(4).tolist(), strict=True)
            ),
            "versions": about["versions"],
        }


def profile(model: Model, given: Given, most: int = MOST_POINTS) -> dict[str, Any]:
    """Return a spectrum to be drawn: counts of the bins that have some, on the calibrated scale.

    Neighbouring bins are put together, the fullest shown, where there are more than `most`.
    """
    if given.spectrum is None:
        mz, counts, kind = given.mz, given.areas, "peaks"
    else:
        spectrum = model.method.measure(given.spectrum, given.pulses).calibrated.spectrum
        bins = np.flatnonzero(spectrum.counts)
        every = -(-bins.size // most)
        starts = np.arange(0, bins.size, every) if bins.size else bins
        counts = np.maximum.reduceat(spectrum.counts[bins], starts) if bins.size else bins
        mz, kind = (spectrum.start + spectrum.step * (bins[starts] + 0.5)) ** 2, "spectrum"
    return {
        "name": given.name,
        "kind": kind,
        "bin_width": None if given.spectrum is None else given.spectrum.step,
        "mz": np.round(mz, 5).tolist(),
        "counts": np.round(counts, 2).tolist(),
    }


def _of_record(record: Any, n: int) -> list[Given]:
    return [_bounded(of_record(record, f"spectrum {n + 1}"))]


def _of_part(body: Spool, place: tuple[int, int], n: int) -> list[Given]:
    return _of_record(_parsed(body.read(*place), f"spectra[{n}], "), n)


def _of_sent(name: str, file: BinaryIO, more: dict[str, float]) -> list[Given]:
    content = file.read()
    if name.lower().endswith(TABLE):
        _refuse_large(content)
        with _TABLES:
            return [_bounded(replace(one, **more)) for one in of_file(None, content, name)]
    return [replace(one, **more) for one in of_file(None, content, name)]


def _refuse_large(table: bytes) -> None:
    if len(table) > MOST_TABLE:
        raise InputError("table", f"more than {MOST_TABLE:,} bytes; send it in parts")
    cells = sum(table.count(sign) for sign in b",;\t\n\r")
    if cells > MOST_CELLS:
        told = f"{cells:,} cells, expected {MOST_CELLS:,} at most; send it in parts"
        raise InputError("table", told)


def _bounded(given: Given) -> Given:
    if given.mz is not None and given.mz.size > MOST_PEAKS:
        raise InputError("mz", f"got {given.mz.size:,} peaks, expected {MOST_PEAKS:,} at most")
    return given


def _parsed(body: bytes, where: str = "") -> Any:
    """Return what a body says; NaN, halves of characters and what is not UTF-8 are no JSON."""
    try:
        return orjson.loads(body)
    except ValueError as exc:
        raise Refused(400, (BODY, f"not JSON: {where}{str(exc)[:200]}")) from exc


def _refuse_many(number: int, name: str) -> None:
    if not 1 <= number <= MOST_SPECTRA:
        raise Refused(422, (name, f"got {number}, expected 1 to {MOST_SPECTRA} a request"))


def _problem(where: str, exc: IonprintError, given: Given | None = None) -> tuple[str, str]:
    if isinstance(exc, InputError) and not (given and exc.field == given.name):
        return f"{where}.{exc.field}", exc.reason
    return where, str(exc)
