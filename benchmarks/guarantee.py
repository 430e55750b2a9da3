"""How often certificates are broken and how much they allow, on recorded answers, beside plug-in thresholds.

    python benchmarks/guarantee.py [--splits 200] [--only textclass routellm controls] [--own-grid] [--kept FOLDER]
        [--json]

A pool of examples is split again and again into calibrating examples and the rest; each time a threshold is certified
at delta 0.05 on the calibrating ones. A certificate is *broken* when the risk of its threshold on the whole pool
exceeds the level: that is what the guarantee is about, the calibrating examples being drawn from the pool. Broken on
the rest is shown beside it; that counts the noise of the rest, too. Coverage is that of the pool, 0 where nothing is
certified; its mean over the splits is compared with a target. The plug-in threshold is the lowest of the same grid
whose risk on the calibrating examples does not exceed the level.

The pools. *textclass*: the specialist is this project's, trained on train rows only (`encoder-head` for English,
`ngram` otherwise), ordered by its confidence. Errors (R1) on validation and test rows, regret (R2) against GPT-4o and
o1 on test rows, half of which calibrate. *routellm*: Mixtral-8x7B and GPT-4-1106, ordered by a gate on the input that
is fitted on half of the prompts (logistic regression of "Mixtral is right" on LSA-128 of the prompt with subject or
length); the other half is the pool. *controls*: the same gate on CRUX and MATH level 5, where the input does not tell
what the small model gets right: the right answer is "no saving".

The grid of thresholds comes from the scores of the pool without labels (of the calibrating examples alone with
--own-grid). No scheme, start or step was chosen on these outcomes; they were chosen on synthetic curves. Targets are
those of `routing.md` 4.2 and 4.3 of the data kit, measured there with linear models of its own.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import textclass
from benchmarks.rig.scoring import training_set
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tierwright.specialists.encoder import Encoder
from tierwright.specialists.specialist import Specialist
from tierwright.stats.intervals import clopper_pearson
from tierwright.stats.risk_control import Outcomes, p_values_of
from tierwright.stats.thresholds import error_plan, grid_of, own_grid, passed, regret_plan
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tierwright.stats.thresholds import Grid, Plan

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"
DELTA = 0.05
ERRORS, REGRETS = (0.05, 0.10, 0.15, 0.20), (0.01, 0.02, 0.03, 0.05)
#: Coverage to reach by task and calibrating examples, one for each of ERRORS (`routing.md` 4.2).
ERROR_TARGETS: dict[tuple[str, int], tuple[float, ...]] = {
    ("policy_EN", 600): (0.30, 0.66, 0.83, 0.95),
    ("policy_EN", 300): (0.05, 0.55, 0.77, 0.92),
    ("policy_ES", 300): (0.0, 0.10, 0.48, 0.65),
    ("policy_HU", 600): (0.0, 0.06, 0.44, 0.68),
    ("policy_HU", 300): (0.0, 0.01, 0.24, 0.56),
    ("toxicity_EN", 600): (0.84, 0.97, 1.0, 1.0),
    ("toxicity_EN", 300): (0.79, 0.94, 1.0, 1.0),
    ("toxicity_ES", 600): (0.08, 0.63, 0.83, 0.98),
    ("toxicity_ES", 300): (0.03, 0.42, 0.78, 0.93),
    ("toxicity_ZH", 600): (0.0, 0.0, 0.0, 0.01),
    ("toxicity_ZH", 300): (0.0, 0.0, 0.0, 0.01),
}
#: The same for REGRETS, against GPT-4o and o1.
REGRET_TARGETS: dict[tuple[str, str], tuple[float, ...]] = {
    ("policy_EN", "GPT-4o"): (1.0, 1.0, 1.0, 1.0),
    ("policy_ES", "GPT-4o"): (0.09, 0.70, 0.76, 0.82),
    ("policy_HU", "GPT-4o"): (1.0, 1.0, 1.0, 1.0),
    ("toxicity_EN", "GPT-4o"): (0.76, 0.83, 0.86, 0.94),
    ("toxicity_ES", "GPT-4o"): (0.23, 0.49, 0.62, 0.75),
    ("toxicity_ZH", "GPT-4o"): (0.04, 0.21, 0.35, 0.49),
    ("policy_EN", "o1"): (1.0, 1.0, 1.0, 1.0),
    ("policy_ES", "o1"): (0.02, 0.50, 0.68, 0.75),
    ("policy_HU", "o1"): (0.97, 0.99, 0.99, 1.0),
    ("toxicity_EN", "o1"): (0.72, 0.83, 0.85, 0.93),
    ("toxicity_ES", "o1"): (0.21, 0.44, 0.57, 0.73),
    ("toxicity_ZH", "o1"): (0.07, 0.23, 0.34, 0.51),
}
#: Set, calibrating examples, risk, levels and targets (`routing.md` 4.3).
ROUTED: list[tuple[str, int, str, tuple[float, ...], tuple[float, ...]]] = [
    ("mmlu", 3510, "R1", (0.15, 0.20, 0.25, 0.30, 0.35), (0.11, 0.52, 0.70, 0.85, 1.0)),
    ("mmlu", 600, "R1", (0.15, 0.20, 0.25, 0.30), (0.02, 0.23, 0.58, 0.77)),
    ("gsm8k", 330, "R1", (0.15, 0.20, 0.25, 0.30, 0.35), (0.0, 0.0, 0.0, 0.01, 0.08)),
    ("mmlu", 3510, "R2", REGRETS, (0.08, 0.19, 0.27, 0.44)),
    ("mmlu", 600, "R2", (0.02, 0.03, 0.05), (0.10, 0.18, 0.35)),
    ("gsm8k", 330, "R2", REGRETS, (0.01, 0.05, 0.10, 0.22)),
]
CONTROLS = [
    ("crux", "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"),
    ("math-l5", "gpt-4o-mini-2024-07-18", "o1-mini-2024-09-12"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Examples whose outcomes are all known."""

    name: str
    outcomes: Outcomes
    #: Probability that the candidate is right, shape (n,).
    confidence: NDArray[np.float64]

    def take(self, members: NDArray[np.int64]) -> Outcomes:
        """Some of them."""
        baseline = self.outcomes.baseline
        return Outcomes(
            scores=self.outcomes.scores[members],
            candidate=self.outcomes.candidate[members],
            baseline=None if baseline is None else baseline[members],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One figure of a table."""

    name: str
    risk: str
    level: float
    n: int
    pool: int
    target: float | None
    coverage: float
    plug_in: float
    certified: int
    broken: int
    broken_rest: int
    broken_plug_in: int
    splits: int


def measure(
    pool: Pool, n: int, level: float, *, target: float | None, splits: int, own: bool, of: str | None = None
) -> Cell:
    """One cell."""
    generator = np.random.default_rng([int(1000 * level), n, len(pool.name)])
    size = pool.outcomes.scores.size
    whole = _plan(pool, grid_of(pool.outcomes.scores), pool.confidence, n, level)
    risks = _risks(pool.outcomes, whole.grid)
    covered, plugged, broken, broken_rest, broken_plug, certified = [], [], 0, 0, 0, 0
    for _ in range(splits):
        order = generator.permutation(size)
        taken, rest = order[:n], order[n:]
        sample = pool.take(taken)
        plan = whole
        if own:
            plan = _plan(pool, own_grid(sample.scores), pool.confidence[taken], n, level)
            risks = _risks(pool.outcomes, plan.grid)
        levels = passed(p_values_of(sample, plan, limit=level, delta=DELTA, generator=generator), plan.weights, DELTA)
        won = np.flatnonzero(levels)
        covered.append(_coverage(pool, plan, int(won[-1])) if won.size else 0.0)
        if won.size:
            certified += 1
            broken += bool(risks[won[-1]] > level + 1e-12)
            broken_rest += bool(_risks(pool.take(rest), plan.grid)[won[-1]] > level + 1e-12)
        seen = np.flatnonzero(_risks(sample, plan.grid) <= level)
        plugged.append(_coverage(pool, plan, int(seen[-1])) if seen.size else 0.0)
        broken_plug += bool(seen.size and risks[seen[-1]] > level + 1e-12)
    return Cell(
        name=pool.name if of is None else f"{pool.name} {of}",
        risk="R1" if pool.outcomes.baseline is None else "R2",
        level=level,
        n=n,
        pool=size,
        target=target,
        coverage=statistics.mean(covered),
        plug_in=statistics.mean(plugged),
        certified=certified,
        broken=broken,
        broken_rest=broken_rest,
        broken_plug_in=broken_plug,
        splits=splits,
    )


def _plan(pool: Pool, grid: Grid, confidence: NDArray[np.float64], n: int, level: float) -> Plan:
    if pool.outcomes.baseline is not None:
        return regret_plan(grid)
    return error_plan(grid, n, level, DELTA, confidences=confidence, generator=np.random.default_rng(0))


def _risks(outcomes: Outcomes, grid: Grid) -> NDArray[np.float64]:
    """The risk of each threshold; that of accepting nothing is 0."""
    order = np.argsort(-outcomes.scores, kind="stable")
    counts = np.searchsorted(-outcomes.scores[order], -grid.thresholds, side="right")
    lost = np.concatenate([[0.0], np.cumsum(outcomes.losses[order])])[counts]
    over = np.maximum(counts, 1) if outcomes.baseline is None else outcomes.scores.size
    return np.asarray(lost / over)


def _coverage(pool: Pool, plan: Plan, place: int) -> float:
    return float((pool.outcomes.scores >= plan.grid.thresholds[place]).mean())


def textclass_pools(data: Path, kept: Path | None) -> Iterator[tuple[Pool, dict[str, Pool]]]:
    """For each task the pool of errors, and by frontier model that of regret."""
    encoder = Encoder.load(WEIGHTS, threads=1) if WEIGHTS.exists() else None
    for name in textclass.TASKS:
        task = textclass.read(data, name)
        outputs, confidence = _specialist(task, encoder if name.endswith("EN") else None, kept)
        gold = np.array([label for _, label in task.val] + list(task.gold))
        right = (outputs == gold).astype(np.float64)
        first = len(task.val)
        errors = Pool(name=name, outcomes=Outcomes.of(confidence, right), confidence=confidence)
        yield (
            errors,
            {
                model: Pool(
                    name=name,
                    outcomes=Outcomes.of(
                        confidence[first:], right[first:], (task.frontier[model] == task.gold).astype(np.float64)
                    ),
                    confidence=confidence[first:],
                )
                for model in ("GPT-4o", "o1")
            },
        )


def _specialist(
    task: textclass.Task, encoder: Encoder | None, kept: Path | None
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    name, recipe = ("ngram", NgramRecipe()) if encoder is None else ("encoder-head", EncoderHeadRecipe(encoder=encoder))
    texts = [text for text, _ in task.val] + task.texts
    place = None if kept is None else kept / f"{task.name}-{name}-1-{len(texts)}.json"
    if place is not None and place.exists():
        rows = json.loads(place.read_text("utf-8"))
    else:
        with tempfile.TemporaryDirectory() as folder:
            fitted = recipe.fit(
                training_set(task.name, task.train), artifacts=Path(folder), seed=1, progress=lambda _: None
            )
            predictions = Specialist.load(fitted.path, encoder=encoder).predict(texts)
        rows = [[prediction.output, prediction.confidence] for prediction in predictions]
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(rows), "utf-8")
    return np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])


def gated_pools(name: str, rows: list[dict[str, str]], weak: str, strong: str) -> tuple[Pool, Pool]:
    """The pools of errors and of regret of two models whose gate was fitted on half of the prompts."""
    generator = np.random.default_rng(7)
    order = generator.permutation(len(rows))
    fit, rest = np.sort(order[: len(rows) // 2]), np.sort(order[len(rows) // 2 :])
    prompts = [row["prompt"] for row in rows]
    w = np.array([_truth(row[weak]) for row in rows])
    s = np.array([_truth(row[strong]) for row in rows])
    features = _features(prompts, [row.get("subject") for row in rows], fit)
    gate = LogisticRegression(C=0.1, max_iter=2000).fit(features[fit], w[fit])
    sure = gate.predict_proba(features[rest])[:, 1]
    return (
        Pool(name=name, outcomes=Outcomes.of(sure, w[rest]), confidence=sure),
        Pool(name=name, outcomes=Outcomes.of(sure, w[rest], s[rest]), confidence=sure),
    )


def _features(prompts: Sequence[str], subjects: Sequence[str | None], fit: NDArray[np.int64]) -> NDArray[np.float64]:
    """LSA-128 of the prompts with their subject, or their length where there is none; learned on the half that fits."""
    vectors = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2), max_features=100_000)
    vectors.fit([prompts[i] for i in fit])
    matrix = vectors.transform(prompts)
    reduced = TruncatedSVD(128, random_state=0).fit(matrix[fit])
    latent = reduced.transform(matrix)
    if subjects[0] is not None:
        column = np.array(subjects)[:, None]
        more = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(column[fit]).transform(column)
        return np.hstack([StandardScaler().fit(latent[fit]).transform(latent), 2 * more])
    length = np.log1p([[len(prompt)] for prompt in prompts])
    both = np.hstack([latent, length])
    return np.asarray(StandardScaler().fit(both[fit]).transform(both))


def _truth(text: str) -> float:
    return float(text.strip().lower() in {"1", "1.0", "true"})


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table, each prompt once."""
    csv.field_size_limit(1 << 30)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(io.StringIO(lines.read())))
    return list({row["prompt"].strip(): row for row in reversed(rows)}.values())[::-1]


