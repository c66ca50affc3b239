"""What large JSON would become in memory, told from its bytes before it is parsed.

A parser makes objects of ten to fifty times a body's bytes (`[],[],[]` is the worst), all at once
and with the interpreter locked. So a large body is first looked through for its structure: numbers,
lists and texts are counted against the most that spectra can need, and each spectrum's place is
found, so that one at a time is parsed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ionprint.serving.given import FIELDS
from ionprint.serving.refusal import BODY, Refused

LARGE = 1 << 20
"""Bytes from which on a body is weighed: what is smaller takes 50 MB at most, for 20 ms."""
MOST_NUMBERS = 6_000_000
"""Numbers of one spectrum: channel, m/z and counts of 2,000,000 bins, which is a flight time of
200 us in bins of 100 ps. Parsed they take 56 bytes each, 340 MB, and lock the interpreter for
0.2 s."""
DEPTH = 4
"""Of a number: within the body's object, the list of spectra, a spectrum, a list in that."""
RECORD = 3
"""Depth of a spectrum."""
LISTS = 3
"""Of one spectrum: channel, m/z, counts."""
QUOTE, BACKSLASH = b'"'[0], b"\\"[0]
STEP = np.zeros(256, np.int8)
STEP[list(b"[{")], STEP[list(b"]}")] = 1, -1
STRUCTURE = STEP != 0
STRUCTURE[b","[0]] = True


@dataclass
class Weighed:
    """A body that can be parsed in parts.

    Attributes
    ----------
    frame : bytes
        All that is outside of spectra; in the place of each stands a list with its number.
    places : list of tuple of int
        Where each spectrum begins and ends, in bytes.
    """

    frame: bytes
    places: list[tuple[int, int]]


def weigh(blocks: Iterable[bytes], spectra: int) -> Weighed:
    """Look through a body.

    Parameters
    ----------
    blocks : iterable of bytes
        Of it, in their order.
    spectra : int
        The most that one request may hold.

    Raises
    ------
    Refused
        It holds more than that many spectra need, or is no JSON.
    """
    scales = _Scales(spectra)
    for block in blocks:
        scales.add(block)
    return scales.weighed()


class _Scales:
    def __init__(self, spectra: int) -> None:
        self.spectra = spectra
        self.most = {
            "lists and objects": 2 + (1 + LISTS) * spectra,
            "texts": 1 + 2 * len(FIELDS) * spectra,  # the fields' names, and what they hold
        }
        self.found = dict.fromkeys(self.most, 0.0)
        self.size = self.depth = 0
        self.within = self.escaped = False  # a text; an odd number of backslashes before
        self.open = -1  # where the spectrum begins that has not ended
        self.held = [0, 0]  # its commas between fields, and between numbers
        self.frame: list[bytes] = []
        self.framed = 0
        self.places: list[tuple[int, int]] = []

    def add(self, raw: bytes) -> None:
        """Weigh what follows."""
        block = np.frombuffer(raw, np.uint8)
        quotes = self._quotes(block)
        places = np.flatnonzero(STRUCTURE[block])
        inside = np.searchsorted(quotes, places) + self.within if quotes.size else self.within
        places = places[np.broadcast_to(np.asarray(inside) % 2 == 0, places.shape)]
        self.within = bool((self.within + quotes.size) % 2)
        step = STEP[block[places]]
        depth = self.depth + np.cumsum(step, dtype=np.int64)
        self._count("lists and objects", int((step > 0).sum()))
        self._count("texts", quotes.size / 2)
        if depth.size:
            self.depth = int(depth[-1])
            if depth.min() < 0:
                raise Refused(400, (BODY, "not JSON: a bracket closes what was not opened"))
            if depth.max() > DEPTH:
                told = f"a list or object at depth {DEPTH + 1}, expected {DEPTH} at most"
                raise Refused(422, (BODY, told))
        starts = places[(step > 0) & (depth == RECORD)]
        stops = places[(step < 0) & (depth == RECORD - 1)] + 1
        commas = [places[(step == 0) & (depth == RECORD + more)] for more in (0, 1)]
        self._records(raw, starts, stops, commas)
        self.size += len(raw)

    def weighed(self) -> Weighed:
        """Return what was found when all is there."""
        if self.within or self.depth:
            raise Refused(400, (BODY, "not JSON: it ends before all is closed"))
        return Weighed(b"".join(self.frame), self.places)

    def _quotes(self, block: np.ndarray) -> np.ndarray:
        """Return where texts begin and end: quotation marks that are not escaped."""
        quotes, slashes = (np.flatnonzero(block == sign) for sign in (QUOTE, BACKSLASH))
        if not slashes.size and not self.escaped:
            return quotes
        # of backslashes in a row an odd number escapes what follows
        first = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
        length = np.diff(first, append=slashes.size)
        begin = slashes[first]
        odd = (length + (self.escaped & (begin == 0))) % 2 == 1
        escaped = np.zeros(block.size + 1, bool)
        escaped[0] = self.escaped and not (begin.size and begin[0] == 0)
        escaped[(begin + length)[odd]] = True
        self.escaped = bool(escaped[-1])
        return quotes[~escaped[quotes]]

    def _records(
        self, raw: bytes, starts: np.ndarray, stops: np.ndarray, commas: list[np.ndarray]
    ) -> None:
        """Weigh each spectrum, or the part of it that is here, and keep what is outside."""
        if len(self.places) + starts.size > self.spectra:
            told = f"got more, expected 1 to {self.spectra} a request"
            raise Refused(422, ("spectra", told))
        begins = [0, *starts.tolist()] if self.open >= 0 else starts.tolist()
        ends = stops.tolist()
        kept = 0
        for n, begin in enumerate(begins):
            if self.open < 0:
                self._outside(raw[kept:begin] + b"[%d]" % len(self.places))
                self.open, self.held = self.size + begin, [0, 0]
            kept = ends[n] if n < len(ends) else len(raw)
            for k, where in enumerate(commas):
                first, last = np.searchsorted(where, (begin, kept))
                self.held[k] += int(last - first)
            self._refuse_heavy()
            if n < len(ends):
                self.places.append((self.open, self.size + kept))
                self.open = -1
        self._outside(raw[kept:])

    def _refuse_heavy(self) -> None:
        for held, most, what in zip(
            self.held, (len(FIELDS), MOST_NUMBERS), ("fields", "numbers"), strict=True
        ):
            if held >= most:
                told = f"more than {most:,} {what}, which no spectrum has"
                raise Refused(422, (f"spectra[{len(self.places)}]", told))

    def _outside(self, raw: bytes) -> None:
        self.frame.append(raw)
        self.framed += len(raw)
        if self.framed > LARGE:
            told = f'more than {LARGE:,} bytes beside the spectra, expected {{"spectra": [...]}}'
            raise Refused(422, (BODY, told))

    def _count(self, what: str, more: float) -> None:
        self.found[what] += more
        if self.found[what] > self.most[what]:
            told = f"more than {self.most[what]:,} {what}, which {self.spectra} spectra do not need"
            raise Refused(422, (BODY, told))
