"""The evidence for an auditor, by the program: what a text would lead to, and what a real gateway's ledger shows."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import openai
import pytest

from tests.acceptance.servers import gateway
from tests.acceptance.servers import settings as ring_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.conftest import Cli

SSN = "536-90-4399"
#: A third party that may see what is internal, and machines of one's own.
PRIVACY = """
[privacy]
default_class = "internal"
[[backends]]
name = "frontier"
base_url = "{frontier}"
models = ["gpt-4o", "only-there"]
[backends.privacy]
region = "us"
baa = {{ value = true, expires = 2020-06-30, evidence = "contract 12" }}
[[backends]]
name = "own"
base_url = "{own}"
models = ["gpt-4o"]
[backends.privacy]
self_hosted = true
region = "eu"
"""


def privacy_settings(frontier: str, own: str) -> str:
    """The settings of the acceptance gateway with two backends and a gate."""
    plain = ring_settings("http://127.0.0.1:9/v1")
    begin, end = plain.index("[[backends]]"), plain.index("[routing]")
    return plain[:begin] + plain[end:] + PRIVACY.format(frontier=frontier, own=own)


@contextmanager
def upstream() -> Iterator[tuple[str, list[bytes]]]:
    """A model server that says hello; gives its base URL and the bodies it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answers."""
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            message = {"role": "assistant", "content": "hello"}
            answer = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-4o",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", bodies
        finally:
            server.shutdown()
            thread.join()


def ask(client: openai.OpenAI, text: str, *, model: str = "gpt-4o") -> str:
    """The data class of a request, as the answer's header says it."""
    raw = client.chat.completions.with_raw_response.create(model=model, messages=[{"role": "user", "content": text}])
    return raw.headers["x-tierwright-data-class"]


