"""Whether the share a specialist will answer itself is foretold honestly, on recorded answers of real frontier models.

    python benchmarks/advice.py [--data DIRECTORY] [--only TASK ...] [--seed 1] [--json]

For each TextClass task and recorded frontier model, as an audit would see it: the quick model learns the incumbent's
answers, cross-validated in three folds over the test rows. From its agreement alone `economics.action_savings`
foretells the share answered locally, with an interval. Beside it what was to be had: the largest share, most confident
first, at which what is given up against the incumbent, by the right answers, stays within 1 % of all rows. That is
hindsight: a certificate grants less. Confidence is the distance between the two best votes; its AUROC (agreeing
against differing answers) is what the rule draws from 0.75 to 0.95. The rule was fixed before any of these rows was
looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.textclass import TASKS, read
from sklearn.metrics import roc_auc_score

from tierwright.economics.action_savings import Assumptions, local_share
from tierwright.specialists.ngram import NgramFeaturiser
from tierwright.stats.intervals import wilson
from tierwright.training.votes import Features, VoteConfig, fit_votes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
MARGIN = Assumptions().margin
_FOLDS = 3


def learned_answers(
    texts: list[str], answers: NDArray[np.str_], *, seed: int
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """What the quick model says to each text, learned from the others' answers, and its confidence; shape (n,) each."""
    names, labels = np.unique(answers, return_inverse=True)
    featuriser = NgramFeaturiser.fit(texts)
    features = Features(ngrams=featuriser.transform(texts), embeddings=None)
    spoken = Features(ngrams=featuriser.transform(names.tolist()), embeddings=None)
    fold = np.random.default_rng(seed).permutation(len(texts)) % _FOLDS
    said = np.empty(len(texts), dtype=names.dtype)
    confidence = np.empty(len(texts))
    for number in range(_FOLDS):
        known, asked = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        votes = fit_votes(
            features.rows(known), labels[known], np.ones(len(known)), spoken, config=VoteConfig(), seed=seed
        )
        scores = votes.scores(features.rows(asked)).ngrams
        best = np.sort(scores, axis=1)
        said[asked], confidence[asked] = names[scores.argmax(axis=1)], best[:, -1] - best[:, -2]
    return said, confidence


def largest_share(given_up: NDArray[np.float64], confidence: NDArray[np.float64]) -> float:
    """The largest share, most confident first, with at most the margin given up of all rows."""
    total = np.cumsum(given_up[np.argsort(-confidence, kind="stable")])
    within = np.flatnonzero(total <= MARGIN * len(given_up))
    return float(within[-1] + 1) / len(given_up) if len(within) else 0.0


def cells(data: Path, only: list[str], *, seed: int) -> Iterator[dict[str, Any]]:
    """One row for each task and frontier model."""
    for name in only:
        task = read(data, name)
        for model, answers in task.frontier.items():
            said, confidence = learned_answers(task.texts, answers, seed=seed)
            same = said == answers
            agreement = wilson(int(same.sum()), len(same))
            foretold = local_share(agreement, Assumptions(), seed=seed)
            given_up = (answers == task.gold).astype(float) - (said == task.gold)
            yield {
                "task": name,
                "incumbent": model,
                "n": len(same),
                "right": float((answers == task.gold).mean()),
                "agreement": agreement.value,
                "auroc": float(roc_auc_score(same, confidence)),
                "foretold": [foretold.value, foretold.ci_low, foretold.ci_high],
                "to_be_had": largest_share(given_up, confidence),
            }


def main() -> None:
    """Prints one line a cell, then how often the interval held what was to be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", nargs="*", default=list(TASKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for row in cells(options.data, options.only, seed=options.seed):
        rows.append(row)
        if not options.json:
            value, low, high = row["foretold"]
            print(
                f"{row['task']:12} {row['incumbent']:14} n {row['n']:5,}  right {row['right']:.3f}  "
                f"agreement {row['agreement']:.3f}  AUROC {row['auroc']:.3f}  foretold {value:.2f} "
                f"({low:.2f} to {high:.2f})  to be had {row['to_be_had']:.2f}",
                flush=True,
            )
    aurocs = np.array([row["auroc"] for row in rows])
    held = sum(row["foretold"][1] <= row["to_be_had"] <= row["foretold"][2] for row in rows)
    below = sum(row["to_be_had"] < row["foretold"][1] for row in rows)
    share = wilson(held, len(rows))
    summary = {
        "cells": len(rows),
        "held": [share.value, share.ci_low, share.ci_high],
        "below_the_interval": below,
        "mean_foretold": float(np.mean([row["foretold"][0] for row in rows])),
        "mean_to_be_had": float(np.mean([row["to_be_had"] for row in rows])),
        "auroc": [float(q) for q in np.quantile(aurocs, (0.0, 0.05, 0.5, 0.95, 1.0))],
    }
    if options.json:
        print(json.dumps({"cells": rows, "summary": summary}, indent=2))
        return
    print(
        f"\n{len(rows)} cells: the interval holds what was to be had in {held} ({share.value:.2f}, {share.ci_low:.2f} "
        f"to {share.ci_high:.2f}; cells of one task share their texts), it promised too much in {below}"
    )
    print(f"mean foretold {summary['mean_foretold']:.2f}, to be had {summary['mean_to_be_had']:.2f}")
    print("AUROC, lowest, 5 %, median, 95 %, highest: " + ", ".join(f"{q:.3f}" for q in summary["auroc"]))


if __name__ == "__main__":
    main()
