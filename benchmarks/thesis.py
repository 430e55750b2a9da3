"""The experiment that founds the thesis, on Banking77: a small specialist against a frontier model at 91.7 %.

    python benchmarks/thesis.py [--data DIRECTORY] [--encoder DIRECTORY] [--errors independent|shared] [--seed 1]
                                [--recipe ngram|encoder-head] [--html FILE] [--json]

The claim (`design/mission.md`, M1 and M2): 94.2 % against 91.7 %, 12 times cheaper, 4 times faster. **The incumbent is
simulated**: nobody's recorded answers to Banking77 are at 91.7 %. It gives the right intent but for 8.3 % of the texts,
drawn by a seed, where it gives another of the 77. With `--errors independent` every text is as likely to be one of
these; with `shared` a text that a nearest-centroid classifier of words gets wrong is three times as likely as another,
since models tend to fail on the same texts. Its latency is drawn, log-uniform from 1 to 5 s, as the mission states for
remote answers; its price is that of gpt-4o in `genai-prices` for a prompt that lists the 77 intents, tokens counted.
Banking77 has no urgency: what is scored is the intent only.

The specialist climbs the ladder on the official training split (15 % of it for calibration, where the simulated
incumbent answers too), as `tierwright model train` has it. Then, in this order: an experiment is registered on the
official test split (less the texts that also occur in training), with a margin of 1 point, the claimed difference of
2.5 points to plan for, and its power; only then the test split is answered. First the specialist alone, then the
cascade at its calibrated threshold: the second report says that it is the second. Costs and times of the specialist are
measured here, one request at a time in one process, on the settings' machine ($0.10 an hour, 30 % busy).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestCentroid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.classified import banking77

from tierwright.app.evidence import Spent, dossier_of, gather, measured_ratios, served_ratios
from tierwright.app.experiments import Wishes, look, register
from tierwright.app.pages import page_html, page_text
from tierwright.app.ring import climb
from tierwright.app.settings import load_settings
from tierwright.app.wiring import Parts, open_parts
from tierwright.core.chat import Usage
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Dataset, Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId, TaskId, digest
from tierwright.core.task import Task
from tierwright.economics.count import TokenCounter
from tierwright.economics.prices import PriceList
from tierwright.evals.bundle import check_bundle, make_bundle
from tierwright.evals.dossier import dossier_json, sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rig.classified import Rows

    from tierwright.core.evaluation import Evaluation
    from tierwright.evals.dossier import Dossier

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights"
#: The incumbent's stated accuracy and the specialist's, the margin, and the stated ratios.
INCUMBENT, SPECIALIST, MARGIN = 0.917, 0.942, 0.01
TIMES_CHEAPER, TIMES_FASTER = 12.0, 4.0
#: Stated latency of remote answers, and the model by whose price they are paid.
REMOTE_S = (1.0, 5.0)
PRICED_AS, PRICED_AT = "gpt-4o", datetime(2025, 9, 1, tzinfo=UTC)
BASELINE = "a simulated incumbent at 91.7 %"
#: Stated volume: tickets a day.
A_DAY = 100_000
#: How many times as likely an error is on a hard text.
_HARDER = 3.0
_CALIBRATION = 0.15
_THEN = datetime(2025, 9, 1, tzinfo=UTC)


def simulated(rows: Rows, hard: Sequence[bool], labels: Sequence[str], generator: random.Random) -> list[str]:
    """The simulated incumbent's answers: exactly 91.7 % right, the errors drawn without replacement."""
    wrong = round((1 - INCUMBENT) * len(rows))
    # Efraimidis and Spirakis (2006): a weighted sample without replacement is that of the largest keys u^(1/w).
    keys = [generator.random() ** (1 / (_HARDER if one else 1.0)) for one in hard]
    chosen = set(sorted(range(len(rows)), key=lambda place: -keys[place])[:wrong])
    return [
        generator.choice([other for other in labels if other != label]) if place in chosen else label
        for place, (_, label) in enumerate(rows)
    ]


