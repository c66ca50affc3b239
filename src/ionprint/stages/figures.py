"""Draw the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

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

    from ionprint.figures.style import save
    from ionprint.files import fresh_folder, write_json
    from ionprint.stages.drawings import LeftOut
    from ionprint.stages.drawings.validation import tuning
    from ionprint.stages.progress import progress
    from ionprint.stages.results import ResultFiles

    results = ResultFiles(cfg)
    plans = [
        (topic, plan)
        for topic in TOPICS
        for plan in importlib.import_module(f"ionprint.stages.drawings.{topic}").plans
        if not tuning_only or plan is tuning
    ]
    drawn, left_out = [], []
    with fresh_folder(results.outputs / "figures") as folder:
        for topic, plan in progress(plans, "drawing"):
            try:
                for drawing in plan(results, cfg.figures):
                    (folder / topic).mkdir(exist_ok=True)
                    save(drawing.figure, folder / topic, drawing.name)
                    drawn.append(
                        {
                            "topic": topic,
                            **{k: getattr(drawing, k) for k in ("name", "title", "says")},
                        }
                    )
            except LeftOut as reason:
                left_out.append(str(reason))
        index = {"source": results.source, "figures": drawn, "left_out": left_out}
        write_json(index, folder / "figures.json")
    for reason in left_out:
        print(reason)
    names = ", ".join(f"{d['topic']}/{d['name']}" for d in drawn)
    print(f"{results.outputs / 'figures'}: {names} (svg, pdf and png)")
