"""How often the verdict on a ladder is right: targets that can't be learned, and learnable ones with few labels.

    python benchmarks/learnability.py [--data DIRECTORY] [--seeds 5] [--encoder DIRECTORY] [--curve] [--json]

*Not learnable*: the priority of issue reports (gitbugs, oldest 70 % to train, newest 30 % to test), alone and as a
field beside the project; and labels of public data sets, shuffled. *Learnable*: the same data sets with their own
labels, from very few examples on. Each seed draws other examples; the issue reports are all taken, once. What must not
happen is that a learnable task is condemned or a shuffled one taken for learnable. With `--curve` the verdict is also
told what the learning curve foretells, without it only how many examples there were.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
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

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.errors import NotEnoughData, NotLearnable
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.evals.verdict import verdict
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.loading import load_specialist
from tierwright.training.learning_curve import measure_learning_curve
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierwright.core.estimate import Estimate

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: (text, values of the heads).
Rows = list[tuple[str, tuple[str, ...]]]
#: Classes of the reference score in the data kit.
LEVELS = {"Blocker": "high", "Critical": "high", "Major": "major", "Minor": "low", "Trivial": "low"}
#: Name, fields, whether it can be learned, training examples, test examples.
DRAWN = [
    ("davidson_hate, own labels", True, 60, 100),
    ("davidson_hate, own labels", True, 250, 250),
    ("davidson_hate, own labels", True, 1000, 500),
    ("davidson_hate, shuffled", False, 1000, 500),
    ("banking77, own labels", True, 100, 60),
    ("banking77, own labels", True, 400, 200),
    ("banking77, shuffled", False, 2500, 500),
    ("toxicity_EN, own labels", True, 60, 60),
    ("toxicity_EN, own labels", True, 250, 200),
    ("toxicity_EN, shuffled", False, 1000, 500),
    ("policy_EN, own labels", True, 100, 60),
    ("policy_EN, own labels", True, 400, 200),
    ("policy_EN, shuffled", False, 1000, 500),
]


def table(path: Path) -> Iterable[dict[str, str]]:
    """The rows of a gzipped CSV file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(io.StringIO(lines.read())))


def labelled(data: Path, name: str) -> Rows:
    """A data set of labels."""
    if name == "davidson_hate":
        return [(row["tweet"], (row["class"],)) for row in table(data / name / "labeled_data.csv.gz")]
    if name == "banking77":
        return [(row["text"], (row["category"],)) for row in table(data / name / "train.csv.gz")]
    return [(row["text"], (row["gold"],)) for row in table(data / "textclass" / f"{name}__train.csv.gz")]


def issues(data: Path, file: str, project: str) -> list[tuple[datetime, str, tuple[str, str]]]:
    """(created, text, (project, priority)) of issue reports, oldest first."""
    found = []
    for row in table(data / "gitbugs" / file):
        created = (
            datetime.strptime(row["Created"].strip(), "%d/%b/%y %H:%M").replace(tzinfo=UTC)
            if ("/" in row["Created"])
            else datetime.fromisoformat(row["Created"].strip()[:19]).replace(tzinfo=UTC)
        )
        text = f"{row['Summary']}\n{row['Description'] or ''}".strip()
        found.append((created, text, (project, LEVELS.get(row["Priority"], row["Priority"]))))
    return sorted(found, key=lambda issue: issue[0])


def contract_of(rows: Rows, fields: tuple[str, ...]) -> OutputContract:
    """The contract of these answers."""
    columns = [
        tuple(value for value, _ in Counter(values[place] for _, values in rows).most_common())
        for place in range(len(fields))
    ]
    if len(fields) == 1:
        return OutputContract(kind=ContractKind.LABEL, labels=columns[0])
    specs = tuple(FieldSpec(name=name, values=values) for name, values in zip(fields, columns, strict=True))
    return OutputContract(kind=ContractKind.FIELDS, fields=specs, style=JsonStyle())


def examples_of(rows: Rows, contract: OutputContract, split: Split, start: int) -> list[Example]:
    """People's labels; equal texts share a group."""
    return [
        Example(
            id=InferenceId(f"row-{start + number}"),
            input=text,
            output=contract.render(values),
            source=LabelSource.HUMAN,
            incumbent_output=None,
            split=split,
            group=text.casefold(),
            created_at=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=start + number),
        )
        for number, (text, values) in enumerate(rows)
    ]


