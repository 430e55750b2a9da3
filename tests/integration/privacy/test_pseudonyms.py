"""Values that become tokens on their way to a third party and come back in its answers.

A real gateway as its settings describe it, a server that says back what it is told, real OpenAI and Anthropic clients.
"""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

from tests.integration.gateway.conftest import eventually
from tests.integration.gateway.upstream import Upstream
from tests.integration.privacy.echoing import echo
from tierwright.app.service import Service
from tierwright.app.settings import parse_settings
from tierwright.app.wiring import open_parts
from tierwright.core.errors import SettingsError
from tierwright.core.privacy import DataClass
from tierwright.gateway.serving import Listener
from tierwright.privacy.ledger.entries import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.core.protocols import Store

SETTINGS = """
[privacy]
default_class = "internal"
ledger = "ledger"
{key}
[privacy.modes]
confidential = "pseudonymise"
restricted = "pseudonymise"
[server]
port = 0
[capture]
max_delay_ms = 5
[[backends]]
name = "openai"
base_url = "{url}"
models = ["gpt"]
[[backends]]
name = "anthropic"
kind = "anthropic"
base_url = "{url}"
models = ["claude"]
[[backends]]
name = "chats"
kind = "ollama"
base_url = "{url}"
models = ["llama"]
"""
VALUES = ("alice@example.com", "4111 1111 1111 1111", "219-09-9999", "bob@example.org")
#: What must not be at the third party in any writing.
DIGITS = ("4111 1111", "41111111", "219-09", "219099999", "alice", "bob@")
FIRST = f"Write to {VALUES[0]}, card {VALUES[1]}; my SSN is {VALUES[2]}."
SECOND = f"And {VALUES[3]}; not {VALUES[0]}, card 4111111111111111?"
TOOL = {
    "type": "function",
    "function": {"name": "note", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}},
}


