"""Bad input on the command line: one clear paragraph, the right exit code, nothing lost."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli, Ran


def refused(ran: Ran, code: int, *says: str) -> None:
    """One paragraph on standard error that says all this, no traceback, this exit code."""
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    message = ran.err.strip().splitlines()[-1]
    for piece in says:
        assert piece in message, message


def record(n: int, user: str, answer: str, *, system: str = "") -> str:
    """A line of a log."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": user})
    response = {
        "id": f"r{n}",
        "object": "chat.completion",
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }
    row = {
        "timestamp": 1_756_684_800 + 600 * n,
        "client_id": "app",
        "request": {"model": "gpt-4o", "messages": messages},
        "response": response,
    }
    return json.dumps(row) + "\n"


def test_wrong_settings_key(cli: Cli) -> None:
    """An unknown key in the settings is named, with its table."""
    cli.settings("[routing]\nhold_out = 0.1\n")
    refused(cli("task", "list"), 2, "hold_out", "routing")


def test_no_settings_file(cli: Cli) -> None:
    """Without a settings file every command says how to write one."""
    (cli.folder / "tierwright.toml").unlink()
    refused(cli("task", "list"), 2, "tierwright.toml", "tierwright init")


def test_missing_log(cli: Cli) -> None:
    """A log that is not there is named."""
    refused(cli("traffic", "import", "nowhere.jsonl"), 2, "nowhere.jsonl")


def test_truncated_gzip_keeps_what_could_be_read(cli: Cli, log: tuple[Path, Path]) -> None:
    """Half a gzip file: what came through is imported, the break is named, and the whole file completes it."""
    whole = log[0].read_bytes()
    half = cli.folder / "half.jsonl.gz"
    half.write_bytes(whole[: len(whole) // 2])
    refused(cli("traffic", "import", str(half)), 2, "half.jsonl.gz", "line")
    again = cli("traffic", "import", str(log[0]), "--json")
    assert again.code == 0
    assert again.document["already_there"] > 0
    assert again.document["added"] + again.document["already_there"] == 1500


def test_bad_lines_are_set_aside_by_number(cli: Cli) -> None:
    """A line that is no record is reported by its number and kept aside; the others are imported."""
    lines = [record(1, "a", "b"), "{not json\n", record(2, "c", "d"), '{"timestamp": 1}\n']
    (cli.folder / "log.jsonl").write_text("".join(lines), encoding="utf-8")
    ran = cli("traffic", "import", "log.jsonl", "--json")
    assert ran.code == 0
    assert (ran.document["added"], ran.document["rejected"]) == (2, 2)
    aside = [json.loads(line) for line in (cli.folder / "log.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [row["line"] for row in aside] == [2, 4]


def test_log_without_a_repeated_task(cli: Cli) -> None:
    """Forty requests of all kinds: the audit says that nothing recurs, and what it would need."""
    rng = random.Random(1)
    words = [
        "sun",
        "moon",
        "tax",
        "cat",
        "query",
        "novel",
        "pasta",
        "train",
        "verse",
        "graph",
        "lamp",
        "river",
        "code",
        "song",
        "tooth",
        "fence",
    ]
    lines = [record(n, " ".join(rng.choices(words, k=20)), " ".join(rng.choices(words, k=9))) for n in range(40)]
    (cli.folder / "log.jsonl.gz").write_bytes(gzip.compress("".join(lines).encode()))
    assert cli("traffic", "import", "log.jsonl.gz").code == 0
    refused(cli("task", "audit"), 1, "no recurring task in 40 requests", "needs")


def test_empty_store(cli: Cli) -> None:
    """An audit of nothing says how to get traffic."""
    refused(cli("task", "audit"), 1, "no traffic", "traffic import")


def test_task_with_one_label(cli: Cli) -> None:
    """A task that always gets the same answer is found, and training it is refused with the reason."""
    rng = random.Random(2)
    words = ["card", "parcel", "bill", "login", "refund", "price", "order", "door", "chair", "table"]
    system = "You check messages of customers for legal threats. Answer with yes or no, and nothing else at all."
    texts = {" ".join(rng.choices(words, k=12)) for _ in range(200)}
    lines = [record(n, text, "no", system=system) for n, text in enumerate(sorted(texts))]
    (cli.folder / "log.jsonl").write_text("".join(lines), encoding="utf-8")
    assert cli("traffic", "import", "log.jsonl").code == 0
    audit = cli("task", "audit", "--json")
    assert audit.code == 0, audit.err
    name = audit.document["tasks"][0]["name"]
    refused(cli("model", "train", name), 1, "one", "answer")


def test_unknown_command_and_option(cli: Cli) -> None:
    """Wrong usage exits with 2."""
    assert cli("task", "conquer").code == 2
    assert cli("task", "list", "--fast").code == 2
    assert cli("task", "show", "nothing").code == 2


def test_doctor_names_the_unreachable_upstream(cli: Cli) -> None:
    """An upstream that is not there: doctor says which, and exits with 3."""
    ran = cli("doctor", "--json")
    assert ran.code == 3
    bad = [finding for finding in ran.document if not finding["ok"]]
    assert [finding["part"] for finding in bad] == ["backend frontier"]
    assert "127.0.0.1:9" in bad[0]["says"]


def test_a_missing_key_stops_only_what_needs_it(cli: Cli) -> None:
    """Without the model server's key its settings still load; the doctor says so, and nothing is served."""
    (cli.folder / "tierwright.toml").unlink()
    assert cli("init", "--yes").code == 0
    assert cli("model", "weights", OPENAI_API_KEY="").code == 0
    ran = cli("doctor", "--json", OPENAI_API_KEY="")
    (bad,) = (finding for finding in ran.document if not finding["ok"])
    assert (ran.code, bad["part"]) == (3, "backend frontier")
    assert "OPENAI_API_KEY, which is not set" in bad["says"]
    refused(cli("serve", OPENAI_API_KEY=""), 2, "OPENAI_API_KEY, which is not set")


def test_init_asks_nothing_with_yes(cli: Cli) -> None:
    """`init --yes` writes settings that load, shows the key once, and never overwrites."""
    (cli.folder / "tierwright.toml").unlink()
    ran = cli("init", "--yes", "--json")
    assert ran.code == 0
    text = (cli.folder / "tierwright.toml").read_text(encoding="utf-8")
    assert ran.document["key"] not in text
    assert cli("task", "list", OPENAI_API_KEY="").code == 0
    refused(cli("init", "--yes"), 2, "is there already")
