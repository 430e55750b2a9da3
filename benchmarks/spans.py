"""How well spans are extracted, on public data with people's labels, beside a conditional random field.

    python benchmarks/spans.py [--data DIRECTORY] [--sets sec_ner,wnut17,cuad] [--encoder DIRECTORY | --no-encoder]
                               [--seeds 1] [--contracts 200] [--json]

sec_ner and WNUT17 on their official splits; CUAD's parties, dates and governing law by documents, split with a fixed
seed. The recipe is trained on the training split and scored on the test split through the artifact that was written;
every answer counts, whatever its confidence. The measure is strict micro-F1 over (field, string) pairs.

The baseline is python-crfsuite, given exactly the sparse features that the recipe computes, in the same ranges of the
text, and decoded by Viterbi; its penalties are the better of two pairs (c1, c2) on a held-out third of the training
split. It needs `pip install python-crfsuite`; without it its lines are left out. Seconds are those of the whole recipe,
and of the baseline without its choice of penalties.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import io
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract, render_json
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.evals.spans import span_f1, span_f1_difference
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.spans.answers import FoundString, Habits, render
from tierwright.specialists.spans.chain import begins, goes_on
from tierwright.specialists.spans.reader import prepare
from tierwright.specialists.spans.tagger import SpanTagger
from tierwright.specialists.spans.text import tokenize
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.span_tagger import SpanTaggerRecipe
from tierwright.training.spans.alignment import absent_values, align, group_fields, learn_habits
from tierwright.training.spans.labels import answer_sentences, fit_relevance, possible_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"
#: (text, answer, group) triples.
Rows = list[tuple[str, str, str]]
#: (c1, c2) that the baseline chooses from.
_PENALTIES = ((0.0, 1.0), (0.1, 0.1))
_CUAD_FIELDS = ("Parties", "Agreement Date", "Effective Date", "Governing Law")


def conll(path: Path, fields: Sequence[str]) -> Rows:
    """Sentences with the entities of each type, as JSON of lists; tokens are joined by spaces."""
    rows: Rows = []
    words: list[str] = []
    tags: list[str] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in [*lines, ""]:
            parts = line.split()
            if parts and parts[0] != "-DOCSTART-":
                words.append(parts[0])
                tags.append(parts[-1])
            elif words:
                values: dict[str, Any] = {name: [] for name in fields}
                for name, first, after in _entities(tags):
                    values[name].append(" ".join(words[first:after]))
                text = " ".join(words)
                rows.append((text, render_json(values, JsonStyle()), text.casefold()))
                words, tags = [], []
    return rows


def _entities(tags: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """(type, first, after the last) of BIO or IO tags."""
    begun: tuple[str, int] | None = None
    for at, tag in enumerate([*tags, "O"]):
        if begun is not None and (tag == "O" or tag.startswith("B-") or tag[2:] != begun[0]):
            yield begun[0], begun[1], at
            begun = None
        if tag != "O" and begun is None:
            begun = (tag[2:], at)


def sec_ner(data: Path) -> tuple[Rows, Rows, OutputContract]:
    """Loan agreements: train and test as published."""
    fields = ("LOC", "MISC", "ORG", "PER")
    folder = data / "sec_ner"
    return conll(folder / "FIN5_train.txt.gz", fields), conll(folder / "FIN3_test.txt.gz", fields), lists_of(fields)


def wnut17(data: Path) -> tuple[Rows, Rows, OutputContract]:
    """Posts: train and test as published; the development split is not used."""
    fields = ("corporation", "creative-work", "group", "location", "person", "product")
    folder = data / "wnut17"
    train, test = folder / "wnut17train.conll.gz", folder / "emerging.test.annotated.gz"
    return conll(train, fields), conll(test, fields), lists_of(fields)


def cuad(data: Path, contracts: int) -> tuple[Rows, Rows, OutputContract]:
    """Whole contracts: so many drawn with a fixed seed, every third of them to test on."""
    csv.field_size_limit(10**9)
    with gzip.open(data / "cuad" / "master_clauses.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(io.StringIO(lines.read())))
    rows: Rows = []
    with zipfile.ZipFile(data / "cuad" / "full_contract_txt.zip") as archive:
        names = {Path(name).stem.casefold().strip(): name for name in archive.namelist()}
        for line in table:
            stem = Path(line["Filename"]).stem.casefold().strip()
            if stem in names:
                text = archive.read(names[stem]).decode("utf-8", "replace")
                values = {name: list(dict.fromkeys(ast.literal_eval(line[name] or "[]"))) for name in _CUAD_FIELDS}
                rows.append((text, render_json(values, JsonStyle()), stem))
    random.Random(20).shuffle(rows)
    rows = rows[:contracts]
    test = rows[::3]
    return [row for at, row in enumerate(rows) if at % 3], test, lists_of(_CUAD_FIELDS)


def lists_of(fields: Sequence[str]) -> OutputContract:
    """A JSON object of lists."""
    specs = tuple(FieldSpec(name=name, many=True) for name in fields)
    return OutputContract(kind=ContractKind.SPANS, fields=specs, style=JsonStyle())


def training_set(rows: Rows, contract: OutputContract) -> TrainingSet:
    """The rows as people's labels; no incumbent is involved."""
    examples = [
        Example(
            id=InferenceId(f"row-{number}"),
            input=text,
            output=contract.canonical(answer),
            source=LabelSource.HUMAN,
            incumbent_output=None,
            split=Split.TRAIN if number % 4 else Split.CALIBRATION,
            group=group,
            created_at=datetime(2025, 1, 1, tzinfo=UTC),
        )
        for number, (text, answer, group) in enumerate(rows)
    ]
    return TrainingSet(dataset_id=DatasetId("benchmark"), contract=contract, examples=examples)


