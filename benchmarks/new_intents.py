"""How well new kinds of requests are found in what a specialist hands on, and how often drift is seen without any.

    python benchmarks/new_intents.py [--data DIRECTORY] [--encoder DIRECTORY] [--seeds 3] [--json]

Some intents of a data set are kept from the specialist (recipe `ngram`, or `encoder-head` where there is an encoder);
it answers from its own threshold. Three weeks of traffic are made of the other rows, with a daily cycle: two weeks
without and one with the new intents, a tenth of its requests. A new intent counts as found where most members of a
group that is called new or grown belong to it. *False*: such groups of known intents. *Purity*: share of the members of
the groups called so that belong to their group's commonest intent. The same streams without new intents show how often
anything is called new, and how often any of the checks of drift alarms. Every figure is by n-grams alone, and with
embeddings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rig.classified import banking77, clinc150
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.lifecycle.drift import check_drift
from tierwright.lifecycle.intents import find_intents
from tierwright.lifecycle.windows import Observed, cut
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.loading import load_specialist
from tierwright.stats.intervals import clopper_pearson
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.core.protocols import Predictor

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
START = datetime(2026, 9, 1, tzinfo=UTC)
Rows = list[tuple[str, str]]
#: Name, rows, intents kept from the specialist.
SETS: list[tuple[str, Callable[[Path], Any], int]] = [
    ("Banking77", banking77, 8),
    ("CLINC150", lambda data: clinc150(data, taught=False), 8),
]
TRAINED, EARLY, LATE, NEW_SHARE = 2500, 2800, 1400, 0.1


def train(rows: Rows, encoder: Encoder | None, folder: Path) -> tuple[Predictor, float]:
    """A specialist of these rows and its threshold."""
    labels = tuple(label for label, _ in Counter(label for _, label in rows).most_common())
    examples = [
        Example(
            id=InferenceId(f"row-{number}"),
            input=text,
            output=label,
            source=LabelSource.HUMAN,
            incumbent_output=label,
            split=Split.CALIBRATION if number % 5 == 0 else Split.TRAIN,
            group=text.casefold(),
            created_at=START,
        )
        for number, (text, label) in enumerate(rows)
    ]
    contract = OutputContract(kind=ContractKind.LABEL, labels=labels)
    training = TrainingSet(dataset_id=DatasetId("benchmark"), contract=contract, examples=examples)
    recipe = NgramRecipe() if encoder is None else EncoderHeadRecipe(encoder=encoder)
    fitted = recipe.fit(training, artifacts=folder, seed=1, progress=lambda _: None)
    return load_specialist(fitted.path, encoder=encoder), fitted.threshold or 0.9


def stream(rows: Rows, first: int, days: int, rng: np.random.Generator) -> list[tuple[datetime, str, str]]:
    """These rows spread over days, most of them around two in the afternoon."""
    at = [
        START + timedelta(days=float(first + day), hours=float(hour))
        for day, hour in zip(rng.integers(0, days, len(rows)), rng.normal(14, 4, len(rows)) % 24, strict=True)
    ]
    return [(when, text, label) for when, (text, label) in zip(sorted(at), rows, strict=True)]


def observed(served: list[tuple[datetime, str, str]], model: Predictor, threshold: float, name: str) -> list[Observed]:
    """What the gateway would have kept."""
    predictions = model.predict([text for _, text, _ in served])
    return [
        Observed(
            id=InferenceId(f"{name}-{number:05d}-{label}"),
            at=at,
            input=text,
            answer=found.output if found.confidence >= threshold else label,
            confidence=found.confidence,
            local=found.confidence >= threshold,
        )
        for number, ((at, text, label), found) in enumerate(zip(served, predictions, strict=True))
    ]


def one_run(rows: Rows, held: int, encoder: Encoder | None, seed: int) -> dict[str, Any]:
    """One data set, one choice of new intents, with and without them."""
    rng = np.random.default_rng(seed)
    rows = [rows[at] for at in rng.permutation(len(rows)).tolist()]
    new = set(rng.choice(sorted({label for _, label in rows}), held, replace=False).tolist())
    known = [row for row in rows if row[1] not in new]
    fresh = [row for row in rows if row[1] in new][: int(LATE * NEW_SHARE)]
    with tempfile.TemporaryDirectory() as folder:
        model, threshold = train(known[:TRAINED], encoder, Path(folder))
        rest = known[TRAINED:]
        early = observed(stream(rest[:EARLY], 0, 14, rng), model, threshold, "early")
        found: dict[str, Any] = {"handed_on": float(np.mean([not one.local for one in early]))}
        for name, added in (("shift", fresh), ("none", rest[EARLY + LATE : EARLY + LATE + len(fresh)])):
            late_rows = [*rest[EARLY : EARLY + LATE - len(added)], *added]
            late_rows = [late_rows[at] for at in rng.permutation(len(late_rows)).tolist()]
            late = observed(stream(late_rows, 14, 7, rng), model, threshold, name)
            begun = time.perf_counter()
            windows = cut(early, late, since=START + timedelta(days=14))
            embed = encoder.embed if encoder is not None else None
            checks = check_drift(windows, seed=seed, embed=embed)
            intents = find_intents(windows, known[:TRAINED], seed=seed, embed=embed)
            seconds = time.perf_counter() - begun
            truth = {one.id: label for one, (_, _, label) in zip(late, sorted_rows(late, late_rows), strict=True)}
            found[name] = judged(intents, truth, new) | {
                "alarms": [check.name for check in checks if check.alarm],
                "p": {check.name: check.adjusted_p for check in checks},
                "seconds": seconds,
            }
    return found


def sorted_rows(late: list[Observed], rows: Rows) -> list[tuple[datetime, str, str]]:
    """The rows in the order in which they were served, which `stream` keeps."""
    return [(one.at, text, label) for one, (text, label) in zip(late, rows, strict=True)]


def judged(intents: Any, truth: dict[str, str], new: set[str]) -> dict[str, Any]:
    """What the groups that are called new or grown hold, by their most typical requests."""
    named = [[truth[known] for known in intent.examples] for intent in intents if intent.grown]
    major = [Counter(labels).most_common(1)[0] for labels in named]
    return {
        "groups": len(named),
        "called_new": sum(intent.new for intent in intents),
        "found": len({label for label, _ in major if label in new}),
        "of": len(new),
        "false": sum(label not in new for label, _ in major),
        "pure": sum(count for _, count in major),
        "members": sum(len(labels) for labels in named),
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", type=Path, default=Path.home() / ".cache/tierwright/weights/all-MiniLM-L6-v2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    encoders = [None, Encoder.load(options.encoder, threads=1)] if options.encoder.exists() else [None]
    document = []
    for name, read, held in SETS:
        benchmark = read(options.data)
        rows = list(dict.fromkeys([*benchmark.train, *benchmark.test]))
        for encoder in encoders:
            runs = [one_run(rows, held, encoder, seed) for seed in range(options.seeds)]
            document.append(summary(f"{name}, {'n-grams' if encoder is None else 'with embeddings'}", runs))
            if not options.json:
                print_row(document[-1])
    if options.json:
        json.dump(document, sys.stdout, indent=1)


def summary(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """All seeds of a set together."""
    shift, none = [run["shift"] for run in runs], [run["none"] for run in runs]
    found = clopper_pearson(sum(one["found"] for one in shift), sum(one["of"] for one in shift))
    return {
        "name": name,
        "handed_on": float(np.mean([run["handed_on"] for run in runs])),
        "found": [found.value, found.ci_low, found.ci_high, found.n],
        "purity": sum(one["pure"] for one in shift) / max(1, sum(one["members"] for one in shift)),
        "groups": sum(one["groups"] for one in shift),
        "called_new": sum(one["called_new"] for one in shift),
        "false": sum(one["false"] for one in shift),
        "alarms": dict(Counter(alarm for one in shift for alarm in one["alarms"])),
        "without_shift": {
            "runs": len(none),
            "groups": sum(one["groups"] for one in none),
            "alarms": sum(bool(one["alarms"]) for one in none),
        },
        "seconds": float(np.mean([one["seconds"] for one in (*shift, *none)])),
    }


def print_row(row: dict[str, Any]) -> None:
    """One line for people."""
    value, low, high, n = row["found"]
    print(
        f"{row['name']:28s} hands on {row['handed_on']:.0%}  found {value:.0%} [{low:.0%}, {high:.0%}] of {n}  "
        f"purity {row['purity']:.2f}  groups {row['groups']} ({row['false']} false, {row['called_new']} called new)  "
        f"alarms {row['alarms']}  without shift: {row['without_shift']}  {row['seconds']:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
