"""Time and memory of a recipe on a large training set, generated here.

    python benchmarks/scale.py [--examples 100000] [--classes 150] [--fields 1] [--words 30] [--encoder DIRECTORY]

Texts are words drawn from a vocabulary of 20,000 made-up words with frequencies after Zipf; a fifth of a text's words
come from the 60 words that its class prefers. With `--fields 2` the answer is a JSON object of two such classes, each
of which lends its words. A tenth of the examples more is generated and scored. Memory is the largest resident size of
this process, everything included. Without `--encoder` the recipe is `ngram`, with it `encoder-head`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract, render_json
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.specialist import Specialist
from tierwright.stats.intervals import wilson
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
_VOCABULARY, _PREFERRED, _OWN_SHARE = 20_000, 60, 0.2


def generate(count: int, classes: int, fields: int, words: int, seed: int) -> tuple[list[str], list[list[str]]]:
    """Texts, and the class of each in each field."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array(
        [
            "".join(_SYLLABLES[s] for s in rng.integers(0, len(_SYLLABLES), rng.integers(1, 5)))
            for _ in range(_VOCABULARY)
        ]
    )
    often = 1 / np.arange(1, _VOCABULARY + 1)
    cumulative = np.cumsum(often) / often.sum()
    preferred = rng.integers(100, _VOCABULARY, (fields, classes, _PREFERRED))
    texts, answers = [], []
    for _ in range(count):
        chosen = rng.integers(0, classes, fields)
        drawn = np.searchsorted(cumulative, rng.random(words))
        drawn = np.minimum(drawn, _VOCABULARY - 1)
        own = rng.random(words) < _OWN_SHARE
        field = rng.integers(0, fields, words)
        drawn[own] = preferred[field[own], chosen[field[own]], rng.integers(0, _PREFERRED, own.sum())]
        texts.append(" ".join(vocabulary[drawn]))
        answers.append([f"class-{number}" for number in chosen])
    return texts, answers


def training_set(texts: list[str], answers: list[list[str]]) -> TrainingSet:
    """The examples as a person's labels."""
    fields = len(answers[0])
    names = [[value for value, _ in Counter(row[f] for row in answers).most_common()] for f in range(fields)]
    if fields == 1:
        contract = OutputContract(kind=ContractKind.LABEL, labels=tuple(names[0]))
        outputs = [row[0] for row in answers]
    else:
        specs = tuple(FieldSpec(name=f"field{f}", values=tuple(names[f])) for f in range(fields))
        contract = OutputContract(kind=ContractKind.FIELDS, fields=specs, style=JsonStyle())
        outputs = [render_json({f"field{f}": v for f, v in enumerate(row)}, JsonStyle()) for row in answers]
    examples = [
        Example(
            id=InferenceId(f"row-{number}"),
            input=text,
            output=output,
            source=LabelSource.HUMAN,
            incumbent_output=None,
            split=Split.TRAIN,
            group=str(number),
            created_at=datetime(2025, 1, 1, tzinfo=UTC),
        )
        for number, (text, output) in enumerate(zip(texts, outputs, strict=True))
    ]
    return TrainingSet(dataset_id=DatasetId("generated"), contract=contract, examples=examples)


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Time and memory of a recipe on a large training set.")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--fields", type=int, default=1)
    parser.add_argument("--words", type=int, default=30)
    parser.add_argument("--encoder", type=Path, help="what `tierwright model pull` built; without it: ngram")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    unseen = given.examples // 10
    texts, answers = generate(given.examples + unseen, given.classes, given.fields, given.words, given.seed)
    whole = training_set(texts, answers)
    training = TrainingSet(
        dataset_id=whole.dataset_id, contract=whole.contract, examples=whole.examples[: given.examples]
    )
    encoder = Encoder.load(given.encoder, threads=2) if given.encoder else None
    recipe = NgramRecipe() if encoder is None else EncoderHeadRecipe(encoder=encoder)
    before, processor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        fitted = recipe.fit(
            training, artifacts=Path(folder), seed=given.seed, progress=lambda line: print(line, file=sys.stderr)
        )
        processor = time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = Specialist.load(fitted.path, encoder=encoder).predict(texts[given.examples :])
    wanted = [example.output for example in whole.examples[given.examples :]]
    right = wilson(sum(p.output == w for p, w in zip(found, wanted, strict=True)), unseen)
    report = {
        "recipe": "ngram" if encoder is None else "encoder-head",
        **{name: getattr(given, name) for name in ("examples", "classes", "fields", "words", "seed")},
        "accuracy": right.value,
        "ci_low": right.ci_low,
        "ci_high": right.ci_high,
        "train_s": fitted.train_seconds,
        "processor_s": processor,
        "resident_mb": peak / 1024,
        "resident_before_mb": before / 1024,
        "size_bytes": fitted.size_bytes,
    }
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", file=sys.stderr)
    if given.json:
        print(json.dumps(report, indent=2))
        return
    print(
        f"{report['recipe']}, {given.examples:,} examples of {given.words} words, {given.classes} classes, "
        f"{given.fields} field(s): {fitted.train_seconds:.0f} s ({processor:.0f} s of processor time), "
        f"{peak / 1024:,.0f} MiB resident at most, {fitted.size_bytes / 1e6:.0f} MB; unseen "
        f"{100 * right.value:.2f} % [{100 * right.ci_low:.1f}, {100 * right.ci_high:.1f}], n={unseen:,}"
    )


if __name__ == "__main__":
    main()
