"""A judge over a version in the store: what is kept, and what the gate of promotion makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes import a_contract, a_dataset, a_task, a_version, an_example
from tests.integration.gateway.upstream import Upstream
from tests.integration.test_judge import knowing
from tierwright.app import label_sheets
from tierwright.app.judging import JUDGED, JudgeOptions, Ruling, bout_of_version, rule
from tierwright.app.settings import parse_settings
from tierwright.app.wiring import open_parts
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.evaluation import Verdict
from tierwright.core.ids import InferenceId
from tierwright.core.model import Prediction
from tierwright.evals.judged import Basis
from tierwright.lifecycle.gate import GateRules, objections

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from tierwright.core.dataset import Example
    from tierwright.core.model import ModelVersion

#: 600 test examples whose right answer is `yes`; the two differ on 100, the candidate is right on 80 of these.
EXAMPLES, DIFFER, WON = 600, 100, 80


class Specialist:
    """Knows which answer each input gets."""

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """As `Predictor.predict`."""
        places = [int(text.split()[1]) for text in inputs]
        return [Prediction(output="no" if WON <= place < DIFFER else "yes", confidence=0.9) for place in places]


class Loader:
    """Loads that specialist, whatever is asked for."""

    def __init__(self, _: object) -> None:
        pass

    def load(self, _: ModelVersion) -> Specialist:
        """As `SpecialistLoader.load`."""
        return Specialist()


def examples_under_test(*, labelled: int) -> list[Example]:
    """The test examples, of which every second one is labelled by a person up to so many."""
    found = []
    for place in range(EXAMPLES):
        by_person = place % 2 == 0 and place // 2 < labelled
        found.append(
            an_example(
                id=InferenceId(f"i{place}"),
                input=f"input {place}",
                output="yes" if by_person else "no" if place < WON else "yes",
                source=LabelSource.HUMAN if by_person else LabelSource.INCUMBENT,
                incumbent_output="no" if place < WON else "yes",
                split=Split.TEST,
                group=f"g{place}",
            )
        )
    return found


def ruled(folder: Path, monkeypatch: pytest.MonkeyPatch, *, labelled: int) -> tuple[Ruling, ModelVersion, list[str]]:
    """The ruling on the version, the version, and the metrics of the evaluations kept."""
    monkeypatch.setattr(label_sheets, "ArtifactLoader", Loader)
    dataset = a_dataset(contract=a_contract("yes", "no"))
    version = a_version(dataset_id=dataset.id, task_id=dataset.task_id, threshold=0.5)
    with Upstream() as server:
        server.script = knowing
        settings = (
            f'version = 1\n[store]\nurl = "sqlite:///s.db"\n[[backends]]\nname = "b"\nbase_url = "{server.url}"\n'
            '[judge]\nbackend = "b"\nmodel = "gpt-4o"\n'
        )
        with open_parts(parse_settings(settings.encode(), folder / "tierwright.toml", {})) as parts:
            parts.store.put_task(replace(a_task(), id=dataset.task_id))
            parts.store.add_dataset(dataset, examples_under_test(labelled=labelled))
            parts.store.add_version(version)
            ruling = rule(parts, bout_of_version(parts, version), JudgeOptions())
            kept = [evaluation.metric for evaluation in parts.store.evaluations()]
    return ruling, version, kept


def test_enough_labels_and_a_judge_make_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 300 people's labels, 50 of them on disagreements, the judged evaluation is kept and the gate accepts it."""
    ruling, version, kept = ruled(tmp_path, monkeypatch, labelled=300)
    found = ruling.evaluation
    assert found is not None
    assert (ruling.comparison.labelled, ruling.comparison.basis) == (50, Basis.PREDICTION_POWERED)
    assert (found.metric, found.reference, found.verdict) == (JUDGED, LabelSource.HUMAN, Verdict.SUPERIOR)
    assert found.difference == ruling.comparison.difference
    assert found.difference.ci_low <= (2 * WON - DIFFER) / EXAMPLES <= found.difference.ci_high
    assert kept == [JUDGED]
    assert objections(found, version=version, threshold=0.5, rules=GateRules()) == ()


def test_a_judge_alone_keeps_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 40 labels, fewer than the experiment wants, none counts: nothing is kept and nothing may be promoted."""
    ruling, _, kept = ruled(tmp_path, monkeypatch, labelled=40)
    assert (ruling.comparison.basis, ruling.comparison.labelled) == (Basis.JUDGE_ALONE, 0)
    assert ruling.comparison.verdict is Verdict.SUPERIOR
    assert (ruling.comparison.allows_promotion, ruling.evaluation, kept) == (False, None, [])