def difficulty(train: Rows, rows: Rows, errors: str) -> list[bool]:
    """Which texts are hard, by a classifier of another kind than the candidates."""
    if errors == "independent":
        return [False] * len(rows)
    words = TfidfVectorizer(sublinear_tf=True)
    # Leaves the training rows their own influence on the centroids: the few percent it hides don't matter here.
    centroids = NearestCentroid().fit(words.fit_transform([text for text, _ in train]), [label for _, label in train])
    found = centroids.predict(words.transform([text for text, _ in rows]))
    return [guess != label for guess, (_, label) in zip(found, rows, strict=True)]


def data_of(data: Path, errors: str, seed: int) -> tuple[Task, Dataset, list[Example], int]:
    """The task with its dataset, and how many test texts were left out since they occur in training."""
    found = banking77(data)
    known = {text.casefold() for text, _ in found.train}
    test = [row for row in found.test if row[0].casefold() not in known]
    labels = [label for label, _ in Counter(label for _, label in found.train).most_common()]
    generator = random.Random(seed)
    contract = OutputContract(kind=ContractKind.LABEL, labels=tuple(labels))
    task = Task(id=TaskId("banking77"), name="banking77-intent", contract=contract, frames=(), created_at=_THEN)
    examples: list[Example] = []
    for part, rows in (("train", found.train), ("test", test)):
        answers = simulated(rows, difficulty(found.train, rows, errors), labels, generator)
        for number, ((text, label), answer) in enumerate(zip(rows, answers, strict=True)):
            group = digest(text.casefold())
            calibrates = int(group, 16) % 100 < 100 * _CALIBRATION
            split = Split.TEST if part == "test" else Split.CALIBRATION if calibrates else Split.TRAIN
            examples.append(
                Example(
                    id=InferenceId(f"{part}-{number}"),
                    input=text,
                    output=label,
                    source=LabelSource.HUMAN,
                    incumbent_output=answer,
                    split=split,
                    group=group,
                    created_at=_THEN,
                )
            )
    sizes = Counter(example.split for example in examples)
    dataset = Dataset(
        id=DatasetId(digest(errors, str(seed), *(f"{e.id} {e.input} {e.incumbent_output}" for e in examples))),
        task_id=task.id,
        contract=contract,
        created_at=_THEN,
        seed=seed,
        sizes=dict(sizes),
    )
    return task, dataset, examples, len(found.test) - len(test)


def frontier(examples: Sequence[Example], labels: Sequence[str], seed: int) -> Spent:
    """What the simulated incumbent's answers to the test texts cost and take."""
    counter, prices = TokenCounter(), PriceList()
    system = "Name the intent of the customer's message. Answer with one of: " + ", ".join(labels)
    fixed = counter.count(system, PRICED_AS) + 11  # what a chat of two messages adds
    generator = np.random.default_rng(seed)
    costs = [
        prices.cost(
            PRICED_AS,
            Usage(
                prompt_tokens=fixed + counter.count(example.input, PRICED_AS),
                completion_tokens=counter.count(example.incumbent_output or "", PRICED_AS),
            ),
            PRICED_AT,
        )
        or Decimal("NaN")
        for example in examples
    ]
    seconds = np.exp(generator.uniform(*np.log(REMOTE_S), size=len(costs)))
    return Spent(cost_usd=[float(cost) for cost in costs], latency_ms=(1e3 * seconds).tolist())


