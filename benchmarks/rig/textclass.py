"""TextClass tasks: clean splits, recorded answers of frontier models, and answers of specialists trained here.

Owns the clearing of the defects that the data kit lists: test rows whose text occurs in what a specialist may have seen
are left out, rows of validation that occur in training too, and columns of models that are broken or were trained on
the test texts. Two texts are the same if they agree in their letters and digits, whatever their case, punctuation and
spacing. Refuses to know what is done with the answers.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.rig.scoring import training_set

from tierwright.specialists.specialist import Specialist
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.rig.classified import Rows
    from numpy.typing import NDArray

    from tierwright.specialists.encoder import Encoder

#: Tasks with a training split.
TASKS = ("policy_EN", "policy_ES", "policy_HU", "toxicity_EN", "toxicity_ES", "toxicity_ZH")
#: Recorded frontier models by name, and their columns; those a task lacks are left out of it.
FRONTIER: Mapping[str, str] = {
    "GPT-4o": "gpt-4o-2024-08-06",
    "GPT-4.1": "gpt-4.1-2025-04-14",
    "GPT-4.5": "gpt-4.5-preview-2025-02-27",
    "GPT-5": "gpt-5-2025-08-07",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "Claude 3.7": "claude-3-7-sonnet-20250219",
    "Claude Opus 4": "claude-opus-4-20250514",
    "Gemini 2.5 pro": "gemini-2.5-pro-preview-03-25",
    "Grok 3": "grok-3-beta",
}
#: Columns that are no frontier model's ability, by how they begin: trained on the test texts, or one class throughout.
_EXCLUDED = ("xlm-roberta-large-", "ft-XLM-RoBERTa-policy-agenda-")
#: The same in one task only: 61 % of its rows there are in two topics.
_EXCLUDED_IN = {("policy_EN", "claude-3-5-sonnet-20241022")}
#: Columns of a table that are no model's.
_OWN = ("idx", "text", "gold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task: n test rows."""

    name: str
    train: Rows
    #: Without texts that occur in `train`.
    val: Rows
    #: Of the test rows, without texts that occur in either, each text once.
    texts: list[str]
    #: Right answers, shape (n,).
    gold: NDArray[np.str_]
    #: Answers of every usable model by its column, shape (n,) each.
    models: Mapping[str, NDArray[np.str_]]

    @property
    def frontier(self) -> dict[str, NDArray[np.str_]]:
        """Answers of the frontier models of this task, by name."""
        return {name: self.models[column] for name, column in FRONTIER.items() if column in self.models}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one specialist says to n texts."""

    outputs: NDArray[np.str_]
    #: Calibrated, shape (n,).
    confidence: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One specialist of a task: of the recipe that was best on validation rows when trained on training rows alone."""

    recipe: str
    #: Share of right answers on validation rows by recipe.
    validation: Mapping[str, float]
    #: To the validation rows, by the specialist that has not seen them.
    val: Answers
    test: Answers


def read(data: Path, name: str, *, strict: bool = True) -> Task:
    """A task. `strict=False` keeps rows that differ in case, punctuation or spacing, and repeats within a split.

    The figures of the data kit were measured on the rows that are left then.
    """
    folder = data / "textclass"
    key = _letters if strict else str
    seen: set[str] = set()
    train = _new(_rows(folder / f"{name}__train.csv.gz"), seen, key, once=strict)
    val = _new(_rows(folder / f"{name}__val.csv.gz"), seen, key, once=strict)
    test = _new(_rows(folder / f"{name}.csv.gz"), seen, key, once=strict)
    columns = [
        column
        for column in test[0]
        if column not in _OWN and not column.startswith(_EXCLUDED) and (name, column) not in _EXCLUDED_IN
    ]
    return Task(
        name=name,
        train=[(row["text"], row["gold"]) for row in train],
        val=[(row["text"], row["gold"]) for row in val],
        texts=[row["text"] for row in test],
        gold=np.array([row["gold"] for row in test]),
        models={column: np.array([row[column] for row in test]) for column in columns},
    )


def learn(
    task: Task, *, encoder: Encoder | None, whole: bool = False, seed: int = 1, kept: Path | None = None
) -> Learned:
    """Trains every linear recipe on the training rows and takes the one that is best on the validation rows.

    `whole`: then it is trained on both, and answers the test rows as that. `kept` is a folder in which the answers
    stay, so that the next call reads them. `encoder` of None leaves the recipes out that need one.
    """
    truth = np.array([label for _, label in task.val])
    texts = [text for text, _ in task.val] + task.texts
    recipes = ["ngram"] if encoder is None else ["ngram", "encoder-head"]
    found = {
        recipe: _kept(kept, f"{task.name}-{recipe}-{seed}-{len(texts)}.json")
        or _answer(task.name, task.train, texts, recipe, encoder, seed)
        for recipe in recipes
    }
    validation = {name: float((of.outputs[: len(truth)] == truth).mean()) for name, of in found.items()}
    best = max(validation, key=lambda name: validation[name])
    both = found[best]
    test = Answers(outputs=both.outputs[len(truth) :], confidence=both.confidence[len(truth) :])
    name = f"{task.name}-{best}-whole-{seed}-{len(task.texts)}.json"
    if whole:
        test = _kept(kept, name) or _answer(task.name, task.train + task.val, task.texts, best, encoder, seed)
        _keep(kept, name, test)
    for recipe, answers in found.items():
        _keep(kept, f"{task.name}-{recipe}-{seed}-{len(texts)}.json", answers)
    return Learned(
        recipe=best,
        validation=validation,
        val=Answers(outputs=both.outputs[: len(truth)], confidence=both.confidence[: len(truth)]),
        test=test,
    )


def _answer(name: str, rows: Rows, texts: Sequence[str], recipe: str, encoder: Encoder | None, seed: int) -> Answers:
    """What a recipe trained on rows says to texts."""
    used = encoder if recipe == "encoder-head" else None
    chosen = NgramRecipe() if used is None else EncoderHeadRecipe(encoder=used)
    with tempfile.TemporaryDirectory() as folder:
        fitted = chosen.fit(training_set(name, rows), artifacts=Path(folder), seed=seed, progress=lambda _: None)
        predictions = Specialist.load(fitted.path, encoder=used).predict(texts)
    return Answers(
        outputs=np.array([prediction.output for prediction in predictions]),
        confidence=np.array([prediction.confidence for prediction in predictions]),
    )


def _kept(folder: Path | None, name: str) -> Answers | None:
    if folder is None or not (folder / name).exists():
        return None
    rows = json.loads((folder / name).read_text("utf-8"))
    return Answers(outputs=np.array([row[0] for row in rows]), confidence=np.array([row[1] for row in rows]))


def _keep(folder: Path | None, name: str, answers: Answers) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(zip(answers.outputs.tolist(), answers.confidence.tolist(), strict=True))
        (folder / name).write_text(json.dumps(rows), "utf-8")


def _letters(text: str) -> str:
    """A text's letters and digits; the text itself where it has none."""
    return "".join(character for character in text.casefold() if character.isalnum()) or text


def _new(
    rows: Iterable[dict[str, str]], seen: set[str], key: Callable[[str], str], *, once: bool
) -> list[dict[str, str]]:
    """The rows whose text was not seen before these; the first of each text, if `once`. Their texts count as seen."""
    known = set(seen)
    kept = []
    for row in rows:
        of = key(row["text"])
        if of not in known:
            kept.append(row)
            if once:
                known.add(of)
        seen.add(of)
    return kept


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(io.StringIO(lines.read())))
    return [{**row, "text": row["text"].strip()} for row in rows]
