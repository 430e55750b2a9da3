"""What a person has a right to have removed, by the command line and a gateway as programs."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli

SECRET = "ada-said-so"
#: No digits of a hash by chance.
PERSON = "lovelace"
KEY = base64.b64encode(bytes(range(32))).decode()
#: Requests in the log; every tenth is Ada's.
REQUESTS = 400
INTENTS = ("card_arrival", "lost_card", "exchange_rate", "top_up", "refund")


@pytest.fixture
def sealed(cli: Cli) -> Cli:
    """Settings of a gate and of content at rest."""
    cli.settings('[privacy]\ndefault_class = "internal"\ncontent_key = "file:content.key"\n[training]\nencoder = ""\n')
    (cli.folder / "content.key").write_text(f"{KEY}\n", encoding="ascii")
    return cli


def log_of(path: Path) -> None:
    """A log of one task in which every tenth request names Ada and holds her secret."""
    lines = []
    for number in range(REQUESTS):
        intent = INTENTS[number % len(INTENTS)]
        is_hers = number % 10 == 0
        text = f"{intent.replace('_', ' ')} number {number} please {SECRET if is_hers else 'thanks'} {number * 7919}"
        request: dict[str, Any] = {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "Name the intent."}, {"role": "user", "content": text}],
            "user": PERSON if is_hers else f"person-{number}",
        }
        response = {
            "id": f"chatcmpl-{number}",
            "model": "gpt-4o",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": intent}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 50, "completion_tokens": 3, "total_tokens": 53},
        }
        lines.append({"timestamp": 1756684940 + number, "client_id": "desk", "request": request, "response": response})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def held(folder: Path) -> bytes:
    """All that the store and the register hold."""
    return b"".join(path.read_bytes() for path in folder.glob("*.db*"))


def test_a_person_is_erased_from_the_log_to_the_model(sealed: Cli) -> None:
    """Import, dataset, model; then one command removes her everywhere and says what to train again, for good."""
    log_of(sealed.folder / "log.jsonl")
    assert sealed("traffic", "import", "log.jsonl").code == 0
    assert SECRET.encode() not in held(sealed.folder)
    audit = sealed("task", "audit", "--json")
    assert audit.code == 0, audit.err
    task = sealed("task", "list", "--json").document[0]["name"]
    trained = sealed("model", "train", task, "--recipe", "ngram", "--json")
    assert trained.code == 0, trained.err
    dataset, version = trained.document["dataset"], trained.document["version"]

    before = sealed("privacy", "erase", "--subject", PERSON, "--dry-run", "--json").document
    assert before["contents"] == REQUESTS // 10
    done = sealed("privacy", "erase", "--subject", PERSON, "--json")
    assert done.code == 0, done.err
    document = done.document
    assert document["contents"] == REQUESTS // 10
    assert document["examples"].keys() == {dataset}
    assert document["examples"][dataset] > 0
    assert document["keys_destroyed"] == 1
    assert document["retrain"] == [{"version": version, "task": task, "recipe": "ngram", "stage": None}]

    shown = sealed("dataset", "show", dataset, "--json").document
    assert shown["erased"] == document["examples"][dataset]
    for command in (("train", task, "--dataset", dataset, "--recipe", "ngram"), ("curve", task)):
        refused = sealed("model", *command)
        assert refused.code == 1
        assert "were erased" in refused.err
    assert "erased since" in sealed("model", "show", version).out
    again = sealed("model", "train", task, "--recipe", "ngram", "--json")
    assert again.code == 0, again.err
    assert again.document["dataset"] != dataset

    # Both a log that is imported once more and one of its own lines under another id are without content.
    assert sealed("traffic", "import", "log.jsonl", "--json").document["added"] == 0
    text = (sealed.folder / "log.jsonl").read_text(encoding="utf-8").replace("chatcmpl-", "other-")
    (sealed.folder / "other.jsonl").write_text(text, encoding="utf-8")
    assert sealed("traffic", "import", "other.jsonl", "--json").document["added"] == REQUESTS
    exported = sealed("traffic", "export", "all.jsonl", "--up-to", "restricted", "--json")
    assert exported.document["written"] == 2 * REQUESTS * 9 // 10
    assert SECRET not in (sealed.folder / "all.jsonl").read_text(encoding="utf-8")

    twice = sealed("privacy", "erase", "--subject", PERSON, "--json").document
    assert (twice["contents"], twice["examples"], twice["retrain"]) == (0, {}, [])
    kinds = [entry["kind"] for entry in entries(sealed.folder)]
    assert kinds.count("erase") == 2
    ledger = b"".join(path.read_bytes() for path in (sealed.folder / "ledger").rglob("*") if path.is_file())
    assert PERSON.encode() not in ledger


def test_an_export_above_the_class_is_refused_unless_somebody_says_so(sealed: Cli) -> None:
    """Exit code 1 and a code in the message; `--up-to` writes it, and the ledger names who did."""
    log_of(sealed.folder / "log.jsonl")
    sealed("traffic", "import", "log.jsonl")
    refused = sealed("traffic", "export", "all.jsonl")
    assert refused.code == 1
    assert "export_refused" in refused.err
    assert not list(sealed.folder.glob("all.jsonl*"))
    assert sealed("traffic", "export", "all.jsonl", "--up-to", "restricted").code == 0
    reads = [entry["facts"] for entry in entries(sealed.folder) if entry["kind"] == "read"]
    assert [(one["what"], one["up_to"]) for one in reads] == [("the log of all traffic", "restricted")]
    assert sealed("traffic", "export", "all.jsonl", "--up-to", "secret").code == 2


def test_labelled_history_is_exported_by_its_declared_class(sealed: Cli) -> None:
    """`--data-class` says how sensitive a file is; a dataset of it may be written, or not."""
    rows = "".join(f"{INTENTS[n % 5]} of case {n * 7919},{INTENTS[n % 5]}\n" for n in range(300))
    (sealed.folder / "history.csv").write_text(f"text,intent\n{rows}", encoding="utf-8")
    codes = {}
    for label in ("internal", "confidential"):
        built = sealed(
            "dataset",
            "import",
            "history.csv",
            "--task",
            label,
            "--input",
            "text",
            "--output",
            "intent",
            "--data-class",
            label,
            "--json",
        )
        assert built.code == 0, built.err
        assert built.document["data_class"] == label
        codes[label] = sealed("dataset", "export", built.document["id"], f"{label}.jsonl").code
    assert codes == {"internal": 0, "confidential": 1}
    assert not (sealed.folder / "confidential.jsonl").exists()


def test_the_content_key_is_changed_by_a_command(sealed: Cli) -> None:
    """After a rotation the new key opens everything, and the old one nothing."""
    log_of(sealed.folder / "log.jsonl")
    sealed("traffic", "import", "log.jsonl")
    new = base64.b64encode(bytes(reversed(range(32)))).decode()
    rotated = sealed("privacy", "rotate-key", "--new", "env:NEW_KEY", "--json", NEW_KEY=new)
    assert rotated.code == 0, rotated.err
    assert rotated.document["keys"] > REQUESTS // 2
    stale = sealed("traffic", "tail", "--content")
    assert stale.code == 2
    assert "content_key" in stale.err
    (sealed.folder / "content.key").write_text(new, encoding="ascii")
    assert "please" in sealed("traffic", "tail", "--content").out


def test_pruning_follows_the_class_and_is_noted(sealed: Cli) -> None:
    """What the settings give fewer days goes earlier; the ledger says how much went."""
    log_of(sealed.folder / "log.jsonl")
    sealed("traffic", "import", "log.jsonl")
    with (sealed.folder / "tierwright.toml").open("a", encoding="utf-8") as file:
        file.write("[privacy.retention_days]\ninternal = 10\n[retention]\ncontent_days = 0\nledger_days = 0\n")
    pruned = sealed("traffic", "prune", "--json")
    assert pruned.code == 0, pruned.err
    assert pruned.document["removed_by_class"] == {"internal": REQUESTS}
    noted = [entry["facts"] for entry in entries(sealed.folder) if entry["kind"] == "retention"]
    assert [one["contents"] for one in noted] == [REQUESTS]


def entries(folder: Path) -> list[dict[str, Any]]:
    """What the ledger says, in order."""
    from tierwright.privacy.ledger.entries import entries as read  # noqa: PLC0415 - only these tests need it

    return [{"kind": entry.kind, "facts": dict(entry.facts)} for entry in read(folder / "ledger")]


def test_without_a_table_of_privacy_nothing_is_erased(cli: Cli) -> None:
    """Without [privacy] an erasure is refused, with what to write."""
    refused = cli("privacy", "erase", "--subject", PERSON)
    assert refused.code == 2
    assert "[privacy]" in refused.err
