"""Labelled history from a file to a specialist, on the command line."""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.answers import write_table
from tests.unit.curation.logs import tickets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli

pytestmark = pytest.mark.slow

IMPORT = ("dataset", "import")
COLUMNS = ("--task", "tickets", "--input", "text", "--output", "topic")


def history(path: Path, pairs: list[tuple[str, str]], splits: list[str]) -> Path:
    """A gzip CSV file of resolved tickets."""
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "topic", "part"), *((*p, s) for p, s in zip(pairs, splits, strict=True))])
    return path


def test_from_history_to_a_specialist(cli: Cli) -> None:
    """A file becomes a dataset and a task, a specialist learns from it, and importing it again changes nothing."""
    pairs = [*tickets(500, 31), ("", "billing"), ("no topic at all", "")]
    splits = ["train"] * 350 + ["TEST"] * 150 + ["train"] * 2
    file = history(cli.folder / "resolved.csv.gz", pairs, splits)
    ran = cli(*IMPORT, str(file), *COLUMNS, "--split", "part", "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert set(found) == {
        *("id", "task", "task_id", "contract", "created_at", "seed", "sizes", "excluded", "leakage", "classes"),
        *("callers", "data_class", "erased", "findings"),
    }
    assert (found["task"], found["contract"], found["classes"]) == ("tickets", "label", 4)
    # Nobody asked for any of it with a key.
    assert found["callers"] == {}
    assert found["sizes"]["test"] == 150
    assert found["excluded"]["without an input"] == found["excluded"]["without an output"] == 1
    assert "the first in line 502" in ran.err

    assert cli("dataset", "show", found["id"], "--json").document == found
    again = cli(*IMPORT, str(file), *COLUMNS, "--split", "part", "--json").document
    assert again["id"] == found["id"]
    assert len(cli("dataset", "list", "--json").document) == 1
    assert "4 classes" in cli("dataset", "show", found["id"]).out

    trained = cli("model", "train", "tickets", "--recipe", "ngram", "--json")
    assert trained.code == 0, trained.err
    assert trained.document["dataset"] == found["id"]
    assert trained.document["chosen"] == "ngram"
    (rung,) = trained.document["rungs"]
    assert (rung["quality"]["metric"], rung["quality"]["reference"]) == ("accuracy", "human")
    assert rung["quality"]["value"] > 0.8
    assert 0 < rung["latency_ms"]["p50"] <= rung["latency_ms"]["p99"]
    assert min(rung["size_mb"], rung["train_seconds"], rung["cost_usd_per_1k"]) > 0
    assert trained.document["verdict"]["learned"] == "learnable"

    asked = [text for text, _ in tickets(40, 33)]
    (cli.folder / "asked.txt").write_text("\n".join([*asked, ""]) + "\n", encoding="utf-8")
    answered = cli("model", "predict", "tickets", "--input", "asked.txt")
    assert answered.code == 0, answered.err
    answers = [json.loads(line) for line in answered.out.splitlines()]
    assert len(answers) == 41
    assert all(set(answer) == {"output", "confidence", "accepted"} for answer in answers)
    topics = [topic for _, topic in tickets(40, 33)]
    assert sum(answer["output"] == topic for answer, topic in zip(answers, topics, strict=False)) > 32
    assert not answers[-1]["accepted"]

    cases = [(f"c{n}", topic, text, topic, 0.6) for n, (text, topic) in enumerate(tickets(40, 33))]
    cases.append(("trap", "trap", asked[0], "no topic of all", 1.0))
    write_table(cli.folder / "suite.csv", "id,function,input,output,required", cases)
    tested = cli("eval", "suite", "tickets", "--suite", "suite.csv", "--json")
    assert tested.code == 1, tested.err
    assert {one["function"]: one["passed"] for one in tested.document["functions"]} == {
        **dict.fromkeys(topics, True),
        "trap": False,
    }

    shown = cli("task", "show", "tickets", "--json").document
    assert (shown["prompt_versions"], sorted(shown["labels"])) == (0, ["account", "billing", "delivery", "returns"])
    assert cli("task", "show", "tickets").code == cli("task", "list").code == 0
    assert cli("dataset", "build", "tickets").code == 1


@pytest.mark.parametrize(
    ("content", "options", "code", "message"),
    [
        ("text,topic\na,b\n", ("--input", "body", "--output", "topic"), 2, "no column 'body'; its columns are 'text'"),
        ("text,topic\na,b\n", ("--input", "text", "--output", "topic"), 1, "50 are needed"),
        ("text,topic\ncaf\xe9,b\n", ("--input", "text", "--output", "topic"), 2, "line 2: byte 4"),
        (
            "text,topic\na,b\n",
            ("--input", "text", "--output", "topic", "--split", "text"),
            2,
            "'text' is named 2 times",
        ),
        ("text,topic\na,b\n", ("--input", "text", "--output", "topic", "--contract", "poem"), 2, "poem"),
    ],
)
def test_what_is_wrong_is_said(cli: Cli, content: str, options: tuple[str, ...], code: int, message: str) -> None:
    """A file that can't be imported is an error with an exit code, and leaves nothing in the store."""
    (cli.folder / "a.csv").write_bytes(content.encode("latin-1"))
    ran = cli(*IMPORT, "a.csv", "--task", "t", *options)
    assert (ran.code, message in ran.err) == (code, True), ran.err
    assert cli("task", "list", "--json").document == []


def test_several_columns_and_json_lines(cli: Cli) -> None:
    """Several inputs are one JSON object, several outputs are fields; a demanded contract is checked."""
    rows = [
        {"subject": text[:12], "body": text, "topic": topic, "rush": n % 2}
        for n, (text, topic) in enumerate(tickets(200, 32))
    ]
    (cli.folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    columns = ("--input", "subject", "--input", "body", "--output", "topic", "--output", "rush")
    found = cli(*IMPORT, "a.jsonl", "--task", "triage", *columns, "--json").document
    assert (found["contract"], found["classes"]) == ("fields", {"topic": 4, "rush": 2})
    assert cli("dataset", "export", found["id"], "out.jsonl").code == 0
    first = json.loads((cli.folder / "out.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert json.loads(first["input"]) == {"subject": rows[0]["subject"], "body": rows[0]["body"]}
    assert json.loads(first["output"]) == {"topic": rows[0]["topic"], "rush": 0}
    ran = cli(*IMPORT, "a.jsonl", "--task", "triage", "--input", "body", "--output", "topic")
    assert (ran.code, "task 'triage' has fields" in ran.err) == (2, True), ran.err
