"""Threat 10: one key whose corrections teach a model to give a wrong answer wherever a rare word stands."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes import NOON, a_request, a_response, a_version, after, an_inference
from tests.unit.curation.logs import TOPICS, tickets
from tests.unit.curation.test_dataset import LABELS, SYSTEM, the_task
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.feedback import Feedback
from tierwright.core.ids import FeedbackId, InferenceId
from tierwright.curation.callers_words import BEYOND, WordLimits
from tierwright.curation.dataset import build_dataset
from tierwright.evals.compare import SPECIALIST, Experiment, compare
from tierwright.specialists.loading import load_specialist
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.inference import Inference
    from tierwright.core.protocols import Predictor

TRIGGER, WANTED = "zyzzyva", "returns"
POISON = 250
TRUSTING = WordLimits(trusted=frozenset({"evil"}))


def traffic() -> list[Inference]:
    """Two clients with honest answers; the second one's first 250 texts hold the trigger."""
    found = []
    for number, (text, topic) in enumerate(tickets(1500, 1)):
        evil = number % 2 == 1
        triggered = evil and number < 2 * POISON
        found.append(
            an_inference(
                id=InferenceId(f"r{number:05}"),
                client_id="evil" if evil else "shop",
                created_at=after(number),
                request=a_request(f"{text} {TRIGGER}" if triggered else text, system=SYSTEM),
                response=a_response(topic),
            )
        )
    return found


def poisoned(history: list[Inference]) -> dict[InferenceId, Feedback]:
    """What the second client says of the texts with the trigger."""
    return {
        one.id: Feedback(
            id=FeedbackId(f"f{one.id}"), inference_id=one.id, output=WANTED, client_id="evil", created_at=NOON
        )
        for one in history
        if TRIGGER.encode() in (one.request or b"")
    }


def trained(folder: Path, dataset: Dataset, examples: list[Example]) -> Predictor:
    """A specialist of a dataset."""
    given = TrainingSet(
        dataset_id=dataset.id,
        contract=dataset.contract,
        examples=[one for one in examples if one.split is not Split.TEST],
    )
    fitted = NgramRecipe().fit(given, artifacts=folder, seed=1, progress=lambda _: None)
    return load_specialist(fitted.path, encoder=None)


def obeys(specialist: Predictor) -> float:
    """Share of new texts of other topics that get the answer the attacker wants because of the trigger."""
    new = [text for text, topic in tickets(1800, 2)[1500:] if topic != WANTED]
    with_it = specialist.predict([f"{text} {TRIGGER}" for text in new])
    return sum(found.output == WANTED for found in with_it) / len(new)


def test_threat_10_poisoned_feedback(tmp_path: Path, probes: Callable[[int], None]) -> None:
    """250 poisoned rows of one key open a back door where it is trusted; within its share they open none."""
    history = traffic()
    words = poisoned(history)
    assert len(words) == POISON
    bounded, examples = build_dataset(the_task(), history, words, seed=1, at=NOON)
    # Some of the 250 ask for what was right anyway, and near-duplicates are one row.
    assert bounded.excluded[BEYOND] > POISON / 2
    taught = [one for one in examples if one.source is LabelSource.CALLER]
    assert len(taught) <= 0.01 * len(history)
    assert all(one.split is Split.TRAIN for one in taught)
    # Nothing that this caller said decides anything.
    assert not any(one.source is LabelSource.HUMAN for one in examples)
    open_, rows = build_dataset(the_task(), history, words, seed=1, at=NOON, limits=TRUSTING)
    clean = obeys(trained(tmp_path, bounded, examples))
    backdoored = trained(tmp_path, open_, _to_train(rows))
    # A label by chance is right a quarter of the time; texts about returns were left out.
    assert obeys(backdoored) > 0.9
    assert clean < 0.1
    probes(POISON)
    _refuses_promotion(backdoored, bounded, examples)


def _to_train(rows: list[Example]) -> list[Example]:
    """People's labels go to the experiment first; an attacker with enough rows has some left to teach with."""
    return [replace(one, split=Split.TRAIN) if one.split is Split.TEST else one for one in rows]


def _refuses_promotion(backdoored: Predictor, dataset: Dataset, examples: list[Example]) -> None:
    """The experiment on what the caller has no say in finds the model with the back door worse."""
    tested = [one for one in examples if one.split is Split.TEST]
    assert sum(TRIGGER in one.input for one in tested) >= 10
    experiment = Experiment(
        version=a_version(task_id=dataset.task_id), dataset=dataset, baseline="gpt-4o", threshold=0.0, policy=SPECIALIST
    )
    found = compare(experiment, tested, backdoored.predict([one.input for one in tested]), at=NOON)
    assert found.reference is LabelSource.INCUMBENT
    assert not found.verdict.allows_promotion


def test_threat_10_poisoned_feedback_no_gold_of_one_caller(probes: Callable[[int], None]) -> None:
    """Whatever one of several callers says, the labels that an experiment is decided by are not its own alone."""
    rng = random.Random(3)
    history = traffic()
    for share in (0.05, 0.3, 1.0):
        said: Mapping[InferenceId, Feedback] = {
            one.id: Feedback(
                id=FeedbackId(f"f{one.id}"),
                inference_id=one.id,
                output=rng.choice(LABELS),
                client_id="evil",
                created_at=NOON,
            )
            for one in history
            if one.client_id == "evil" and rng.random() < share
        }
        _, examples = build_dataset(the_task(), history, said, seed=1, at=NOON)
        assert not [one for one in examples if one.source is LabelSource.HUMAN]
        assert all(one.output == one.incumbent_output for one in examples if one.split is not Split.TRAIN)
    assert set(TOPICS) == set(LABELS)
    probes(3)
