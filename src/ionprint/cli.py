"""The command line: `ionprint <stage> [Hydra overrides]`. Heavy imports wait until a stage runs."""

import contextlib
import importlib
import os
import sys

STAGES = {
    "simulate": "write the simulated lithium reference set to dataset.path",
    "samples": "write a first sample sheet from file names (own arguments: see --help)",
    "peaks": "calibrate, search peaks, integrate: one peak table",
    "tune": "search the model's hyperparameters with Optuna",
    "evaluate": "cross-validate the tuned pipeline: nested, grouped, plain, chance",
    "rank": "rank each compound's characteristic ions",
    "check": "check what the score rests on",
    "train": "fit the tuned pipeline on all references",
    "composition": "read what mixtures and anodes hold",
    "figures": "draw the results",
    "report": "write the results as one page: outputs/report/report.html",
    "track": "log the results as one MLflow run and register the model",
    "sweep": "compare combinations of choices, each tuned and tracked",
    "compare": "RUN RUN: which ions changed rank between two logged runs",
    "show": "print the last results",
    "predict": "FILE...: read spectra with a trained model (own arguments: see --help)",
    "image": "write a simulated image with known truth",
    "maps": "IMAGE [--model URI]: what lies where: maps of each compound over an image",
    "promote": "[VERSION] [--force WHY]: make a registered version champion if it is not worse",
    "rollback": "[--to VERSION] [--reason WHY]: restore the champion before",
    "serve": "answer predictions over HTTP, on a page and for programs (own arguments: see --help)",
    "verify": "verify spectra, composition or maps: measure against what is known to be there",
}

QUIET = ("--quiet", "-q")
VERIFIED = ("spectra", "composition", "maps")
OWN_ARGUMENTS = ("samples", "predict", "serve")
OWN_OPTIONS = ("maps", "promote", "rollback")
"""Beside overrides."""

EPILOG = """\
overrides choose and change settings of conf/, for example:
  ionprint peaks dataset=folder dataset.path=~/measured dataset.name=mine
  ionprint tune model=svm_linear scaling=standard tuning.trials=20
  ionprint sweep model=logistic,svm_linear scaling=minmax,standard
`dvc repro` runs the whole pipeline. Errors you can mend end with exit code 2. --quiet prints errors
alone; what a command says is kept in logs/ionprint.log."""


def usage() -> str:
    """Return the help text."""
    width = max(map(len, STAGES))
    lines = [f"  {name:<{width}}  {text}" for name, text in STAGES.items()]
    return "\n".join(
        [
            "usage: ionprint [--quiet] STAGE [overrides]",
            "",
            "Which compounds are on this surface, and which ions prove it (ToF-SIMS).",
            "",
            "stages:",
            *lines,
            "",
            EPILOG,
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : list of str, optional
        Arguments without the program's name; those of the process when left out.

    Returns
    -------
    int
        0 when all went well, 2 when the user has something to mend, 130 when interrupted.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    silent = any(a in QUIET for a in args)
    args = [a for a in args if a not in QUIET]
    if not args or args[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if args[0] == "--version":
        from ionprint import __version__

        print(__version__)
        return 0

    # Matrices are small here: one BLAS thread is faster than several that wait for each other, many
    # times so on a busy machine, and sums come out in the same order everywhere.
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

    from ionprint.errors import IonprintError, of_disk

    try:
        with contextlib.ExitStack() as stack:
            if silent:
                from ionprint.stages.terminal import quiet

                stack.enter_context(quiet())
            return dispatch(args[0], args[1:])
    except IonprintError as exc:
        print(f"ionprint {args[0]}: {exc}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # who read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, MemoryError) as exc:
        told = of_disk(exc) if isinstance(exc, OSError) else "not enough memory"
        print(f"ionprint {args[0]}: {told}. Earlier results are as they were", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"ionprint {args[0]}: interrupted; earlier results are as they were", file=sys.stderr)
        return 130


def dispatch(stage: str, args: list[str]) -> int:
    """Compose the configuration and run `stage`.

    Raises
    ------
    IonprintError
        Anything a user can mend.
    """
    from ionprint.errors import ConfigError

    if stage not in STAGES:
        from ionprint.config import near

        raise ConfigError(
            f"there is no stage {stage!r}.{near(stage, list(STAGES))} Stages: {', '.join(STAGES)}."
        )
    if stage in OWN_ARGUMENTS:
        return importlib.import_module(f"ionprint.stages.{stage}").main(args)
    if any(a in ("-h", "--help") for a in args):
        print(f"ionprint {stage} [overrides]: {STAGES[stage]}\n\n{EPILOG}")
        return 0

    from ionprint import config

    if stage == "verify":
        if not args or args[0] not in VERIFIED:
            got = args[0] if args else "nothing"
            ways = " or ".join(f"`ionprint verify {what} [overrides]`" for what in VERIFIED)
            raise ConfigError(f"got {got}, expected {ways}")
        stage, args = f"verify_{args[0]}", args[1:]
        if stage == "verify_composition" and not any(a.startswith("simulation=") for a in args):
            args = ["simulation=extended", *args]
    runs = args[:2] if stage == "compare" else []  # names may look like overrides
    if stage == "compare":
        if len(runs) < 2:
            raise ConfigError(
                f"got {runs[0] if runs else 'nothing'}, expected "
                f"`ionprint compare RUN RUN [overrides]`: two logged runs, each by its name or the "
                f"beginning of its id"
            )
        args = args[2:]
    words, options = runs, {}
    if stage in OWN_OPTIONS:
        options, rest = importlib.import_module(f"ionprint.stages.{stage}").arguments(args)
        words, args = [word for word in args if word not in rest], rest
    if any(a in ("-m", "--multirun") for a in args):
        raise ConfigError("-m: sweeps are launched with `ionprint sweep KEY=A,B ...`")
    overrides = args
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            raise ConfigError(f"{override}: expected KEY=VALUE, e.g. model=svm_linear")
    root = config.project_root()
    overrides = config.absolute_paths(overrides, root)
    os.chdir(root)
    if stage == "sweep":
        from ionprint.stages import sweep

        return sweep.launch(overrides, root)
    from ionprint.stages.terminal import LOG, logged

    cfg = config.compose(overrides, root)
    with logged(LOG, " ".join(["ionprint", stage, *words, *overrides])):
        importlib.import_module(f"ionprint.stages.{stage}").run(cfg, *runs, **options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
