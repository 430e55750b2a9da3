"""Public data sets of closed answers, as benchmarks read them from the data kit.

Owns the splits: official ones, training and validation together as what may be learned from where a set has both (of
CLINC150 and xsid only where it is asked for), and test rows that occur among those left out. Refuses to know what is
trained.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: (text, label) pairs.
Rows = list[tuple[str, str]]
#: Label of out-of-scope examples where they are trained on.
OUTSIDE = "oos"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One set: what is learned from and what is scored."""

    train: Rows
    test: Rows
    #: Texts that belong to no answer.
    outside: list[str]
    #: Right answers in % that others reached on this split, by name.
    beside: Mapping[str, float]


def banking77(data: Path) -> Benchmark:
    """77 intents of a bank's customers."""
    train, test = (_csv(data / "banking77" / f"{part}.csv.gz", "text", "category") for part in ("train", "test"))
    return Benchmark(train=train, test=test, outside=[], beside={"linear": 91.2, "bge-small + SVM": 93.1})


def clinc150(data: Path, *, taught: bool, validation: bool = False) -> Benchmark:
    """150 intents of an assistant's users; `taught`: with the 100 out-of-scope training examples as an answer.

    `validation`: with the validation split to learn from, as in what a user imports; the paper's figures are without.
    """
    with gzip.open(data / "clinc150" / "data_full.json.gz", "rt", encoding="utf-8") as lines:
        splits = json.load(lines)
    rows = splits["train"] + (splits["oos_train"] if taught else []) + (splits["val"] if validation else [])
    return Benchmark(
        train=[(text, label) for text, label in rows],
        test=[(text, label) for text, label in splits["test"]],
        outside=[text for text, _ in splits["oos_test"]],
        beside={"linear": 92.8, "BERT": 96.9},
    )


def textclass(data: Path, name: str, beside: Mapping[str, float]) -> Benchmark:
    """A task of the TextClass benchmark; `beside` are recorded answers of frontier models."""
    folder = data / "textclass"
    train = [row for part in ("train", "val") for row in _csv(folder / f"{name}__{part}.csv.gz", "text", "gold")]
    train = list(dict.fromkeys(train))
    seen = {text for text, _ in train}
    test = [row for row in _csv(folder / f"{name}.csv.gz", "text", "gold") if row[0] not in seen]
    return Benchmark(train=train, test=test, outside=[], beside=beside)


def arbanking77(data: Path) -> Benchmark:
    """The intents of Banking77 in standard and Palestinian Arabic; scored on standard Arabic."""
    folder = data / "arbanking77"
    parts = ("Banking77_Arabized_MSA_PAL_train", "Banking77_Arabized_MSA_PAL_val")
    train = [row for part in parts for row in _csv(folder / f"{part}.csv.gz", "text", "label")]
    test = _csv(folder / "Banking77_Arabized_MSA_test.csv.gz", "text", "label")
    return Benchmark(train=train, test=test, outside=[], beside={"linear": 88.1})


def xsid(data: Path, *, validation: bool = False) -> Benchmark:
    """Intents of an assistant's users in English; `validation`: with the 300 sentences of that split to learn from."""
    folder = data / "xsid"
    with (
        gzip.open(folder / "en_train_text.txt.gz", "rt", encoding="utf-8") as texts,
        gzip.open(folder / "en_train_label.txt.gz", "rt", encoding="utf-8") as labels,
    ):
        train = [
            (text.strip(), label.rstrip("\n").split("\t")[-1].strip())
            for text, label in zip(texts, labels, strict=True)
        ]
    with zipfile.ZipFile(folder / "xsid07_valid_test.zip") as archive:
        valid, test = (_sentences(archive.read(f"en.{part}.conll").decode()) for part in ("valid", "test"))
    return Benchmark(train=train + valid if validation else train, test=test, outside=[], beside={"linear": 93.0})


def _sentences(conll: str) -> Rows:
    """Text and intent of each sentence, as its comments say them."""
    heads = [line[2:].split(" = ", 1) for line in conll.splitlines() if line.startswith(("# text", "# intent"))]
    return [(text.strip(), intent.strip()) for (_, text), (_, intent) in zip(heads[0::2], heads[1::2], strict=True)]


#: Sets by name.
SETS: dict[str, Callable[[Path], Benchmark]] = {
    "Banking77": banking77,
    "CLINC150": lambda data: clinc150(data, taught=False),
    "CLINC150 with validation": lambda data: clinc150(data, taught=False, validation=True),
    "CLINC150 taught": lambda data: clinc150(data, taught=True),
    "policy EN": lambda data: textclass(
        data, "policy_EN", {"GPT-4o": 66.5, "o1": 71.1, "GPT-5": 70.3, "ModernBERT": 81.5}
    ),
    "policy ES": lambda data: textclass(data, "policy_ES", {"linear": 69.0, "GPT-4o": 70.5, "o1": 74.3}),
    "policy HU": lambda data: textclass(data, "policy_HU", {"linear": 74.8, "GPT-4o": 65.8, "o1": 69.0}),
    "toxicity EN": lambda data: textclass(data, "toxicity_EN", {"linear": 92.9, "GPT-4o": 95.9, "o1": 96.4}),
    "toxicity ES": lambda data: textclass(data, "toxicity_ES", {"linear": 84.3, "GPT-4o": 91.3, "o1": 91.1}),
    "toxicity ZH": lambda data: textclass(data, "toxicity_ZH", {"linear": 65.1, "GPT-4o": 76.4, "o1": 75.2}),
    "xsid EN": xsid,
    "xsid EN with validation": lambda data: xsid(data, validation=True),
    "ArBanking77 MSA": arbanking77,
}


def _csv(path: Path, text: str, label: str) -> Rows:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return [(row[text].strip(), row[label]) for row in csv.DictReader(io.StringIO(lines.read()))]