def page_of(parts: Parts, evaluation: Evaluation, theirs: Spent, notes: Sequence[str]) -> Dossier:
    """The one-page report, with what was simulated said at its head."""
    dossier = dossier_of(parts, evaluation)
    ratios = measured_ratios(parts, evaluation, dossier.registration, theirs)
    # The machine that is paid for around the clock, at the mission's volume, whatever it does between two tickets.
    always = Spent(cost_usd=[float(parts.machine.usd_per_hour) * 24 / A_DAY] * 2, latency_ms=[1.0] * 2)
    paid = f"a whole machine day and night, {A_DAY:,} requests a day"
    local = [one.local for one in parts.store.outcomes(evaluation.id)]
    whole = [
        replace(one, name=f"{one.name}, whole machine paid", basis=paid)
        for one in served_ratios(theirs, always, local=local, seed=dossier.registration.seed, priced=paid)
        if "cheaper" in one.name
    ]
    return replace(dossier, ratios=[*ratios, *whole], notes=tuple(notes))


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="The experiment that founds the thesis.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where `tierwright model pull` keeps encoders")
    parser.add_argument("--errors", choices=["independent", "shared"], default="independent")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", choices=["ngram", "encoder-head"], help="this rung alone; else the ladder's choice")
    parser.add_argument("--html", type=Path, help="write the report there, too")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "banking77").is_dir():
        sys.exit(f"skipped: {given.data} has no banking77; set TIERWRIGHT_DATA or give --data")
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "tierwright.toml"
        settings.write_text(f'version = 1\n[training]\nweights = "{given.weights}"\n', encoding="utf-8")
        with open_parts(load_settings(settings, {})) as parts:
            pages = experiment(parts, given)
    document = {
        "errors": given.errors,
        "seed": given.seed,
        "stated": {"incumbent": INCUMBENT, "specialist": SPECIALIST, "cheaper": TIMES_CHEAPER, "faster": TIMES_FASTER},
        "reports": [dossier_json(page) for page in pages],
    }
    if given.html is not None:
        given.html.write_text(page_html(pages[0].title, sections(pages[0])), encoding="utf-8")
    if given.json:
        print(json.dumps(document, indent=2))
        return
    print("\n\n\n".join(page_text(page.title, sections(page)) for page in pages))


def experiment(parts: Parts, given: argparse.Namespace) -> list[Dossier]:
    """Trains, registers, looks; in that order. Checks the bundle of what came out."""
    task, dataset, examples, left_out = data_of(given.data, given.errors, given.seed)
    parts.store.add_dataset(dataset, examples, task=task)
    rungs, version = climb(parts, dataset, examples, only=given.recipe, quick=True, progress=_say)
    for rung in rungs:
        _say(f"{rung.recipe}: {rung.status} {rung.why}")
    if version is None:
        sys.exit("no rung was trained; fetch the encoder with `tierwright model pull`, or say --recipe ngram")
    tested = [example for example in examples if example.split is Split.TEST]
    theirs = frontier(tested, dataset.contract.labels, given.seed)
    notes = (
        (
            f"The incumbent is SIMULATED: right in 91.7 %, errors {given.errors}, seed {given.seed}; latency drawn "
            f"from {REMOTE_S[0]:g} to {REMOTE_S[1]:g} s, priced as {PRICED_AS}. The specialist ({version.recipe}) is "
            f"real. Intent only: Banking77 has no urgency. {left_out} test texts that occur in training were left out."
        ),
        (
            f"Stated by the thesis: {100 * SPECIALIST:g} % against {100 * INCUMBENT:g} %, {TIMES_CHEAPER:g} times "
            f"cheaper, {TIMES_FASTER:g} times faster."
        ),
    )
    pages: list[Dossier] = []
    wishes = Wishes(margin=MARGIN, min_effect=SPECIALIST - INCUMBENT, baseline=BASELINE, slices=("length",))
    for one in (replace(wishes, threshold=0.0), wishes):
        registration = register(parts, [version], one)
        _say(f"registered {registration.id}: {registration.plans[0].examples_for_80_percent} labels for 80 %")
        evaluation = look(parts, registration)[0].evaluation
        pages.append(page_of(parts, evaluation, theirs, notes))
        checked = check_bundle(make_bundle(gather(parts, evaluation, with_texts=True)))
        _say(f"bundle {checked.id}: {'agrees' if checked.agrees else checked.problems}")
    return pages


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