def ours(
    train: Rows, test: Rows, contract: OutputContract, encoder: Encoder | None, seed: int
) -> tuple[list[str], list[float], dict[str, Any]]:
    """The answers to the test texts, their confidences, and what it took."""
    begun = time.perf_counter()
    used = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        fitted = SpanTaggerRecipe(encoder=encoder).fit(
            training_set(train, contract),
            artifacts=Path(folder),
            seed=seed,
            progress=lambda line: print(line, file=sys.stderr),
        )
        took, used = time.perf_counter() - begun, time.process_time() - used
        tagger = SpanTagger.load(fitted.path, encoder=encoder)
        texts = [text for text, _, _ in test]
        predictions = tagger.predict(texts)
        whole = " ".join(texts)
        waits, works = [], []
        for at in range(0, min(len(whole), 25_000), 1000):
            asked, worked = time.perf_counter(), time.process_time()
            tagger.predict([whole[at : at + 1000]])
            waits.append(1e3 * (time.perf_counter() - asked))
            works.append(1e3 * (time.process_time() - worked))
    facts = {
        "train_seconds": took,
        "train_cpu_seconds": used,
        "size_mb": fitted.size_bytes / 1e6,
        "p50_ms_per_1000_characters": statistics.median(waits),
        "p50_cpu_ms_per_1000_characters": statistics.median(works),
        "held_out_accuracy": fitted.metrics["accuracy"].value,
        "held_out_f1": statistics.fmean(fitted.validated.values()),
        "threshold": fitted.threshold,
    }
    return [one.output for one in predictions], [one.confidence for one in predictions], facts


def baseline(train: Rows, test: Rows, contract: OutputContract, seed: int) -> tuple[list[str], float] | None:
    """The answers of python-crfsuite, and the seconds it took; None: it is not installed."""
    if find_spec("pycrfsuite") is None:
        return None
    held, rest = train[::3], [row for at, row in enumerate(train) if at % 3]
    rights, groups = [contract.canonical(answer) for _, answer, _ in held], [group for _, _, group in held]

    def quality(penalties: tuple[float, float]) -> float:
        return span_f1(contract, rights, _crf_answers(rest, held, contract, penalties, seed), groups, 0).value

    best = max(_PENALTIES, key=quality)
    begun = time.perf_counter()
    return _crf_answers(train, test, contract, best, seed), time.perf_counter() - begun


def _crf_answers(
    train: Rows, test: Rows, contract: OutputContract, penalties: tuple[float, float], seed: int
) -> list[str]:
    import pycrfsuite  # noqa: PLC0415 - only these lines need it

    absent = absent_values(contract, [text for text, _, _ in train], [answer for _, answer, _ in train])
    aligned = [one for text, answer, _ in train if (one := align(contract, text, answer, absent)) is not None]
    fields = len(contract.fields)
    habits = learn_habits(contract, aligned, [answer for _, answer, _ in train], absent)
    relevance = fit_relevance(aligned, fields, seed)
    found: list[list[list[FoundString]]] = [[[] for _ in range(fields)] for _ in test]
    for own in group_fields(aligned, fields):
        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.set_params({"c1": penalties[0], "c2": penalties[1], "max_iterations": 80, "feature.minfreq": 2})
        for one in aligned:
            if len(one.tokens) == 0:
                continue
            scores = None if relevance is None else relevance.scores(one.tokens)
            prepared = prepare(one.tokens, relevance=scores, vectors=None, also=answer_sentences(one))
            # Where several labels are possible the baseline is told one: a span where there may be one.
            labels = 2 * len(own) - possible_labels(one, prepared, own)[:, ::-1].argmax(axis=1)
            for rows in _ranges(prepared.lengths):
                trainer.append(_items(prepared.hashed[rows]), [str(label) for label in labels[rows].tolist()])
        with tempfile.TemporaryDirectory() as folder:
            model = str(Path(folder) / "model")
            trainer.train(model)
            tagger = pycrfsuite.Tagger()
            tagger.open(model)
            for number, (text, _, _) in enumerate(test):
                _tag(tagger, text, relevance, own, found[number])
            tagger.close()
    return [_unique(contract, habits, one) for one in found]


