"""Tests of dataset building."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fakes import a_call, a_request, a_response, a_task, after, an_inference
from tests.unit.curation.logs import tickets
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import NotEnoughData
from tierwright.core.feedback import Feedback
from tierwright.core.ids import FeedbackId, FrameId, InferenceId, ModelVersionId
from tierwright.core.task import Frame, Task, Template
from tierwright.curation.dataset import build_dataset

if TYPE_CHECKING:
    from tierwright.core.inference import Inference

SYSTEM = "Name the topic of the message."
LABELS = ("account", "billing", "delivery", "returns")


def the_task() -> Task:
    """A label task with one frame."""
    frame = Frame(id=FrameId("frame_1"), system=Template(literals=(SYSTEM,)), user=Template(literals=("", "")))
    return a_task(contract=OutputContract(kind=ContractKind.LABEL, labels=LABELS), frames=(frame,))


def captured(pairs: list[tuple[str, str]]) -> list[Inference]:
    """An inference for each (text, answer)."""
    return [
        an_inference(
            id=InferenceId(f"r{n}"),
            created_at=after(n),
            request=a_request(text, system=SYSTEM),
            response=a_response(answer),
        )
        for n, (text, answer) in enumerate(pairs)
    ]


def said(inference: Inference, output: str) -> Feedback:
    """A person's word on an inference."""
    return Feedback(id=FeedbackId(f"f{inference.id}"), inference_id=inference.id, output=output, created_at=after(0))


def test_repeats_become_one_example() -> None:
    """Equal inputs become one example with the answer given most often, and the repeats are counted."""
    pairs = tickets(100, 1)
    first = pairs[0][0]
    repeats = [(first.upper(), "returns"), (f" {first}", "account"), (first, "account"), (first, "account")]
    dataset, examples = build_dataset(the_task(), captured(pairs + repeats), {}, seed=1, at=after(0))
    example = next(e for e in examples if e.input == first)
    assert (example.occurrences, example.output) == (5, "account")
    assert dataset.excluded["repeats an earlier input"] == 4
    assert len(examples) + dataset.excluded.get("nearly repeats an earlier input", 0) == 100


def test_people_overrule_the_incumbent() -> None:
    """A person's answer is the output; the incumbent's stays beside it for the comparison."""
    inferences = captured(tickets(120, 2))
    feedback = {inference.id: said(inference, "Billing") for inference in inferences[:60]}
    _, examples = build_dataset(the_task(), inferences, feedback, seed=1, at=after(0))
    by_id = {example.id: example for example in examples}
    assert by_id[inferences[0].id].output == "billing"
    assert by_id[inferences[0].id].source is LabelSource.HUMAN
    assert by_id[inferences[0].id].incumbent_output == tickets(120, 2)[0][1]
    assert by_id[inferences[100].id].source is LabelSource.INCUMBENT


def test_groups_never_cross_splits() -> None:
    """Near-duplicates stand in one split, and every split is there."""
    pairs = tickets(150, 3)
    pairs += [(f"{text} x", topic) for text, topic in pairs]
    inferences = captured(pairs)
    feedback = {i.id: said(i, topic) for i, (_, topic) in zip(inferences[:200:2], pairs[:200:2], strict=True)}
    dataset, examples = build_dataset(the_task(), inferences, feedback, seed=1, at=after(0))
    splits: dict[str, set[Split]] = {}
    for example in examples:
        splits.setdefault(example.group, set()).add(example.split)
    assert all(len(found) == 1 for found in splits.values())
    assert all(dataset.sizes[split] > 0 for split in Split)


def test_human_labels_are_kept_for_calibration_and_test() -> None:
    """What people labelled decides, and is not trained on, while it is scarce."""
    inferences = captured(tickets(300, 4))
    feedback = {i.id: said(i, "billing") for i in inferences[:100]}
    _, examples = build_dataset(the_task(), inferences, feedback, seed=1, at=after(0))
    labelled = {example.group for example in examples if example.source is LabelSource.HUMAN}
    for example in examples:
        assert (example.group in labelled) == (example.split is not Split.TRAIN)


def test_same_traffic_same_id() -> None:
    """The id is a hash of the content: the same twice, another with another seed or one changed answer."""
    pairs = tickets(100, 5)
    build = [
        build_dataset(the_task(), captured(rows), {}, seed=seed, at=after(when))[0].id
        for rows, seed, when in (
            (pairs, 1, 0),
            (pairs, 1, 99),
            (pairs, 2, 0),
            ([(pairs[0][0], "returns" if pairs[0][1] != "returns" else "billing"), *pairs[1:]], 1, 0),
        )
    ]
    assert build[0] == build[1]
    assert len(set(build)) == 3


def test_answers_that_break_the_contract_are_counted() -> None:
    """Chatter instead of a label is left out and counted; a specialist's own answers never teach the next one."""
    inferences = captured([*tickets(100, 6), ("what about this", "I think it is about billing.")])
    own = an_inference(
        id=InferenceId("own"),
        request=a_request("quite another text of its own", system=SYSTEM),
        response=a_response("billing"),
        calls=(a_call(backend="specialist", model_version_id=ModelVersionId("v1")),),
    )
    dataset, examples = build_dataset(the_task(), [*inferences, own], {}, seed=1, at=after(0))
    assert dataset.excluded["answer breaks the contract"] == 1
    assert dataset.excluded["answered by a specialist"] == 1
    assert "own" not in {example.id for example in examples}


def test_too_few_examples() -> None:
    """Fewer than fifty examples are refused, with what was excluded."""
    broken = an_inference(id=InferenceId("b"), request=json.dumps({"model": "m"}).encode())
    with pytest.raises(NotEnoughData, match=r"20 different examples; 50 are needed .*1 not in a known frame"):
        build_dataset(the_task(), [*captured(tickets(20, 7)), broken], {}, seed=1, at=after(0))
