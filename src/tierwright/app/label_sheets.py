"""Label sheets as files: drawn for a version, filled in by people, read back and evaluated.

Owns the file's shape and where a label is looked for. Refuses to know how rows are drawn and what follows from them
(`evals.label_sheet`).

A sheet is JSON Lines, or CSV where its name ends so, one row for each example in the order to label them in: `id`,
`input`, `output` (empty: to be filled in with the right answer), `author`, `stratum`, `probability`, `design`. The
models' answers are not in it: a person who sees them is led by them. `tierwright feedback import` reads it as it is.

Its labels are no random sample of the test examples: those on which the models differ were drawn more often. `author`
marks them, and `dataset build` leaves marked labels out, so that they never stand for a random sample.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tierwright.app.answer_files import Confidence, read_answers
from tierwright.app.experiments import incumbent_of
from tierwright.app.wiring import ArtifactLoader
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.ids import DatasetId, ModelVersionId
from tierwright.evals.compare import Experiment
from tierwright.evals.label_sheet import AUTHOR_PREFIX, SheetDesign, SheetResult, compare_by_sheet, draw_sheet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tierwright.app.answer_files import AnswerFile
    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Example
    from tierwright.core.feedback import Feedback
    from tierwright.core.ids import InferenceId
    from tierwright.core.model import ModelVersion, Prediction
    from tierwright.evals.label_sheet import LabelSheet

#: Columns of a file, in order.
_COLUMNS = ("id", "input", "output", "author", "stratum", "probability", "design")


class _Design(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A `SheetDesign` as a row holds it."""

    dataset: str
    version: str
    threshold: float
    budget: int
    agreement_share: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSheet:
    """A sheet with what people filled in."""

    sheet: LabelSheet
    experiment: Experiment
    #: All test examples, and the candidate's answers to them.
    examples: Sequence[Example]
    predictions: Sequence[Prediction]
    #: Of rows that have a label.
    labels: Mapping[InferenceId, str]


def draw(
    parts: Parts,
    version: ModelVersion,
    *,
    budget: int,
    agreement_share: float,
    seed: int | None = None,
    threshold: float | None = None,
) -> LabelSheet:
    """The sheet of examples to label next for a version. Raises as `draw_sheet` does."""
    experiment, examples, predictions = compared(parts, version, threshold=threshold, margin=None)
    design = SheetDesign(
        dataset_id=experiment.dataset.id,
        candidate=version.id,
        threshold=experiment.threshold,
        budget=budget,
        agreement_share=agreement_share,
        seed=parts.settings.file.training.seed if seed is None else seed,
    )
    return draw_sheet(experiment, design, examples, predictions)


def write_sheet(path: Path, sheet: LabelSheet) -> None:
    """Writes a sheet to be filled in; a file that is there is not overwritten. Raises InputError, OSError."""
    design = json.dumps(
        {
            "dataset": sheet.design.dataset_id,
            "version": sheet.design.candidate,
            "threshold": sheet.design.threshold,
            "budget": sheet.design.budget,
            "agreement_share": sheet.design.agreement_share,
            "seed": sheet.design.seed,
        }
    )
    rows = [
        dict(
            zip(
                _COLUMNS,
                (
                    row.example.id,
                    row.example.input,
                    "",
                    f"{AUTHOR_PREFIX}{sheet.design.id}",
                    row.stratum,
                    row.probability,
                    design,
                ),
                strict=True,
            )
        )
        for row in sheet.rows
    ]
    try:
        with path.open("x", encoding="utf-8", newline="") as out:
            if path.suffix == ".csv":
                writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            else:
                out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except FileExistsError as error:
        raise InputError(f"{path} is there already, perhaps with labels in it; name another file") from error


def evaluate_by_sheet(
    parts: Parts, version: ModelVersion, path: Path, *, margin: float | None = None, threshold: float | None = None
) -> SheetResult:
    """The controlled experiment by the labels of a sheet; the evaluation is kept in the store.

    Raises as `sheet_labels` does, and NotEnoughData where too few rows have a label.
    """
    found = sheet_labels(parts, version, path, margin=margin, threshold=threshold)
    result = compare_by_sheet(
        found.experiment, found.sheet, found.labels, found.examples, found.predictions, at=parts.clock()
    )
    parts.store.add_evaluation(result.evaluation)
    return result


