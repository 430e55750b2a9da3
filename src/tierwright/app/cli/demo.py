"""`tierwright demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierwright.app.cli.output import JsonOption, Ticker, say, show
from tierwright.app.settings import MAX_SEED


def demo(
    traffic: Annotated[Path | None, typer.Option(help="A log in the import format; default: a synthetic one.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="The log's key of right answers: plays the people who label, and scores.")
    ] = None,
    labels: Annotated[int, typer.Option(help="Answers that people label in each task.", min=0)] = 1000,
    speedup: Annotated[float, typer.Option(help="How much faster than logged the frontier answers.", min=1)] = 20.0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0, max=MAX_SEED)] = 1,
    keep: Annotated[Path | None, typer.Option(help="A folder to keep store, models and settings in.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder of base weights; default: the user's cache.")] = None,
    fetch: Annotated[bool, typer.Option(help="Fetch the sentence encoder if it is not there.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Run the whole ring offline, on synthetic traffic or on a log of your own."""
    import os  # noqa: PLC0415 - `--help` must not wait

    from tierwright.app.demo.run import DemoOptions, run_demo  # noqa: PLC0415 - as above
    from tierwright.app.demo.story import document, tell  # noqa: PLC0415 - as above

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tierwright" / "weights"
    tickers: dict[str, Ticker] = {}
    outcome = run_demo(
        DemoOptions(
            traffic=traffic,
            key=key,
            labels=labels,
            speedup=speedup,
            seed=seed,
            keep=keep,
            weights=weights or cache,
            fetch=fetch,
        ),
        say=say,
        progress=lambda what, done, total: tickers.setdefault(what, Ticker(what))(done, total),
    )
    show(document(outcome), as_json=as_json, text=lambda console: tell(console, outcome))