@dataclass
class Running:
    """A gateway, its server and what it keeps."""

    listener: Listener
    store: Store
    upstream: Upstream
    folder: Path
    #: Closes what was opened, the last first.
    stack: ExitStack

    @property
    def openai(self) -> openai.OpenAI:
        """A real client."""
        return self.stack.enter_context(
            openai.OpenAI(base_url=f"{self.listener.address}/v1", api_key="none", max_retries=0)
        )

    @property
    def anthropic(self) -> anthropic.Anthropic:
        """A real client."""
        return self.stack.enter_context(
            anthropic.Anthropic(base_url=self.listener.address, api_key="none", max_retries=0)
        )

    @property
    def left(self) -> str:
        """All that has left."""
        return "\n".join(body.decode() + str(headers) for headers, body in self.upstream.seen)

    def kept(self, count: int) -> list[Inference]:
        """What was captured, the newest first."""
        eventually(lambda: self.store.count() == count)
        return self.store.latest(count, content=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts gateways on the same folder; stops them at the end."""
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        upstream.script = echo

        def starting(*, key: bytes | None = None) -> Running:
            environment = {} if key is None else {"CONTENT_KEY": base64.b64encode(key).decode()}
            line = "" if key is None else 'content_key = "env:CONTENT_KEY"'
            text = SETTINGS.format(url=upstream.url, key=line)
            settings = parse_settings(text.encode(), tmp_path / "tierwright.toml", environment)
            parts = stack.enter_context(open_parts(settings))
            service = Service(parts)
            listener = Listener(service.app, settings.server)
            ready = threading.Event()
            thread = threading.Thread(target=listener.run, args=(lambda _: ready.set(),), daemon=True)
            thread.start()

            def stop() -> None:
                listener.stop()
                thread.join(30)
                service.close()

            stack.callback(stop)
            assert ready.wait(30)
            return Running(listener, parts.store, upstream, tmp_path, stack)

        yield starting


def _chat(running: Running, model: str, turns: list[Any], *, stream: bool) -> str:
    if not stream:
        return running.openai.chat.completions.create(model=model, messages=turns).choices[0].message.content or ""
    chunks = running.openai.chat.completions.create(model=model, messages=turns, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def _messages(running: Running, model: str, turns: list[Any], *, stream: bool) -> str:
    if not stream:
        (block,) = running.anthropic.messages.create(model=model, messages=turns, max_tokens=99).content
        assert block.type == "text"
        return block.text
    with running.anthropic.messages.stream(model=model, messages=turns, max_tokens=99) as events:
        return events.get_final_text()


def _responses(running: Running, model: str, turns: list[Any], *, stream: bool) -> str:
    if not stream:
        return running.openai.responses.create(model=model, input=turns).output_text
    with running.openai.responses.stream(model=model, input=turns) as events:
        told = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert events.get_final_response().output_text == told
        return told


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gpt", "claude", "llama"])
@pytest.mark.parametrize("speak", [_chat, _messages, _responses])
def test_a_conversation_of_several_turns(
    start: Callable[..., Running], speak: Callable[..., str], model: str, *, stream: bool
) -> None:
    """Each answer names values that its server has never seen, through every pair of APIs, whole and streamed."""
    if speak is _responses and model == "claude":
        pytest.skip("Responses are not told to Anthropic's servers")
    running = start()
    turns: list[Any] = [{"role": "user", "content": FIRST}]
    first = speak(running, model, turns, stream=stream)
    assert first == f"You said: {FIRST}"
    turns += [{"role": "assistant", "content": first}, {"role": "user", "content": SECOND}]
    second = speak(running, model, turns, stream=stream)
    # The card comes back as it was written first.
    assert second == f"You said: {SECOND.replace('4111111111111111', VALUES[1])}"
    assert not [value for value in (*VALUES, *DIGITS) if value in running.left]
    assert running.upstream.seen[1][1].count(b"[EMAIL_A]") == 3
    newest, oldest = running.kept(2)
    assert (oldest.data_class, dict(oldest.findings)) == (
        DataClass.RESTRICTED,
        {"email": 1, "card": 1, "us_ssn": 1},
    )
    for inference, asked, answered in ((oldest, FIRST, first), (newest, SECOND, second)):
        assert asked in json.dumps(json.loads(inference.request or b""), ensure_ascii=False)
        assert answered in json.dumps(json.loads(inference.response or b""), ensure_ascii=False)
        assert inference.calls[-1].completion_tokens == 7


@pytest.mark.parametrize("stream", [False, True])
def test_the_arguments_of_a_tool(start: Callable[..., Running], *, stream: bool) -> None:
    """A tool is called with values, in JSON that is JSON, also where a value needs an escape."""
    running = start()
    text = 'key "AKIAIOSFODNN7EXAMPLE", mail to alice@example.com'
    more: dict[str, Any] = {"model": "gpt", "tools": [TOOL], "messages": [{"role": "user", "content": text}]}
    if stream:
        with running.openai.chat.completions.stream(**more) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = running.openai.chat.completions.create(**more).choices[0].message
    (call,) = message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"text": f"You said: {text}"}
    assert "AKIA" not in running.left


def test_what_a_server_would_have_to_remember_is_not_sent(start: Callable[..., Running]) -> None:
    """A request that refers to an earlier answer holds what nobody can read: no token makes that harmless."""
    running = start()
    with pytest.raises(openai.PermissionDeniedError):
        running.openai.responses.create(model="gpt", input=VALUES[3], previous_response_id="resp_1")
    assert running.upstream.seen == []


def test_what_was_declared_and_what_nobody_can_read_is_not_lowered(start: Callable[..., Running]) -> None:
    """Tokens don't make public what is declared restricted, nor a picture readable: both are refused."""
    running = start()
    create = running.openai.chat.completions.create
    with pytest.raises(openai.PermissionDeniedError):
        create(
            model="gpt",
            messages=[{"role": "user", "content": FIRST}],
            extra_headers={"x-tierwright-data-class": "restricted"},
        )
    picture = {"type": "image_url", "image_url": {"url": "https://pictures.example/1.png"}}
    with pytest.raises(openai.PermissionDeniedError):
        create(model="gpt", messages=[{"role": "user", "content": [{"type": "text", "text": FIRST}, picture]}])  # type: ignore[list-item,misc] # a list of plain dicts is what clients send
    assert running.upstream.seen == []


def test_what_cannot_be_replaced_is_not_sent(start: Callable[..., Running]) -> None:
    """A value where no token may stand stays, and the bytes are refused: nothing leaves."""
    running = start()
    with pytest.raises(openai.PermissionDeniedError):
        running.openai.chat.completions.create(
            model="gpt",
            messages=[
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": VALUES[0], "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": VALUES[0], "content": "done"},
            ],
        )
    assert running.upstream.seen == []


def test_the_mapping_never_leaves(start: Callable[..., Running], caplog: pytest.LogCaptureFixture) -> None:
    """No value is at the third party, in a log, the ledger, the metrics or the table of tokens; counts are."""
    caplog.set_level(logging.DEBUG)
    running = start(key=b"k" * 32)
    headers = {"x-conversation-id": "talk-1"}
    create = running.openai.chat.completions.create
    create(model="gpt", messages=[{"role": "user", "content": FIRST}], extra_headers=headers)
    (kept,) = running.kept(1)
    ledger = b"".join(path.read_bytes() for path in (running.folder / "ledger").rglob("*") if path.is_file())
    database = sqlite3.connect(next(path for path in running.folder.rglob("*.db") if not path.stem.endswith("-keys")))
    rows = database.execute("SELECT conversation, sealed FROM pseudonyms").fetchall()
    database.close()
    assert len(rows) == 1
    sinks = [running.left, caplog.text, ledger.decode(), str(rows[0][0]), rows[0][1].decode("latin-1")]
    for value in (*VALUES[:3], "alice", "talk-1"):
        assert [value in sink for sink in sinks] == [False] * len(sinks)
    (noted,) = [entry.facts for entry in entries(running.folder / "ledger") if entry.kind == "pseudonymised"]
    assert noted == {"request_id": kept.id, "counts": {"email": 1, "card": 1, "us_ssn": 1}}
    order = [entry.kind for entry in entries(running.folder / "ledger")]
    assert order.index("pseudonymised") < order.index("permit")


def test_tokens_outlive_the_process_where_there_is_a_key(start: Callable[..., Running]) -> None:
    """Another process with the key goes on with the conversation; one with another key does not even start."""
    create = start(key=b"k" * 32).openai.chat.completions.create
    more: dict[str, Any] = {"model": "gpt", "extra_headers": {"x-conversation-id": "talk-1"}}
    create(messages=[{"role": "user", "content": f"{VALUES[3]} and {VALUES[0]}"}], **more)
    again = start(key=b"k" * 32)
    answer = again.openai.chat.completions.create(messages=[{"role": "user", "content": VALUES[0]}], **more)
    assert json.loads(again.upstream.seen[1][1])["messages"][0]["content"] == "[EMAIL_B]"
    assert answer.choices[0].message.content == f"You said: {VALUES[0]}"
    with pytest.raises(SettingsError, match="content_key"):
        start(key=b"x" * 32)
