"""Experiments from registration to evaluation, on a real store with a real specialist."""

from __future__ import annotations

import shutil
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from tests.fakes import a_call, an_inference
from tests.integration.experiments_under_test import opened, some_examples, trained
from tierwright.app.evidence import Spent, dossier_of, gather, read_bundle, served_ratios, write_bundle
from tierwright.app.experiments import Wishes, evaluate, look, looks_before, register
from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError, InvalidTransition, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.core.ids import InferenceId, ModelVersionId
from tierwright.evals.bundle import check_bundle, make_bundle
from tierwright.evals.dossier import dossier_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.app.wiring import Parts
    from tierwright.core.model import ModelVersion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelVersion]:
    """A folder with a store and a specialist, never changed."""
    folder = tmp_path_factory.mktemp("trained")
    with opened(folder) as parts:
        version = trained(parts, some_examples())
    return folder, version


@pytest.fixture
def parts(trained_folder: tuple[Path, ModelVersion], tmp_path: Path) -> Iterator[Parts]:
    """The parts of a copy of it; the artifact is where it was."""
    shutil.copytree(trained_folder[0], tmp_path / "copy")
    with opened(tmp_path / "copy") as found:
        yield found


@pytest.fixture
def version(trained_folder: tuple[Path, ModelVersion]) -> ModelVersion:
    """The specialist."""
    return trained_folder[1]


def test_an_experiment_is_registered_before_it_is_looked_at(parts: Parts, version: ModelVersion) -> None:
    """Registering answers no test example and keeps margin, sample, hash and power; looking keeps every outcome."""
    registration = register(parts, [version], Wishes(margin=0.02, slices=("label", "length")))
    assert parts.store.evaluations() == []
    assert parts.store.experiment(registration.id) == registration
    assert (registration.margin, registration.sample_size, registration.metric) == (0.02, 200, "accuracy")
    assert registration.plans[0].examples == 200
    (found,) = look(parts, registration)
    assert found.evaluation.experiment_id == registration.id
    assert found.evaluation.margin == 0.02
    assert parts.store.evaluation(found.evaluation.id) == found.evaluation
    outcomes = parts.store.outcomes(found.evaluation.id)
    assert len(outcomes) == 200
    assert {one.slices["label"] for one in outcomes} == {"card_arrival", "card_lost", "refund"}
    assert {one.dimension for one in found.evaluation.slices} == {"label", "length"}
    assert found.evaluation.verdict is Verdict.SUPERIOR
    assert found.looks.number == 1


def test_a_second_look_is_refused_and_a_new_experiment_says_that_it_is_one(parts: Parts, version: ModelVersion) -> None:
    """The same experiment is looked at once; registered anew it is number 2 of this version on these examples."""
    registration = register(parts, [version], Wishes())
    look(parts, registration)
    with pytest.raises(InvalidTransition, match="A second look is a new experiment"):
        look(parts, registration)
    again = evaluate(parts, version)
    assert again.registration.implicit
    assert (again.looks.number, len(again.looks.of_any)) == (2, 1)
    assert looks_before(parts, again.evaluation, again.registration) == again.looks


def test_a_dataset_changed_after_registration_is_refused(parts: Parts, version: ModelVersion) -> None:
    """A label changed in the database behind the store's back: nothing is compared, and nothing kept."""
    registration = register(parts, [version], Wishes())
    engine = create_engine(parts.settings.store_url)
    with engine.begin() as connection:
        changed = text("UPDATE examples SET output = CAST(:output AS BLOB) WHERE id IN ('test-3', 'test-4')")
        connection.execute(changed, {"output": "another"})
    engine.dispose()
    with pytest.raises(InputError, match="changed since experiment"):
        look(parts, registration)
    assert parts.store.evaluations() == []


def test_a_sample_of_the_labels_is_what_is_compared(parts: Parts, version: ModelVersion) -> None:
    """With 120 labels registered 120 are compared, the same ones; with more than there are nothing is registered."""
    registration = register(parts, [version], Wishes(labels=120))
    (found,) = look(parts, registration)
    assert found.evaluation.difference.n == len(parts.store.outcomes(found.evaluation.id)) == 120
    with pytest.raises(NotEnoughData, match="100 are missing"):
        register(parts, [version], Wishes(labels=300))
    assert len(parts.store.experiments()) == 1


def test_fewer_labels_than_the_settings_want_stay_labels(parts: Parts, version: ModelVersion) -> None:
    """A registered sample of 20 people's labels is compared by these, never silently by agreement."""
    (found,) = look(parts, register(parts, [version], Wishes(labels=20)))
    assert (found.evaluation.reference, found.evaluation.difference.n) == (LabelSource.HUMAN, 20)
    assert found.evaluation.metric == "accuracy"