def judged(
    train: Rows, test: Rows, fields: tuple[str, ...], seed: int, encoder: Encoder | None, *, curve: bool
) -> dict[str, Any]:
    """The verdict on one trial."""
    contract = contract_of(train + test, fields)
    known = examples_of(train, contract, Split.TRAIN, 0)
    asked = examples_of(test, contract, Split.TEST, len(train))
    recipes: dict[str, tuple[Any, Encoder | None]] = {"ngram": (NgramRecipe(), None)}
    if encoder is not None:
        recipes["encoder-head"] = (EncoderHeadRecipe(encoder=encoder), encoder)
    predictions = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (recipe, needed) in recipes.items():
            training = TrainingSet(dataset_id=DatasetId("benchmark"), contract=contract, examples=known)
            fitted = recipe.fit(training, artifacts=Path(folder), seed=seed, progress=lambda _: None)
            predictions[name] = load_specialist(fitted.path, encoder=needed).predict([text for text, _ in test])
    found = verdict(
        contract, asked, predictions, training=known, with_more=foretold(known, contract, seed) if curve else None
    )
    return {
        "learned": found.learned.value,
        "unlearnable_fields": list(found.unlearnable_fields),
        "score": found.whole.best.score.value,
        "constant": found.whole.constant.value,
        "reason": found.reason,
    }


def foretold(known: list[Example], contract: OutputContract, seed: int) -> Estimate | None:
    """The quality with as many examples as the curve can be asked for; None: too few for a curve."""
    try:
        curve = measure_learning_curve(known, contract, seed=seed, progress=lambda _: None)
    except (NotEnoughData, NotLearnable):
        return None
    return curve.at(curve.limit)


def trials(
    data: Path, seeds: int
) -> Iterable[tuple[str, str, tuple[str, ...], Callable[[int], tuple[Rows, Rows]], int]]:
    """(name, what should come out, fields, split by seed, seeds)."""
    hadoop = issues(data, "hadoop_bugs.csv.gz", "hadoop")
    monkey = issues(data, "SeaMonkey_bugs.csv.gz", "seamonkey")
    for name, found, fields in (
        ("gitbugs Hadoop, priority", hadoop, ("priority",)),
        ("gitbugs SeaMonkey, priority", monkey, ("priority",)),
        (
            "gitbugs both, project and priority",
            sorted([*hadoop, *monkey], key=lambda issue: issue[0]),
            ("project", "priority"),
        ),
    ):
        rows: Rows = [(text, values[-len(fields) :]) for _, text, values in found]
        cut = round(0.7 * len(rows))
        wanted = "partly_learnable" if len(fields) > 1 else "not_learnable"
        yield name, wanted, fields, lambda _, rows=rows, cut=cut: (rows[:cut], rows[cut:]), min(seeds, 1)
    for title, able, training, testing in DRAWN:
        rows = labelled(data, title.split(",")[0])

        def drawn(
            seed: int, *, rows: Rows = rows, able: bool = able, training: int = training, testing: int = testing
        ) -> tuple[Rows, Rows]:
            generator = np.random.default_rng(seed)
            order = generator.permutation(len(rows))[: training + testing].tolist()
            texts, values = [rows[at][0] for at in order], [rows[at][1] for at in order]
            if not able:
                values = [values[at] for at in generator.permutation(len(values)).tolist()]
            both = list(zip(texts, values, strict=True))
            return both[:training], both[training:]

        yield (
            f"{title}, {training:,} to train, {testing:,} to test",
            "learnable" if able else "not_learnable",
            ("label",),
            drawn,
            seeds,
        )


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="How often the verdict on a ladder is right.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", type=Path, help="what `tierwright model pull` built: judges encoder-head, too")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--curve", action="store_true", help="tell the verdict what the learning curve foretells")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "gitbugs").is_dir():
        sys.exit(f"skipped: {given.data} has no gitbugs; set TIERWRIGHT_DATA or give --data")
    encoder = Encoder.load(given.encoder, threads=2) if given.encoder else None
    report = []
    for name, wanted, fields, split, seeds in trials(given.data, given.seeds):
        begun = time.perf_counter()
        found = [judged(*split(seed), fields, seed, encoder, curve=given.curve) for seed in range(1, seeds + 1)]
        report.append({"task": name, "should_be": wanted, "verdicts": found})
        if not given.json:
            counts = ", ".join(f"{count} {what}" for what, count in Counter(f["learned"] for f in found).most_common())
            scores = f"{100 * found[0]['score']:.1f} against {100 * found[0]['constant']:.1f}"
            lost = sorted({field for one in found for field in one["unlearnable_fields"]})
            print(
                f"{name}: {counts} (should be {wanted}); {scores} in the first"
                + (f"; fields that can't be learned: {', '.join(lost)}" if lost else "")
                + f"; {time.perf_counter() - begun:.0f} s",
                flush=True,
            )
    if given.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
