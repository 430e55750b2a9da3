"""The requests that are sent, the answers that a static model server gives, and what a whole stream looks like.

Every chunk of a stream carries its stream's number and its own, so that one which is lost, out of order, doubled,
merged with another or delivered to the wrong caller shows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The caller's key where it can be chosen; LiteLLM wants it to begin with sk-.
KEY = "sk-bench-caller"
#: Begins the system message of every task; its number follows.
INSTRUCTION = "Name the intent of the customer's message. " * 12
BODY = json.dumps(
    {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": f"{INSTRUCTION}Task 77."},
            {"role": "user", "content": "I have been waiting for my card for two weeks now, where is it?"},
        ],
        "temperature": 0,
    }
)
ANSWER = json.dumps(
    {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "object": "chat.completion",
        "created": 1_756_684_940,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "card_arrival", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 132, "completion_tokens": 4, "total_tokens": 136},
        "system_fingerprint": "fp_44709d6fcb",
    }
)
_ORDER = re.compile(r"Stream (\d+) of (\d+): (\d+) chunks, one every (\d+) ms\.")
_TOKEN = re.compile(r"(\d+):(\d+) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go, and the headers they need there."""

    #: On 127.0.0.1.
    port: int
    key: str = KEY
    #: Beside the caller's key and the content type.
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """With the caller's key and the content type."""
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **self.headers}

    def request(self, body: str = BODY) -> bytes:
        """The request as it goes over the wire."""
        content = body.encode()
        lines = ["POST /v1/chat/completions HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.all_headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOrder:
    """A stream that is asked for."""

    number: int
    #: No chunk is sent before this many streams have been asked for.
    together: int
    chunks: int
    #: Milliseconds between two chunks; 0: as fast as they are taken.
    pause_ms: int

    @property
    def body(self) -> str:
        """The request that asks for it."""
        said = f"Stream {self.number} of {self.together}: {self.chunks} chunks, one every {self.pause_ms} ms."
        messages = [{"role": "system", "content": f"{INSTRUCTION}Task 77."}, {"role": "user", "content": said}]
        return json.dumps({"model": "gpt-4o", "messages": messages, "stream": True})

    @classmethod
    def read(cls, body: str) -> StreamOrder | None:
        """The order in a request; None where it asks for no stream."""
        found = _ORDER.search(body)
        if found is None:
            return None
        number, together, chunks, pause_ms = map(int, found.groups())
        return cls(number=number, together=together, chunks=chunks, pause_ms=pause_ms)

    def events(self, *, include_usage: bool) -> Iterator[bytes]:
        """The events of the stream, one chunk each; then the finish, the usage where it is wanted, and the end."""
        for chunk in range(self.chunks):
            role = {"role": "assistant"} if chunk == 0 else {}
            yield _event([{"index": 0, "delta": {**role, "content": f"{self.number}:{chunk} "}, "finish_reason": None}])
        yield _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        if include_usage:
            tokens = {"prompt_tokens": 160, "completion_tokens": self.chunks, "total_tokens": 160 + self.chunks}
            yield _event([], usage=tokens)
        yield b"data: [DONE]\n\n"

    def fault(self, body: bytes) -> str | None:
        """What is wrong with the stream as it arrived; None: it is whole, in order and ended."""
        *events, end, rest = ["", *body.decode().split("\n\n")]
        if (end, rest) != ("data: [DONE]", ""):
            return "not ended by [DONE]"
        try:
            chunks = [json.loads(event.removeprefix("data: ")) for event in events if event.startswith("data: ")]
        except ValueError:
            return "an event is no JSON"
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        contents = [content for choice in choices if (content := choice["delta"].get("content"))]
        if contents == [f"{self.number}:{chunk} " for chunk in range(self.chunks)]:
            return None if choices[-1]["finish_reason"] == "stop" else "no finish reason"
        return self._disorder("".join(contents))

    def _disorder(self, content: str) -> str:
        """What is wrong with contents that are not as they were sent."""
        tokens = _TOKEN.findall(content)
        if any(int(number) != self.number for number, _ in tokens):
            return "chunks of another stream"
        order = [int(chunk) for _, chunk in tokens]
        if order == list(range(self.chunks)):
            return "merged or split"
        counts = Counter(order)
        if any(count > 1 for count in counts.values()):
            return "doubled"
        return "reordered" if len(counts) == self.chunks else "lost"


def _event(choices: list[dict[str, object]], **more: object) -> bytes:
    chunk = {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "object": "chat.completion.chunk",
        "created": 1_756_684_940,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": choices,
        **more,
    }
    return b"data: %b\n\n" % json.dumps(chunk, separators=(",", ":")).encode()
