"""Evidence bundles: what anybody can check without us."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import after
from tests.unit.evals.arms_under_test import an_experiment, arms
from tierwright.core.errors import InputError
from tierwright.core.experiment import Candidate, Registration
from tierwright.core.ids import ExperimentId
from tierwright.evals.bundle import MANIFEST, Evidence, canonical, check_bundle, make_bundle
from tierwright.evals.compare import compare_each
from tierwright.evals.registration import hash_examples, registered

MIXED = [(True, True, 0.9)] * 280 + [(True, False, 0.9)] * 20 + [(False, True, 0.85)] * 6 + [(False, True, 0.5)] * 94


def an_evidence(**changes: Any) -> Evidence:
    """What was found on 400 examples, registered a second before."""
    examples, predictions = arms(MIXED)
    experiment = an_experiment()
    registration = registered(
        Registration(
            id=ExperimentId(""),
            task_id=experiment.dataset.task_id,
            dataset_id=experiment.dataset.id,
            test_sha256=hash_examples(examples),
            created_at=after(-1),
            implicit=False,
            candidates=(Candidate(version=experiment.version.id, threshold=0.8),),
            baseline="gpt-4o",
            policy="cascade",
            metric="accuracy",
            reference=examples[0].source,
            margin=0.01,
            slot_margin=None,
            alpha=0.05,
            min_effect=None,
            sample_size=400,
            slices=("label",),
            min_slice=30,
            min_gold=50,
            seed=7,
        )
    )
    experiment = replace(experiment, registered=registration.id, slices=("label",), seed=7)
    sliced = {example.id: {"label": example.output} for example in examples}
    found = compare_each(experiment, examples, predictions, at=after(0), sliced=sliced)
    fields: dict[str, Any] = {
        "registration": registration,
        "evaluation": found.evaluation,
        "outcomes": found.outcomes,
        "dataset": experiment.dataset,
        "software": {"tierwright": "0"},
        "decisions": [{"approver": "ann"}],
        "texts": None,
    }
    return Evidence(**fields | changes)


def resealed(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files with a manifest that fits them: what a forger who knows the format would write."""
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in files.items()
        if name != MANIFEST
    }
    del manifest["id"]
    return {**files, MANIFEST: canonical(manifest | {"id": hashlib.sha256(canonical(manifest)).hexdigest()})}


def edited(files: dict[str, bytes], name: str, **members: Any) -> dict[str, bytes]:
    """The files with members of one document replaced, and a manifest that fits."""
    document = json.loads(files[name])
    return resealed({**files, name: canonical(document | members)})


def test_a_bundle_agrees_with_itself() -> None:
    """Hashes, registration, figures and slices come out of the files alone as they were written."""
    evidence = an_evidence()
    found = check_bundle(make_bundle(evidence))
    assert found.problems == ()
    assert found.agrees
    assert found.stated == found.recomputed == evidence.evaluation.verdict.value
    assert found.evaluation == evidence.evaluation.id
    assert not found.with_texts


def test_the_same_evidence_has_the_same_address() -> None:
    """The id is of the content; another decision is another bundle."""
    first, again = make_bundle(an_evidence()), make_bundle(an_evidence())
    assert first == again
    other = make_bundle(an_evidence(decisions=[]))
    assert check_bundle(first).id == check_bundle(again).id != check_bundle(other).id


def test_no_text_leaves_unless_it_is_asked_for() -> None:
    """Without texts no input is in any file; with them the test examples' own hash is checked too."""
    examples, _ = arms(MIXED)
    without, with_them = make_bundle(an_evidence()), make_bundle(an_evidence(texts=examples))
    assert not any(b"input 17" in content for content in without.values())
    assert b"input 17" in with_them["texts.jsonl"]
    assert check_bundle(with_them).agrees
    assert check_bundle(with_them).with_texts


def test_a_changed_byte_is_found() -> None:
    """Whatever file it is in."""
    files = make_bundle(an_evidence())
    for name, content in files.items():
        if name == MANIFEST:
            continue
        found = check_bundle({**files, name: content + b" "})
        assert f"{name} was changed" in " ".join(found.problems)


def test_missing_and_added_files_are_found() -> None:
    """A file that is gone, and one that nobody listed."""
    files = make_bundle(an_evidence())
    del files["decisions.json"]
    assert any("decisions.json is missing" in one for one in check_bundle(files).problems)
    assert any("extra.txt is not in the manifest" in one for one in check_bundle({**files, "extra.txt": b""}).problems)
    del files["outcomes.jsonl"]
    assert any("outcomes.jsonl is missing" in one for one in check_bundle(files).problems)


