"""The whole ring by the command line: from a log to a specialist in force and a report on it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Cli, Ran

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ring")]

REQUESTS = 1500
TASK = "ticket-triage"


@dataclass(frozen=True, slots=True)
class Ring:
    """One turn of the ring: the folder it was made in and what its commands said."""

    cli: Cli
    imported: Ran
    audited: Ran
    named: Ran
    labelled: Ran
    built: Ran
    #: Deploying before there is evidence.
    refused: Ran
    trained: Ran
    trained_again: Ran
    evaluated: Ran
    deployed: Ran

    @property
    def version(self) -> str:
        """Id of the specialist."""
        return str(self.trained.document["version"])

    def assignments(self) -> list[list[str]]:
        """The lines of the audit's file."""
        text = (self.cli.folder / "assignments.tsv").read_text(encoding="utf-8")
        return [line.split("\t") for line in text.splitlines()]


@pytest.fixture(scope="module")
def ring(log: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Ring:
    """The ring, turned once on the generated log; the first rung only, so that no weights are needed."""
    traffic, key = log
    cli = Cli(tmp_path_factory.mktemp("ring"))
    cli.settings('[training]\nencoder = ""\n')
    imported = cli("traffic", "import", str(traffic), "--json")
    audited = cli("task", "audit", "--json", "--assignments", "assignments.tsv")
    largest = audited.document["tasks"][0]["id"]
    named = cli("task", "name", largest, TASK, "--json")
    labelled = cli("feedback", "import", str(key), "--json")
    built = cli("dataset", "build", TASK, "--json")
    trained = cli("model", "train", TASK, "--recipe", "ngram", "--json")
    version = trained.document["version"]
    refused = cli("deploy", "set", version, "--threshold", "0.9")
    trained_again = cli("model", "train", TASK, "--recipe", "ngram", "--json")
    evaluated = cli("eval", "run", version, "--json")
    deployed = cli("deploy", "set", version, "--approver", "ann", "--reason", "a test", "--json")
    return Ring(
        cli=cli,
        imported=imported,
        audited=audited,
        named=named,
        labelled=labelled,
        built=built,
        refused=refused,
        trained=trained,
        trained_again=trained_again,
        evaluated=evaluated,
        deployed=deployed,
    )


def estimate(found: dict[str, Any]) -> float:
    """The value of an estimate as JSON, which lies within its own interval."""
    assert set(found) >= {"value", "ci_low", "ci_high", "n", "level", "method"}
    assert found["ci_low"] <= found["value"] <= found["ci_high"]
    return float(found["value"])


def key_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of the generator's key."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_every_step_is_done(ring: Ring) -> None:
    """Each command ends with 0 and writes nothing but its document to standard output."""
    steps = (ring.imported, ring.audited, ring.named, ring.labelled, ring.built, ring.trained, ring.deployed)
    assert [step.code for step in steps] == [0] * len(steps), [step.err for step in steps]
    assert all(step.out.startswith("{") and step.out.endswith("}\n") for step in steps)


def test_import_takes_every_record(ring: Ring) -> None:
    """All records of the log are new and none is set aside."""
    assert ring.imported.document == {
        "read": REQUESTS,
        "added": REQUESTS,
        "already_there": 0,
        "rejected": 0,
        "rejects_path": None,
        "conflicting": 0,
        "out_of_order": 0,
        "estimated": 0,
        "other_currency": 0,
        "unpriced": 0,
        "unpriced_models": {},
    }


def test_repeated_import_adds_nothing(ring: Ring, log: tuple[Path, Path]) -> None:
    """The same log and the same labels a second time: all known already."""
    again = ring.cli("traffic", "import", str(log[0]), "--json").document
    assert (again["added"], again["already_there"]) == (0, REQUESTS)
    labels = ring.cli("feedback", "import", str(log[1]), "--json").document
    assert (labels["added"], labels["already_there"]) == (0, ring.labelled.document["added"])


def test_labels_of_the_key_are_taken(ring: Ring, log: tuple[Path, Path]) -> None:
    """Every row of the key with an answer becomes feedback; rows without one are counted."""
    rows = key_rows(log[1])
    with_gold = sum(row["gold"] is not None for row in rows)
    found = ring.labelled.document
    assert (found["read"], found["added"]) == (len(rows), with_gold)
    assert (found["without_output"], found["rejected"], found["unknown"]) == (len(rows) - with_gold, 0, 0)


def test_audit_document(ring: Ring) -> None:
    """The audit counts every request once, gives each task a contract, a volume and a cost, and orders by volume."""
    found = ring.audited.document
    assert found["requests"] == REQUESTS
    counts = [task["requests"] for task in found["tasks"]]
    assert sum(counts) + found["unassigned"] == REQUESTS
    assert counts == sorted(counts, reverse=True)
    since, until = (datetime.fromisoformat(found["period"][name]) for name in ("since", "until"))
    assert since < until
    for task in found["tasks"]:
        assert task["contract"] in {"label", "fields", "spans", "text", "open"}
        assert task["share"] == pytest.approx(task["requests"] / REQUESTS)
        assert estimate(task["monthly_requests"]) > 0
        assert estimate(task["monthly_cost_usd"]) > 0
        assert 0 < task["latency_ms"]["p50"] <= task["latency_ms"]["p95"]
    assert len({task["name"] for task in found["tasks"]}) == len(found["tasks"])


def test_assignments_agree_with_document_and_log(ring: Ring, log: tuple[Path, Path]) -> None:
    """One line `response_id<TAB>task_id` for each request, `-` for none, and as many of each as the document says."""
    lines = ring.assignments()
    assert {len(line) for line in lines} == {2}
    assert sorted(line[0] for line in lines) == sorted(row["id"] for row in key_rows(log[1]))
    counts = Counter(line[1] for line in lines)
    document = ring.audited.document
    assert counts.pop("-") == document["unassigned"]
    assert counts == {task["id"]: task["requests"] for task in document["tasks"]}


def test_audit_finds_the_tasks_of_the_log(ring: Ring, log: tuple[Path, Path]) -> None:
    """Each task found holds the requests of one task of the key and all of them; the long tail belongs to none."""
    truth = {row["id"]: row["task"] for row in key_rows(log[1])}
    pairs = Counter((truth[response_id], task_id) for response_id, task_id in ring.assignments())
    names = {name for name, _ in pairs}
    assert len(pairs) == len(names) == 6
    assert [task_id for name, task_id in pairs if name == "long-tail"] == ["-"]


def test_reworded_prompt_is_one_task(ring: Ring) -> None:
    """The task whose prompt was reworded during the month has both wordings."""
    assert ring.audited.document["tasks"][0]["prompt_versions"] == 2


def test_names_people_give_stay(ring: Ring) -> None:
    """A task is found by the name a person gave it, and the next audit keeps id and name."""
    task = ring.named.document
    assert (task["name"], task["contract"]) == (TASK, "fields")
    assert [field["name"] for field in task["fields"]] == ["intent", "urgency"]
    assert ring.cli("task", "show", TASK, "--json").document == task
    again = ring.cli("task", "audit", "--json").document
    assert [(found["id"], found["name"]) for found in again["tasks"][:1]] == [(task["id"], TASK)]
    listed = ring.cli("task", "list", "--json").document
    assert sorted(found["id"] for found in listed) == sorted(found["id"] for found in again["tasks"])


def test_dataset_accounts_for_every_request(ring: Ring) -> None:
    """Examples and what was left out, with the reason, add up to the requests of the task."""
    built = ring.built.document
    requests = ring.audited.document["tasks"][0]["requests"]
    assert set(built["sizes"]) == {"train", "calibration", "test"}
    assert sum(built["sizes"].values()) + sum(built["excluded"].values()) == requests
    assert ring.cli("dataset", "show", built["id"], "--json").document == built


def test_dataset_export(ring: Ring, log: tuple[Path, Path]) -> None:
    """The exported examples are those counted, each once, with people's labels as given and no group in two splits."""
    built = ring.built.document
    written = ring.cli("dataset", "export", built["id"], "examples.jsonl", "--json")
    lines = (ring.cli.folder / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    examples = [json.loads(line) for line in lines]
    assert (written.code, written.document["written"]) == (0, len(examples))
    sizes = {split: count for split, count in built["sizes"].items() if count}
    assert Counter(example["split"] for example in examples) == sizes
    assert len({example["id"] for example in examples}) == len(examples)
    splits: dict[str, set[str]] = {}
    for example in examples:
        splits.setdefault(example["group"], set()).add(example["split"])
    assert {len(found) for found in splits.values()} == {1}
    gold = {row["id"]: row["gold"] for row in key_rows(log[1])}
    human = [example for example in examples if example["source"] == "human"]
    assert human
    assert [json.loads(e["output"]) for e in human] == [json.loads(gold[e["id"]]) for e in human]


def test_same_dataset_twice_is_one(ring: Ring) -> None:
    """Building again from the same traffic and labels gives the dataset there is."""
    assert ring.cli("dataset", "build", TASK, "--json").document["id"] == ring.built.document["id"]
    listed = [found["id"] for found in ring.cli("dataset", "list", "--json").document]
    assert listed.count(ring.built.document["id"]) == 1


def test_training_document(ring: Ring) -> None:
    """Training names its dataset, each rung's quality with an interval, and the version it chose."""
    trained = ring.trained.document
    assert (trained["task"], trained["dataset"]) == (TASK, ring.built.document["id"])
    (rung,) = trained["rungs"]
    assert (rung["recipe"], rung["status"], rung["version"]) == ("ngram", "trained", trained["version"])
    assert trained["chosen"] == "ngram"
    assert estimate(rung["quality"]) > 0.5
    assert 0 <= estimate(rung["local_share"]) <= 1
    assert rung["size_mb"] > 0
    (shown,) = [v for v in ring.cli("model", "list", TASK, "--json").document if v["id"] == ring.version]
    assert shown["dataset_id"] == trained["dataset"]
    # Besides the list: what its dataset says of the data.
    lineage = {"data_class": None, "examples_erased": 0, "findings": {}}
    assert ring.cli("model", "show", ring.version[:12], "--json").document == shown | lineage


def test_same_data_and_seed_train_the_same_model(ring: Ring) -> None:
    """The artifact's id is the sum of its files: training twice gives one version."""
    assert ring.trained_again.document["version"] == ring.version


def test_deployment_needs_evidence(ring: Ring) -> None:
    """Before the experiment was run nothing goes live, and the message says what to run."""
    assert ring.refused.code == 1
    assert "tierwright eval run" in ring.refused.err
    assert "Traceback" not in ring.refused.err


def test_evaluation_document(ring: Ring) -> None:
    """The experiment compares on people's labels, and verdict, interval, margin and exit code tell the same."""
    found = ring.evaluated.document
    test = ring.built.document["sizes"]["test"]
    assert (found["candidate"], found["reference"], found["metric"]) == (ring.version, "human", "accuracy")
    assert found["dataset_id"] == ring.built.document["id"]
    difference = estimate(found["candidate_score"]) - estimate(found["baseline_score"])
    assert estimate(found["difference"]) == pytest.approx(difference)
    assert found["difference"]["n"] == found["candidate_score"]["n"] == test
    allowed = found["verdict"] in {"superior", "non_inferior"}
    assert (found["difference"]["ci_low"] > -found["margin"]) is allowed
    assert (found["allows_promotion"], ring.evaluated.code) == (allowed, 0 if allowed else 1)
    assert found["learnable"] is True
    assert ring.cli("eval", "show", found["id"], "--json").document["verdict"] == found["verdict"]


def test_deployment_in_force(ring: Ring) -> None:
    """What was set live is listed with who decided, why, at which confidence and on which evidence."""
    assert ring.deployed.code == 0, ring.deployed.err
    (listed,) = ring.cli("deploy", "list", "--json").document
    assert listed == ring.deployed.document
    assert (listed["task"], listed["version"], listed["stage"], listed["share"]) == (TASK, ring.version, "live", 1.0)
    assert (listed["approver"], listed["evaluation_id"]) == ("ann", ring.evaluated.document["id"])
    assert listed["reason"].startswith("a test")
    assert listed["threshold"] == ring.evaluated.document["threshold"]


def test_savings_of_imported_traffic(ring: Ring) -> None:
    """While only the frontier model has answered, the report prices every task; what training took is a loss."""
    ran = ring.cli("report", "savings", "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert (found["requests"], found["local_requests"], found["unpriced_requests"]) == (REQUESTS, 0, 0)
    taken = found["deductions"]
    assert set(taken) == {"machine_usd", "shadow_usd", "audit_usd", "judge_usd", "training_usd", "holdout_usd"}
    assert taken["training_usd"] > 0
    assert found["cost_before_usd"] + taken["training_usd"] == pytest.approx(found["cost_after_usd"])
    assert found["saving_usd"]["value"] == pytest.approx(-taken["training_usd"])
    assert found["gross_saving_usd"]["value"] == pytest.approx(0)
    assert sum(task["cost_after_usd"] for task in found["tasks"]) == pytest.approx(found["cost_after_usd"])
    assert sum(task["requests"] for task in found["tasks"]) == REQUESTS
    half = ring.cli("report", "savings", "--json", "--since", "2025-09-16").document
    assert 0 < half["requests"] < REQUESTS
    assert 0 < half["cost_after_usd"] < found["cost_after_usd"]


def test_export_and_import_give_the_same_traffic(ring: Ring, tmp_path: Path) -> None:
    """What is exported and imported into an empty store is exported from there byte for byte the same."""
    out = ring.cli("traffic", "export", str(tmp_path / "out.jsonl.gz"), "--json")
    assert (out.code, out.document["written"], out.document["without_content"]) == (0, REQUESTS, 0)
    other = Cli(tmp_path)
    other.settings()
    assert other("traffic", "import", "out.jsonl.gz", "--json").document["added"] == REQUESTS
    assert other("traffic", "export", "again.jsonl.gz").code == 0
    assert (tmp_path / "again.jsonl.gz").read_bytes() == (tmp_path / "out.jsonl.gz").read_bytes()
    known = ring.cli("traffic", "import", str(tmp_path / "out.jsonl.gz"), "--json").document
    assert (known["added"], known["already_there"]) == (0, REQUESTS)


def test_retiring_by_version(ring: Ring) -> None:
    """`deploy set --stage retired` takes the version that serves off, says so, and only once."""
    retired = ring.cli("deploy", "set", ring.version, "--stage", "retired", "--reason", "enough", "--json")
    assert (retired.code, retired.document["stage"], retired.document["share"]) == (0, "retired", 0.0)
    assert ring.cli("deploy", "set", ring.version, "--stage", "retired").code == 1
    history = ring.cli("deploy", "list", "--history", "--json").document
    assert [row["stage"] for row in history] == ["retired", "live"]
    restored = ring.cli("deploy", "set", ring.version, "--approver", "ann", "--reason", "a test", "--json")
    assert (restored.code, restored.document["stage"]) == (0, "live")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("dataset", "export", "nothing", "x.jsonl"), 2, "tierwright dataset build"),
        (("dataset", "build", TASK, "--seed", "-1"), 2, "--seed"),
        (("model", "train", TASK, "--recipe", "magic"), 2, "ngram, encoder-head"),
        (("eval", "run", "nothing"), 2, "tierwright model list"),
        (("deploy", "rollback", "nothing", "--reason", "x"), 2, "tierwright task list"),
        (("report", "savings", "--since", "2025-09-10", "--until", "2025-09-01"), 2, "later end"),
        (("task", "name", TASK, "two words"), 2, "white space"),
        (("task", "audit", "--assignments", "no/such/folder.tsv"), 2, "no/such/folder.tsv"),
    ],
)
def test_what_cannot_be_done_is_said(ring: Ring, arguments: tuple[str, ...], code: int, says: str) -> None:
    """A request that makes no sense on this store ends with 2 and a message that helps, without a traceback."""
    ran = ring.cli(*arguments)
    assert (ran.code, "Traceback" in ran.err) == (code, False), ran.err
    assert says in " ".join(ran.err.split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_target_of_an_export(ring: Ring) -> None:
    """A dataset that does not fit on its disk: exit code 3, and what to do."""
    ran = ring.cli("dataset", "export", ring.built.document["id"], "/dev/full")
    assert ran.code == 3
    assert "no space left" in ran.err
