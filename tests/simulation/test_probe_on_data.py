"""The probe on public data whose nature is known, and on labels that have nothing to do with their texts."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from tierwright.app.audit_means import profile_means
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.curation.near_duplicates import near_duplicate_groups
from tierwright.curation.probe import probe

DATA = Path(os.environ.get("TIERWRIGHT_DATA") or Path(__file__).parents[3] / "shared" / "data")
pytestmark = pytest.mark.skipif(
    not (DATA / "gitbugs").is_dir(), reason=f"no data at {DATA}; set TIERWRIGHT_DATA to the data directory"
)


def rows(name: str, text: str, label: str) -> list[tuple[str, str]]:
    """A thousand texts with their labels, drawn at random but in the file's order."""
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as lines:
        every = [(row[text] or "-", row[label] or "-") for row in csv.DictReader(lines)]
    drawn = np.random.default_rng(1).permutation(len(every))[:1000]
    return [every[at] for at in np.sort(drawn).tolist()]


def learnable(found: list[tuple[str, str]]) -> bool:
    """What the probe says."""
    texts = [text for text, _ in found]
    contract = OutputContract(kind=ContractKind.LABEL, labels=tuple(dict.fromkeys(label for _, label in found)))
    groups = near_duplicate_groups(texts, threshold=0.8, seed=1)
    said = probe(texts, [(label,) for _, label in found], groups, contract, profile_means(seed=1).learner, seed=1)
    assert said is not None
    return said.learnable


@pytest.mark.slow
def test_labels_of_tweets_are_learnable_and_shuffled_ones_are_not() -> None:
    """The same texts, the same shares of labels."""
    found = rows("davidson_hate/labeled_data.csv.gz", "tweet", "class")
    order = np.random.default_rng(2).permutation(len(found)).tolist()
    assert learnable(found)
    assert not learnable([(text, found[at][1]) for (text, _), at in zip(found, order, strict=True)])


@pytest.mark.slow
def test_the_priority_of_issue_reports_is_not_learnable_and_their_language_is() -> None:
    """Of Hadoop, and of Visual Studio Code."""
    assert not learnable(rows("gitbugs/hadoop_bugs.csv.gz", "Description", "Priority"))
    assert learnable(rows("gitbugs/multilingual_vscode_translated.csv.gz", "title", "src_lang"))


@pytest.mark.slow
def test_random_labels_are_hardly_ever_learnable() -> None:
    """Of thirty tasks of a hundred requests, at most one."""
    rng = np.random.default_rng(3)
    texts = [text for text, _ in rows("davidson_hate/labeled_data.csv.gz", "tweet", "class")]
    said = [
        learnable([(texts[at], str(rng.random() < 0.7)) for at in rng.permutation(1000)[:100].tolist()])
        for _ in range(30)
    ]
    assert sum(said) <= 1