def test_several_candidates_share_the_error(parts: Parts, version: ModelVersion) -> None:
    """Two versions of one dataset have their differences at 97.5 %; twice the same, or another dataset, is refused."""
    twin = replace(version, id=ModelVersionId("twin"))
    parts.store.add_version(twin)
    found = look(parts, register(parts, [version, twin], Wishes()))
    assert [one.evaluation.candidate for one in found] == [version.id, "twin"]
    assert {one.evaluation.difference.level for one in found} == {0.975}
    with pytest.raises(InputError, match="named twice"):
        register(parts, [version, version], Wishes())


def test_bad_numbers_and_names_are_refused(parts: Parts, version: ModelVersion) -> None:
    """A margin, an alpha, a metric, a slice and a slot margin that can't be; none is registered."""
    for wishes, said in (
        (Wishes(margin=2.0), "margin is 2.0"),
        (Wishes(alpha=0.0), "alpha is 0.0"),
        (Wishes(metric="chrf"), "choose accuracy"),
        (Wishes(slices=("mood",)), "no slice 'mood'"),
        (Wishes(slot_margin=0.1), "slot margin"),
        (Wishes(threshold=float("nan")), "threshold is nan"),
    ):
        with pytest.raises(InputError, match=said):
            register(parts, [version], wishes)
    assert parts.store.experiments() == []


def test_a_bundle_of_what_was_found_agrees(parts: Parts, version: ModelVersion, tmp_path: Path) -> None:
    """As a directory and as a zip file; the same evidence is the same zip file, and none is written over another."""
    (found,) = look(parts, register(parts, [version], Wishes()))
    files = make_bundle(gather(parts, found.evaluation, with_texts=True))
    paths = [tmp_path / "bundle", tmp_path / "one.zip", tmp_path / "two.zip"]
    for path in paths:
        write_bundle(path, files)
        assert check_bundle(read_bundle(path)).problems == ()
    assert paths[1].read_bytes() == paths[2].read_bytes()
    with pytest.raises(InputError, match="never written over"):
        write_bundle(paths[0], files)
    with pytest.raises(InputError, match="there is no"):
        read_bundle(tmp_path / "nothing.zip")
    (tmp_path / "bad.zip").write_bytes(paths[1].read_bytes()[:200])
    with pytest.raises(InputError, match="damaged"):
        read_bundle(tmp_path / "bad.zip")


def test_the_report_says_what_was_asked_found_and_looked_at_before(parts: Parts, version: ModelVersion) -> None:
    """Question, registration, earlier looks, numbers and what would change the verdict, in one document."""
    evaluate(parts, version)
    second = evaluate(parts, version)
    document = dossier_json(dossier_of(parts, second.evaluation))
    titles = [one["title"] for one in document["sections"]]
    assert titles[:5] == ["Verdict", "Question", "Registered beforehand", "Numbers", "Power"]
    assert titles[-1] == "What would change the verdict"
    assert (document["look"], document["looks_of_any_version"], document["verdict"]) == (2, 2, "superior")
    registered = " ".join(document["sections"][2]["lines"])
    assert "experiment 2 of this version" in registered
    assert "Earlier: " in registered
    assert document["sections"][5]["lines"] == ["Not measured with this experiment."]


def test_cost_and_latency_are_those_of_the_captured_traffic(parts: Parts, version: ModelVersion) -> None:
    """The incumbent's priced answers against the candidate timed here; an unpriced one is left out."""
    answered = [
        an_inference(
            id=InferenceId(f"i-{n}"),
            task_id=version.task_id,
            calls=(a_call(latency_ms=1000.0 + n, cost_usd=None if n == 7 else Decimal("0.01")),),
        )
        for n in range(40)
    ]
    parts.store.append(answered)
    found = evaluate(parts, version)
    ratios = {one.name: one for one in dossier_of(parts, found.evaluation).ratios}
    assert "39 of the incumbent's answers" in ratios["cheaper a request it answers itself"].basis
    assert ratios["faster a request it answers itself, median"].estimate.value > 10
    cheaper = ratios["cheaper a request it answers itself"].estimate
    assert 10 < cheaper.ci_low <= cheaper.value <= cheaper.ci_high


def test_requests_below_the_threshold_cost_and_take_both() -> None:
    """With half of the requests left to an incumbent of 1 dollar and 1 s, a free candidate is twice as cheap."""
    theirs = Spent(cost_usd=[1.0] * 50, latency_ms=[1000.0] * 50)
    own = Spent(cost_usd=[1e-9] * 50, latency_ms=[1.0] * 50)
    found = served_ratios(theirs, own, local=[True, False] * 200, seed=1, priced="nothing")
    served = {one.name: one.estimate for one in found if "as served" in one.name}
    assert served["cheaper over all requests, as served"].value == pytest.approx(2.0)
    assert served["cheaper over all requests, as served"].ci_low == pytest.approx(1.83, abs=0.05)
    assert served["faster over all requests, as served, mean"].value == pytest.approx(1000 / 501)
    assert len(served_ratios(theirs, own, local=[True] * 10, seed=1, priced="nothing")) == 2