def _items(hashed: NDArray[np.uint32]) -> list[list[str]]:
    return [[f"{slot}:{number}" for slot, number in enumerate(row)] for row in hashed.tolist()]


def _ranges(lengths: NDArray[np.int64]) -> Iterator[slice]:
    at = 0
    for length in lengths.tolist():
        yield slice(at, at + length)
        at += length


def _tag(tagger: Any, text: str, relevance: Any, own: Sequence[int], found: list[list[FoundString]]) -> None:
    """Adds the spans of one chain's best labelling."""
    tokens = tokenize(text)
    if len(tokens) == 0:
        return
    prepared = prepare(tokens, relevance=None if relevance is None else relevance.scores(tokens), vectors=None)
    for rows in _ranges(prepared.lengths):
        labels = [int(label) for label in tagger.tag(_items(prepared.hashed[rows]))]
        places = prepared.rows[rows].tolist()
        for at, field in enumerate(own):
            here = 0
            while here < len(labels):
                if labels[here] in {begins(at), goes_on(at)}:
                    last = here
                    while last + 1 < len(labels) and labels[last + 1] == goes_on(at):
                        last += 1
                    start, end = int(tokens.starts[places[here]]), int(tokens.ends[places[last]])
                    found[field].append(FoundString(text=text[start:end], start=start, end=end))
                    here = last
                here += 1


def _unique(contract: OutputContract, habits: Sequence[Habits], found: Sequence[Sequence[FoundString]]) -> str:
    once = [list({one.text: one for one in reversed(strings)}.values()) for strings in found]
    if any(habit.repeats for habit in habits):
        pairs = zip(habits, found, once, strict=True)
        once = [list(strings) if habit.repeats else own for habit, strings, own in pairs]
    return render(contract, habits, once)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", default="sec_ner,wnut17,cuad")
    parser.add_argument("--encoder", type=Path, default=WEIGHTS)
    parser.add_argument("--no-encoder", action="store_true")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--contracts", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"{options.data} is not here; name the data kit with --data or TIERWRIGHT_DATA")
    encoder = None if options.no_encoder or not options.encoder.is_dir() else Encoder.load(options.encoder)
    print(f"# {platform.processor() or platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}")
    for name in options.sets.split(","):
        sets = {"sec_ner": sec_ner, "wnut17": wnut17}
        train, test, contract = cuad(options.data, options.contracts) if name == "cuad" else sets[name](options.data)
        rights, groups = [contract.canonical(answer) for _, answer, _ in test], [group for _, _, group in test]
        against = None if options.no_baseline else baseline(train, test, contract, 0)
        if against is not None:
            score = span_f1(contract, rights, against[0], groups, 0)
            print(f"{name} CRF: F1 {_shown(score)}, n = {len(test)}, {against[1]:.0f} s", flush=True)
        for seed in range(options.seeds):
            answers, sure, facts = ours(train, test, contract, encoder, seed)
            score = span_f1(contract, rights, answers, groups, 0)
            exact = [contract.canonical(a) == right for a, right in zip(answers, rights, strict=True)]
            brier = statistics.fmean((p - hit) ** 2 for p, hit in zip(sure, exact, strict=True))
            kind = "encoder" if encoder else "from scratch"
            print(
                f"{name} span-tagger ({kind}), seed {seed}: F1 {_shown(score)}, whole answer right"
                f" {statistics.fmean(exact):.1%}, mean confidence {statistics.fmean(sure):.1%}, Brier {brier:.3f},"
                f" n = {len(test)} ({len(train)} to train), {facts['train_seconds']:.0f} s"
                f" ({facts['train_cpu_seconds']:.0f} s of CPU), {facts['size_mb']:.1f} MB,"
                f" a text of 1,000 characters p50 {facts['p50_ms_per_1000_characters']:.1f} ms"
                f" ({facts['p50_cpu_ms_per_1000_characters']:.1f} ms of CPU)",
                flush=True,
            )
            if against is not None:
                gap = span_f1_difference(contract, rights, answers, against[0], groups, 0)
                print(f"{name} span-tagger minus CRF, seed {seed}: {_shown(gap)}", flush=True)
            if options.json:
                print(json.dumps({"set": name, "seed": seed, "f1": score.value, **facts}), flush=True)


def _shown(estimate: Any) -> str:
    return f"{100 * estimate.value:.1f} [{100 * estimate.ci_low:.1f}, {100 * estimate.ci_high:.1f}]"


if __name__ == "__main__":
    main()