def test_a_forged_verdict_is_found_though_the_hashes_fit() -> None:
    """The outcomes give another one."""
    evidence = an_evidence()
    files = make_bundle(evidence)
    assert evidence.evaluation.verdict.value != "inferior"
    found = check_bundle(edited(files, "evaluation.json", verdict="inferior"))
    assert found.problems == (f"the verdict is 'inferior', the outcomes give {evidence.evaluation.verdict.value!r}",)
    assert (found.stated, found.recomputed) == ("inferior", evidence.evaluation.verdict.value)


def test_forged_figures_are_found() -> None:
    """An interval that is not the outcomes'."""
    files = make_bundle(an_evidence())
    difference = json.loads(files["evaluation.json"])["difference"] | {"ci_low": 0.02}
    found = check_bundle(edited(files, "evaluation.json", difference=difference))
    assert len(found.problems) == 1
    assert "difference" in found.problems[0]


def test_a_margin_widened_afterwards_is_found() -> None:
    """In the registration its id tells; in the evaluation the registration does."""
    files = make_bundle(an_evidence())
    assert any(
        "registration.json was changed" in p
        for p in check_bundle(edited(files, "registration.json", margin=0.1)).problems
    )
    assert any(
        "margin 0.1, registered was 0.01" in p
        for p in check_bundle(edited(files, "evaluation.json", margin=0.1)).problems
    )


def test_forged_outcomes_are_found() -> None:
    """An example dropped, one told twice, one answered against the threshold: each is said."""
    files = make_bundle(an_evidence())
    lines = files["outcomes.jsonl"].splitlines(keepends=True)
    dropped = check_bundle(resealed({**files, "outcomes.jsonl": b"".join(lines[:-1])}))
    assert any("registered were 400 examples, there are 399" in one for one in dropped.problems)
    twice = check_bundle(resealed({**files, "outcomes.jsonl": b"".join([*lines[:-1], lines[0]])}))
    assert any("an example twice" in one for one in twice.problems)
    first = json.loads(lines[0]) | {"local": False}
    against = check_bundle(resealed({**files, "outcomes.jsonl": b"".join([canonical(first) + b"\n", *lines[1:]])}))
    assert any("against the threshold" in one for one in against.problems)


def test_other_texts_are_found() -> None:
    """Texts that are not those registered, though every file's hash fits."""
    examples, _ = arms(MIXED)
    files = make_bundle(an_evidence(texts=[replace(examples[0], input="another"), *examples[1:]]))
    assert any("texts.jsonl does not hold" in one for one in check_bundle(files).problems)


def test_what_is_no_bundle_is_refused() -> None:
    """No manifest, another format, no JSON."""
    for files in ({}, {MANIFEST: b"{"}, {MANIFEST: b"[]"}, {MANIFEST: b'{"format": "zip"}'}):
        with pytest.raises(InputError, match=r"manifest\.json"):
            check_bundle(files)


def test_damaged_outcomes_are_a_problem_and_no_crash() -> None:
    """A line that is no outcome is said; so are outcomes that give no verdict."""
    files = make_bundle(an_evidence())
    found = check_bundle(resealed({**files, "outcomes.jsonl": b'{"example": 3}\n'}))
    assert any("can't be computed again" in one for one in found.problems)
    none = check_bundle(resealed({**files, "outcomes.jsonl": b""}))
    assert any("can't be computed again" in one for one in none.problems)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("registration.json", b'{"id": 3}'),
        ("registration.json", b"\xff"),
        ("evaluation.json", b"[]"),
        ("texts.jsonl", b"{}\n"),
        ("texts.jsonl", b"nonsense\n"),
        ("texts.jsonl", b"[1]\n"),
    ],
)
def test_made_up_files_are_a_problem_and_no_crash(name: str, content: bytes) -> None:
    """Whatever stands in a file whose hash fits, the answer is a list of problems."""
    found = check_bundle(resealed({**make_bundle(an_evidence()), name: content}))
    assert any("can't be computed again" in one for one in found.problems)


@pytest.mark.parametrize("members", [{"candidates": []}, {"metric": "rouge"}, {"alpha": 5.0}, {"margin": None}])
def test_made_up_terms_are_a_problem_and_no_crash(members: dict[str, Any]) -> None:
    """No candidate, an unknown metric, an alpha that can't be, no margin."""
    found = check_bundle(edited(make_bundle(an_evidence()), "registration.json", **members))
    assert any("can't be computed again" in one for one in found.problems)


def test_an_evaluation_without_outcomes_has_no_bundle() -> None:
    """What was not kept can't be proved."""
    with pytest.raises(InputError, match="before outcomes were kept"):
        make_bundle(an_evidence(outcomes=()))