def cells(given: argparse.Namespace) -> Iterator[Cell]:
    """All cells asked for."""
    parts = {"textclass": _textclass_cells, "routellm": _routed_cells, "controls": _control_cells}
    for name, part in parts.items():
        if name in given.only:
            yield from part(given)


def _textclass_cells(given: argparse.Namespace) -> Iterator[Cell]:
    for errors, regrets in textclass_pools(given.data, given.kept):
        for n in (600, 300):
            targets = ERROR_TARGETS.get((errors.name, n))
            if targets is not None and errors.outcomes.scores.size > n + 50:
                for level, target in zip(ERRORS, targets, strict=True):
                    yield measure(errors, n, level, target=target, splits=given.splits, own=given.own_grid)
        for model, pool in regrets.items():
            half = pool.outcomes.scores.size // 2
            for level, target in zip(REGRETS, REGRET_TARGETS[pool.name, model], strict=True):
                yield measure(pool, half, level, target=target, of=model, splits=given.splits, own=given.own_grid)


def _routed_cells(given: argparse.Namespace) -> Iterator[Cell]:
    folder, weak, strong = given.data / "routellm", "mixtral_8x7b_correct", "gpt4_1106_correct"
    pools = {name: gated_pools(name, _rows(folder / f"{name}.csv.gz"), weak, strong) for name in ("mmlu", "gsm8k")}
    for name, n, risk, levels, targets in ROUTED:
        pool = pools[name][risk == "R2"]
        for level, target in zip(levels, targets, strict=True):
            least = min(n, pool.outcomes.scores.size // 2)
            yield measure(pool, least, level, target=target, splits=given.splits, own=given.own_grid)


def _control_cells(given: argparse.Namespace) -> Iterator[Cell]:
    for name, weak, strong in CONTROLS:
        rows = _rows(given.data / "zeroeval" / f"{name}.csv.gz")
        pool = gated_pools(name, rows, f"{weak}|correct", f"{strong}|correct")[1]
        for level in REGRETS[:3]:
            half = pool.outcomes.scores.size // 2
            yield measure(pool, half, level, target=None, splits=given.splits, own=given.own_grid)


def line(cell: Cell) -> str:
    """A cell for people."""
    broken = clopper_pearson(cell.broken, cell.splits)
    target = "" if cell.target is None else f"target {cell.target:.2f} "
    return (
        f"{cell.name:<19} {cell.risk} {cell.level:.2f} n={cell.n:<5} coverage {cell.coverage:.3f} {target}"
        f"plug-in {cell.plug_in:.3f} | broken {cell.broken / cell.splits:.3f} [{broken.ci_low:.3f}, "
        f"{broken.ci_high:.3f}] rest {cell.broken_rest / cell.splits:.3f} plug-in "
        f"{cell.broken_plug_in / cell.splits:.3f} | certified {cell.certified}/{cell.splits}"
    )


def summary(found: Sequence[Cell]) -> str:
    """What the cells say together."""
    targeted = [cell for cell in found if cell.target is not None]
    most = max(found, key=lambda cell: cell.broken)
    lines = [
        (
            f"{len(found)} cells; broken on the pool at most {most.broken}/{most.splits} ({most.name} {most.risk} "
            f"{most.level:g}), on average {statistics.mean(c.broken / c.splits for c in found):.4f}; on the rest at "
            f"most {max(c.broken_rest / c.splits for c in found):.3f}; plug-in median "
            f"{statistics.median(c.broken_plug_in / c.splits for c in found):.3f}"
        )
    ]
    for risk in ("R1", "R2"):
        own = [cell for cell in targeted if cell.risk == risk]
        if not own:
            continue
        # Targets are given to two digits.
        missed = [cell for cell in own if cell.coverage < (cell.target or 0.0) - 0.005]
        gain = statistics.mean(cell.coverage - (cell.target or 0.0) for cell in own)
        room = statistics.mean(cell.plug_in - (cell.target or 0.0) for cell in own)
        way = f", {gain / room:.0%} of the way to plug-in" if room > 0 else ""
        lines.append(
            f"{risk}: {len(own) - len(missed)} of {len(own)} cells at or above target; {gain:+.3f} on average{way}; "
            f"below: {', '.join(f'{c.name} {c.level:g} n={c.n} {c.coverage:.3f} < {c.target}' for c in missed) or '-'}"
        )
    return "\n".join(lines)


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Certificates on recorded answers.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--only", nargs="+", default=["textclass", "routellm", "controls"])
    parser.add_argument("--own-grid", action="store_true", help="thresholds from the calibrating scores alone")
    parser.add_argument("--kept", type=Path, help="folder in which the specialists' answers stay")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "textclass").exists():
        sys.exit(f"skipped: {given.data} does not hold the data; set TIERWRIGHT_DATA or give --data")
    found = []
    for cell in cells(given):
        found.append(cell)
        print(line(cell), file=sys.stderr if given.json else sys.stdout, flush=True)
    print(summary(found), file=sys.stderr if given.json else sys.stdout)
    if given.json:
        print(json.dumps([asdict(cell) for cell in found], indent=2))


if __name__ == "__main__":
    main()
