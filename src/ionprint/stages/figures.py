"""Draw the results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from omegaconf import DictConfig

    from ionprint.stages.results import ResultFiles

TOPICS = ("spectra", "ions", "model", "validation", "composition")


def run(cfg: DictConfig, tuning_only: bool = False) -> None:
    """Draw every figure that applies into `<outputs>/figures/<topic>` as SVG, PDF and PNG.

    Writes `figures.json` beside them: their titles, what each shows, and why others were left out.

    Parameters
    ----------
    cfg : DictConfig
        Uses `outputs`, `peaks` and `figures`.
    tuning_only : bool, optional
        Draw the tuning alone, as in a sweep of many runs: its rankings and readings are compared in
        tables.
    """
    import importlib

    import joblib

    from ionprint.files import fresh_folder, write_json
    from ionprint.stages.drawings.validation import tuning
    from ionprint.stages.progress import counter
    from ionprint.stages.results import ResultFiles
    from ionprint.stages.terminal import summary

    results = ResultFiles(cfg)
    source = results.source
    plans = [
        (topic, plan)
        for topic in TOPICS
        for plan in importlib.import_module(f"ionprint.stages.drawings.{topic}").plans
        if not tuning_only or plan is tuning
    ]
    drawn, left_out = [], []
    with (
        fresh_folder(results.outputs / "figures") as folder,
        counter(len(plans), "drawing") as advance,
    ):
        for topic in {topic for topic, _ in plans}:
            (folder / topic).mkdir()
        at_once = min(joblib.cpu_count(), len(plans))
        place = Path.cwd()
        jobs = (joblib.delayed(_draw)(place, results, cfg.figures, *job, folder) for job in plans)
        for titles, reason in joblib.Parallel(at_once, return_as="generator")(jobs):
            drawn += titles
            left_out += [reason] if reason else []
            advance()
        for topic in TOPICS:
            if (folder / topic).exists() and not any((folder / topic).iterdir()):
                (folder / topic).rmdir()
        index = {"source": source, "figures": drawn, "left_out": left_out}
        write_json(index, folder / "figures.json")
    for reason in left_out:
        print(reason)
    told = [(t, ", ".join(d["name"] for d in drawn if d["topic"] == t)) for t in TOPICS]
    where = f"{results.outputs / 'figures'}: svg, pdf and png"
    summary(f"Figures ({source} data)", [*told, ("written to", where)])


def _draw(
    place: Path,
    results: ResultFiles,
    settings: DictConfig,
    topic: str,
    plan: Callable[..., Any],
    folder: Path,
) -> tuple[list[dict[str, str]], str]:
    """Draw and save the figures of one plan, in a process that may have begun elsewhere.

    Returns
    -------
    list of dict of str to str
        What each shows.
    str
        Why it was left out; empty when it was drawn.
    """
    from ionprint.figures.style import save
    from ionprint.stages.drawings import LeftOut

    os.chdir(place)
    drawn: list[dict[str, str]] = []
    try:
        for drawing in plan(results, settings):
            save(drawing.figure, folder / topic, drawing.name)
            about = {key: getattr(drawing, key) for key in ("name", "title", "says")}
            drawn.append({"topic": topic, **about})
    except LeftOut as reason:
        return drawn, str(reason)
    return drawn, ""