def sheet_labels(
    parts: Parts, version: ModelVersion, path: Path, *, margin: float | None = None, threshold: float | None = None
) -> FilledSheet:
    """A sheet that was filled in, checked against what was drawn.

    A label is the row's own, or else a person's in the dataset, or else the newest feedback on that id. Raises
    InputError where the file is no sheet, is of another version, threshold or dataset, or has other rows than were
    drawn.
    """
    file = read_answers(path, confidence=Confidence.IGNORED, others=("design",))
    design = _design_of(file)
    at = design.threshold if threshold is None else threshold
    experiment, examples, predictions = compared(parts, version, threshold=at, margin=margin)
    sheet = draw_sheet(experiment, design, examples, predictions)
    drawn, there = {row.example.id for row in sheet.rows}, set(file.answers)
    if drawn != there:
        raise InputError(
            f"{path} is not the sheet that was drawn: {len(there - drawn)} rows were added or changed their id, "
            f"{len(drawn - there)} are missing. Rows chosen by hand are no random sample; restore the file, or draw a "
            "new sheet with `tierwright eval labels`"
        )
    return FilledSheet(
        sheet=sheet,
        experiment=experiment,
        examples=examples,
        predictions=predictions,
        labels=_labels(file, sheet, parts.store.feedback_of_task(version.task_id)),
    )


def compared(
    parts: Parts, version: ModelVersion, *, threshold: float | None, margin: float | None, texts: bool = False
) -> tuple[Experiment, list[Example], list[Prediction]]:
    """The experiment on a version's test examples and its predictions there; `texts`: also where answers are texts."""
    rules = parts.settings.file.evaluation
    dataset = parts.store.dataset(version.dataset_id)
    if dataset.contract.kind is ContractKind.TEXT and not texts:
        raise NotEnoughData(
            "two good texts differ in wording, so a label can't say which of them is right: ask a judge with "
            "`tierwright eval judge`"
        )
    examples = parts.store.examples(dataset.id, Split.TEST)
    if not examples:
        raise NotEnoughData(f"dataset {dataset.id} has no test examples to label; build a larger one")
    at = threshold if threshold is not None else version.threshold
    experiment = Experiment(
        version=version,
        dataset=dataset,
        baseline=incumbent_of(parts, dataset),
        threshold=1.01 if at is None else at,
        margin=rules.margin if margin is None else margin,
        level=rules.level,
        min_gold=rules.min_gold,
    )
    return experiment, examples, ArtifactLoader(parts).load(version).predict([example.input for example in examples])


def _design_of(file: AnswerFile) -> SheetDesign:
    found = {answer.others.get("design", "") for answer in file.answers.values()}
    if len(found) != 1 or not (text := found.pop()):
        raise InputError(
            f"{file.path} is no label sheet: each row needs the `design` that `tierwright eval labels` wrote, the same "
            "in all; keep that column when you edit the file"
        )
    try:
        design = msgspec.json.decode(text.encode(), type=_Design)
    except msgspec.DecodeError as error:
        raise InputError(f"{file.path}: the column `design` was changed ({error}); restore it") from error
    return SheetDesign(
        dataset_id=DatasetId(design.dataset),
        candidate=ModelVersionId(design.version),
        threshold=design.threshold,
        budget=design.budget,
        agreement_share=design.agreement_share,
        seed=design.seed,
    )


def _labels(file: AnswerFile, sheet: LabelSheet, feedback: Mapping[InferenceId, Feedback]) -> dict[InferenceId, str]:
    found: dict[InferenceId, str] = {}
    for row in sheet.rows:
        written = (file.answers[row.example.id].output or "").strip()
        word = feedback.get(row.example.id)
        if written:
            found[row.example.id] = written
        elif row.example.source is LabelSource.HUMAN:
            found[row.example.id] = row.example.output
        elif word is not None:
            found[row.example.id] = word.output
    return found