def test_a_text_is_explained_without_settings(tmp_path: Path, cli: Cli) -> None:
    """Class and places by the built-in rules; the text form repeats no value."""
    (cli.folder / "tierwright.toml").unlink()
    ran = cli("privacy", "check", f"my ssn is {SSN}", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["class"] == "restricted"
    assert ran.document["permitted"] == []
    (found,) = ran.document["findings"]
    assert (found["start"], found["end"]) == (10, 21)
    said = cli("privacy", "check", f"my ssn is {SSN}")
    assert said.code == 0
    assert "restricted" in said.out
    assert SSN not in said.out + said.err


def test_each_line_of_a_file_has_an_object(cli: Cli) -> None:
    """In order, empty lines too; offsets are those of the text that a line gives."""
    lines = [json.dumps(f'he said "{SSN}"'), "", f"card 4111 1111 1111 1111, \u00e9\u4e00 {SSN}", "hello"]
    (cli.folder / "lines.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = cli("privacy", "check", "lines.jsonl", "--json")
    assert ran.code == 0, ran.err
    assert [one["class"] for one in ran.document] == ["restricted", "internal", "restricted", "internal"]
    for one, text in zip(ran.document, [json.loads(lines[0]), *lines[1:]], strict=True):
        written = [text[found["start"] : found["end"]] for found in one["findings"]]
        assert all(value in {SSN, "4111 1111 1111 1111"} for value in written)
    said = cli("privacy", "check", "lines.jsonl")
    assert "4 lines, 2 with findings" in said.out
    assert SSN not in said.out
    assert "there is no file other.jsonl" in cli("privacy", "check", "other.jsonl").err


def test_the_settings_say_who_may_see_a_text(cli: Cli) -> None:
    """A third party whose agreement has expired may not see it; one's own machines may, and the mode is said."""
    text = privacy_settings("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1")
    (cli.folder / "tierwright.toml").write_text(text, encoding="utf-8")
    found = cli("privacy", "check", f"my ssn is {SSN}", "--json").document
    assert found["permitted"] == ["own"]
    assert found["excluded"] == {"frontier": "not allowed"}
    assert found["modes"] == {"frontier": "route"}
    assert cli("privacy", "check", "hello", "--json").document["permitted"] == ["frontier", "own"]
    declared = cli("privacy", "check", "hello", "--data-class", "restricted", "--json").document
    assert (declared["class"], declared["permitted"]) == ("restricted", ["own"])
    wrong = cli("privacy", "check", "hello", "--data-class", "secret")
    assert wrong.code == 2
    assert "public, internal, confidential, restricted" in wrong.err
    assert not (cli.folder / "ledger").exists()


def test_a_plug_in_detector_looks_too(cli: Cli) -> None:
    """A detector of the settings raises the class of a text; one that can't be started makes everything restricted."""
    (cli.folder / "names.py").write_text(
        "def find(text):\n    at = text.find('Maria')\n    return [] if at < 0 else [('person', at, at + 5)]\n",
        encoding="utf-8",
    )
    plain = privacy_settings("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1")
    for call, expected in (("names:find", "confidential"), ("names:nothing", "restricted")):
        detector = f'[[privacy.detectors]]\nkind = "python"\ncall = "{call}"\ntypes = ["person"]\ntimeout_ms = 20000\n'
        (cli.folder / "tierwright.toml").write_text(plain + detector, encoding="utf-8")
        ran = cli("privacy", "check", "ask Maria", "--json")
        assert ran.code == 0, ran.err
        assert ran.document["class"] == expected
        assert bool(ran.document["failed"]) is (expected == "restricted")


def test_without_a_gate_check_and_report_say_so(cli: Cli) -> None:
    """Everything may go everywhere, and that is the first thing said."""
    found = cli("privacy", "check", SSN, "--json").document
    assert (found["permitted"], found["excluded"]) == (["frontier"], {})
    said = cli("report", "privacy")
    assert said.code == 0, said.err
    assert said.out.startswith("Attention: No privacy gate is configured")
    assert cli("report", "privacy", "--json").document["gate"] is False


@pytest.mark.slow
def test_an_auditor_sees_what_a_gateway_did(cli: Cli) -> None:
    """What the report counts is what the two upstreams got; what was blocked is there; the page is one file.

    A ledger in which one byte is changed is called broken, and the report still comes.
    """
    with upstream() as (frontier, sent), upstream() as (own, kept):
        (cli.folder / "tierwright.toml").write_text(privacy_settings(frontier, own), encoding="utf-8")
        with gateway(cli.folder) as running:
            assert ask(running.client, "hello") == "internal"
            assert ask(running.client, f"my ssn is {SSN}") == "restricted"
            with pytest.raises(openai.PermissionDeniedError):
                ask(running.client, f"my ssn is {SSN}", model="only-there")
            assert running.stop() == 0
    assert (len(sent), len(kept)) == (1, 1)
    ran = cli("report", "privacy", "--json", "--html", "report.html")
    assert ran.code == 0, ran.err
    found = ran.document
    assert found["warnings"] == []
    assert {(row["class"], row["backend"]): (row["permits"], row["bytes"]) for row in found["classes"]} == {
        ("internal", "frontier"): (1, len(sent[0])),
        ("restricted", "own"): (1, len(kept[0])),
    }
    assert [(row["client"], row["class"], row["permits"]) for row in found["ways"] if row["permits"]] == [
        ("shop", "internal", 1),
        ("shop", "restricted", 1),
    ]
    assert sum(row["count"] for row in found["blocked"]) == 1
    assert [(row["backend"], row["why"]) for row in found["rerouted"]] == [("frontier", "not allowed")]
    facts = {fact["name"]: fact for fact in found["providers"][0]["facts"]}
    assert (facts["baa"]["held_then"], facts["baa"]["holds_now"], facts["baa"]["evidence"]) == (
        "no",
        False,
        "contract 12",
    )
    assert [row["now"] for row in found["policies"]] == [True]
    assert found["ledger"]["sound"]
    assert found["key_holders"][0]["client"] == "shop"
    page = (cli.folder / "report.html").read_text(encoding="utf-8")
    assert "restricted → own" in page
    assert SSN not in page + ran.out
    _spoil(cli.folder / "ledger")
    broken = cli("report", "privacy", "--json").document
    assert broken["ledger"]["sound"] is False
    assert "The ledger is broken" in broken["warnings"][0]


def test_a_period_without_decisions_is_empty(cli: Cli) -> None:
    """Days before the first decision, and a day that is none."""
    assert cli("report", "privacy", "--until", "2001-01-01", "--json").document["classes"] == []
    wrong = cli("report", "privacy", "--since", "yesterday")
    assert wrong.code == 2
    assert "write it as 2025-09-01" in wrong.err


def _spoil(folder: Path) -> None:
    """Changes one letter of the second entry of the chain."""
    (chain,) = folder.glob("*.jsonl")
    lines: list[bytes] = chain.read_bytes().splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if b'"kind":"permit"' in line)
    lines[at] = lines[at].replace(b'"client_id":"shop"', b'"client_id":"sh0p"')
    chain.write_bytes(b"".join(lines))
