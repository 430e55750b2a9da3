"""The chunks of a chat.completions stream as the events of a Messages stream, and back.

Owns the order of events and the end: a stream that stops without having said why never looks complete. Refuses to know
how events are framed; `writers` owns the blocks while they are written, `whole` the putting together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierwright.gateway.anthropic.answers import call_of, refusal_details, refusal_of, tool_use_id, url_citations
from tierwright.gateway.anthropic.errors import error_body, messages_error
from tierwright.gateway.anthropic.members import text_of, told_arguments
from tierwright.gateway.anthropic.reasons import ended, ending
from tierwright.gateway.anthropic.said import THINKING, spoken, thinking_blocks, thought, tool_calls
from tierwright.gateway.anthropic.usage import chat_usage, messages_usage
from tierwright.gateway.anthropic.writers import Block, BlockQueue, Event


class MessageEvents:
    """One answer: chunks in as they arrive, events out. Of several choices only the first is told.

    What ends the answer is told by `close`, since the usage follows the finish reason.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_choice",
        "_id",
        "_model",
        "_over",
        "_refusal",
        "_started",
        "_usage",
        "finished",
    )

    def __init__(self, *, model: str, message_id: str) -> None:
        self._model = model
        self._id = message_id
        self._started = False
        self._blocks = BlockQueue()
        self._calls: list[Block] = []
        #: The last choice that said why the answer ended; None: none has.
        self._choice: Mapping[str, Any] | None = None
        self._refusal = ""
        self._usage: Mapping[str, Any] | None = None
        self._over = False
        #: Whether `message_stop` has been handed out: the answer is whole.
        self.finished = False

    def feed(self, chunk: Mapping[str, Any]) -> list[Event]:
        """The events that a chunk makes; none once the answer is over. An error inside of the stream ends it."""
        if self._over:
            return []
        events = self._beginning()
        if chunk.get("error"):
            self._over = True
            return [*events, ("error", messages_error(chunk, status=None))]
        if isinstance(chunk.get("usage"), Mapping):
            self._usage = chunk["usage"]
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, Mapping) and choice.get("index") in (0, None):
                delta = choice.get("delta")
                if isinstance(delta, Mapping) and not self._read(delta):
                    return [*events, *self.fail("the model server went on with a tool call that had ended")]
                if choice.get("finish_reason") is not None:
                    self._choice = choice
        return events + self._blocks.tell()

    def close(self) -> list[Event]:
        """The events that end the answer, when the chat stream has ended; an error where it has not said why it did."""
        if self._over:
            return []
        if self._choice is None:
            return self.fail("the model server's answer stopped half-way")
        events = [*self._beginning(), *self._blocks.tell(last=True)]
        if self._blocks.last is not None:
            return [*events, *self.fail("the model server's answer calls a tool without a name")]
        end = ending(self._choice, calls=bool(self._calls))
        delta: dict[str, Any] = {"stop_reason": end.stop_reason, "stop_sequence": end.stop_sequence}
        if self._refusal:
            delta |= {"stop_reason": "refusal", "stop_details": refusal_details(self._refusal)}
        usage = messages_usage(self._usage)
        self._over = self.finished = True
        return [
            *events,
            ("message_delta", {"type": "message_delta", "delta": delta, "usage": usage}),
            ("message_stop", {"type": "message_stop"}),
        ]

    def fail(self, message: str, error_type: str = "api_error") -> list[Event]:
        """The events that end the answer with an error, of one of Anthropic's types; none once it is over."""
        if self._over:
            return []
        self._over = True
        return [*self._beginning(), ("error", error_body(error_type, message))]

    def _beginning(self) -> list[Event]:
        if self._started:
            return []
        self._started = True
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # Known at the end only: chat servers count when they are done.
            "usage": messages_usage(None),
        }
        return [("message_start", {"type": "message_start", "message": message})]

    def _read(self, delta: Mapping[str, Any]) -> bool:
        """Takes what a delta says; False where it goes on with a block that has ended."""
        thoughts = thought(delta)
        if thoughts:
            self._open("thinking").add(thoughts)
        for block in thinking_blocks(delta):
            self._take_thinking(block)
        text = spoken(delta)
        refusal = text_of(delta.get("refusal"))
        if text or refusal:
            self._refusal += refusal
            self._open("text").add(text + refusal)
        return all(self._take_piece(piece) for piece in tool_calls(delta))

    def _open(self, kind: str) -> Block:
        last = self._blocks.last
        if last is not None and last.begins["type"] == kind and last.signature is None:
            return last
        begins = {"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
        return self._blocks.put(Block(begins))

    def _take_thinking(self, block: dict[str, Any]) -> None:
        """Thoughts as Anthropic sent them: their text has been told as `reasoning_content`, unless it is hidden."""
        if block["type"] == "redacted_thinking":
            self._blocks.put(Block(block))
            return
        last = self._blocks.last
        if last is None or last.begins["type"] != "thinking" or last.signature is not None:
            last = self._blocks.put(Block({"type": "thinking", "thinking": "", "signature": ""}))
            last.add(text_of(block.get("thinking")))
        if text_of(block.get("signature")):
            last.signature = text_of(block["signature"])

    def _take_piece(self, piece: Mapping[str, Any]) -> bool:
        function = piece.get("function")
        members = function if isinstance(function, Mapping) else {}
        # Some servers send the arguments as an object.
        arguments = told_arguments(members.get("arguments"))
        call = self._call(piece, text_of(members.get("name")))
        if call not in self._blocks:
            return not arguments.strip()
        call.id = call.id or text_of(piece.get("id")) or None
        if call.name is None and text_of(members.get("name")):
            call.name = text_of(members["name"])
            place = next(place for place, each in enumerate(self._calls) if each is call)
            identity = tool_use_id({"id": call.id}, place, self._id)
            call.begins = {"type": "tool_use", "id": identity, "name": call.name, "input": {}}
        call.add(arguments)
        return True

    def _call(self, piece: Mapping[str, Any], name: str) -> Block:
        """The call that a piece belongs to; a new one where it belongs to none."""
        index, identity = piece.get("index"), text_of(piece.get("id"))
        if isinstance(index, int):
            for call in reversed(self._calls):
                # Some servers number all calls 0: what has a name and an id of its own is a call of its own.
                if call.index == index and not (name and identity and call.id not in (None, identity) and call.whole):
                    return call
        elif self._calls and identity in ("", self._calls[-1].id):
            # Some servers number nothing: a new id begins a new call, anything else continues the last one.
            return self._calls[-1]
        call = Block({"type": "tool_use"}, index=index if isinstance(index, int) else len(self._calls))
        self._calls.append(call)
        return self._blocks.put(call)


class ChatChunks:
    """One answer: events in as they arrive, chunks out.

    The finish reason is handed out with the last event, so that an answer that breaks off before never looks complete.
    """

    __slots__ = (
        "_calls",
        "_characters",
        "_end",
        "_head",
        "_include_usage",
        "_open",
        "_usage",
        "error",
        "finished",
    )

    def __init__(self, *, include_usage: bool, created_at: int = 0) -> None:
        """`created_at` is in Unix seconds, 0 where nobody knows."""
        self._include_usage = include_usage
        self._head: dict[str, Any] = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": created_at,
            "model": "",
        }
        #: The blocks that have begun and not ended, by their index.
        self._open: dict[object, _Telling] = {}
        #: Number of tool calls so far.
        self._calls = 0
        #: Characters of the answer so far, which annotations count.
        self._characters = 0
        self._end: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        #: Whether `message_stop` has arrived, after a stop reason: the answer is whole.
        self.finished = False
        #: The body of the error that the server reported inside of the stream; None: none.
        self.error: dict[str, Any] | None = None

    @property
    def usage(self) -> dict[str, Any] | None:
        """The chat usage known so far, whole or not; None: the server has sent none that can be counted."""
        return chat_usage(self._usage)

    @property
    def native_usage(self) -> Mapping[str, Any]:
        """The same as the server sent it, with what a chat has no word for."""
        return self._usage

    def feed(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks that an event makes; none once the answer is over. Events of unknown type say nothing."""
        if self.finished or self.error is not None:
            return []
        kind = event.get("type")
        if kind == "message_start":
            return self._start(event.get("message"))
        if kind == "message_delta":
            delta = event.get("delta")
            self._end |= {name: value for name, value in _said(delta).items() if value is not None}
            self._count(event.get("usage"))
        elif kind == "message_stop":
            return self._finish()
        elif kind == "error":
            self.error = dict(event)
        return self._feed_block(kind, event)

    def _feed_block(self, kind: object, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        index = event.get("index")
        if kind == "content_block_start":
            return self._begin(index, event.get("content_block"))
        if kind == "content_block_delta":
            return self._go_on(index, event.get("delta"))
        if kind == "content_block_stop":
            told = self._open.pop(_key(index), None)
            return [] if told is None else self._stop(told)
        return []

    def _start(self, message: object) -> list[dict[str, Any]]:
        members = _said(message)
        self._head |= {"id": text_of(members.get("id")), "model": text_of(members.get("model"))}
        self._count(members.get("usage"))
        return [self._chunk({"role": "assistant", "content": ""})]

    def _count(self, usage: object) -> None:
        """Counts in later events replace earlier ones, and leave those alone that they don't say."""
        self._usage |= {name: value for name, value in _said(usage).items() if value is not None}

    def _begin(self, index: object, block: object) -> list[dict[str, Any]]:
        told = self._open[_key(index)] = _Telling(_said(block), start=self._characters)
        kind = told.block.get("type")
        if kind == "tool_use":
            told.number = self._calls
            self._calls += 1
            call = call_of(told.block)
            call["function"]["arguments"] = ""
            return [self._chunk({"tool_calls": [{"index": told.number} | call]})]
        if kind == "text":
            return self._tell_text(text_of(told.block.get("text")))
        if kind == "thinking":
            return self._tell_thought(told, text_of(told.block.get("thinking")))
        return []

    def _go_on(self, index: object, delta: object) -> list[dict[str, Any]]:
        told, members = self._open.get(_key(index)), _said(delta)
        if told is None:
            return []
        kind = members.get("type")
        if kind == "text_delta":
            return self._tell_text(text_of(members.get("text")))
        if kind == "thinking_delta":
            return self._tell_thought(told, text_of(members.get("thinking")))
        if kind == "input_json_delta" and told.number is not None:
            piece = text_of(members.get("partial_json"))
            if piece:
                told.pieces.append(piece)
                return [self._chunk({"tool_calls": [{"index": told.number, "function": {"arguments": piece}}]})]
        elif kind == "signature_delta":
            told.signature = text_of(members.get("signature"))
        elif kind == "citations_delta":
            told.citations.append(members.get("citation"))
        return []

    def _stop(self, told: _Telling) -> list[dict[str, Any]]:
        kind = text_of(told.block.get("type"))
        if told.number is not None and not told.pieces:
            # Nothing has been told: what the first event showed is all, and chat's callers read JSON.
            function = {"arguments": call_of(told.block)["function"]["arguments"]}
            return [self._chunk({"tool_calls": [{"index": told.number, "function": function}]})]
        if kind in THINKING:
            block = dict(told.block)
            if kind == "thinking":
                block["thinking"] = "".join(told.pieces)
                block["signature"] = told.signature or text_of(block.get("signature"))
            return [self._chunk({"thinking_blocks": [block]})]
        noted = url_citations(told.citations, told.start, self._characters)
        return [self._chunk({"annotations": noted})] if noted else []

    def _tell_text(self, text: str) -> list[dict[str, Any]]:
        self._characters += len(text)
        return [self._chunk({"content": text})] if text else []

    def _tell_thought(self, told: _Telling, text: str) -> list[dict[str, Any]]:
        if not text:
            return []
        told.pieces.append(text)
        return [self._chunk({"reasoning_content": text})]

    def _finish(self) -> list[dict[str, Any]]:
        if not isinstance(self._end.get("stop_reason"), str):
            return []
        self.finished = True
        refusal = refusal_of(self._end.get("stop_details"))
        chunks = [self._chunk({} if refusal is None else {"refusal": refusal}, ended(self._end))]
        usage = self.usage
        if self._include_usage and usage is not None:
            chunks.append(self._head | {"choices": [], "usage": usage})
        return chunks

    def _chunk(self, delta: dict[str, Any], end: Mapping[str, Any] | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} | dict(end or {})
        return self._head | {"choices": [choice]} | ({"usage": None} if self._include_usage else {})


class _Telling:
    """A content block on its way: what its first event showed, and what has come since."""

    __slots__ = ("block", "citations", "number", "pieces", "signature", "start")

    def __init__(self, block: Mapping[str, Any], *, start: int) -> None:
        self.block = block
        #: The character of the answer at which a text begins.
        self.start = start
        #: The number of a tool call in the chat stream; None: no tool call.
        self.number: int | None = None
        #: The pieces of arguments or thoughts.
        self.pieces: list[str] = []
        self.signature = ""
        citations = block.get("citations")
        self.citations: list[object] = list(citations) if isinstance(citations, list) else []


def _said(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _key(index: object) -> int | None:
    return index if isinstance(index, int) else None
