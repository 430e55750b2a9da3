"""What survives the way to the other API and back: of generated requests, and of recorded requests and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provider_recordings import events_of, recorded, stream_of
from tests.unit.gateway.anthropic.clients import (
    assert_chat_request,
    assert_messages_request,
    followed,
    read_chunk,
    read_completion,
    read_message,
)
from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.answers import chat_answer, message
from tierwright.gateway.anthropic.errors import chat_error, messages_error
from tierwright.gateway.anthropic.requests import chat_request, messages_request, read
from tierwright.gateway.anthropic.streams import ChatChunks, MessageEvents
from tierwright.gateway.anthropic.whole import WholeMessage
from tierwright.gateway.reassemble import reassemble

if TYPE_CHECKING:
    from collections.abc import Mapping

# Generated requests.

WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9).filter(str.strip)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
IMAGES = st.sampled_from(
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
    ]
)
TEXT_BLOCKS = WORDS.map(lambda words: {"type": "text", "text": words})
TOOLS = st.fixed_dictionaries(
    {"name": NAMES, "input_schema": st.just({"type": "object", "properties": {"x": {"type": "string"}}})},
    optional={"description": WORDS, "strict": st.just(True)},
)


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Turns of user and assistant by turns, in which every call has its result."""
    found: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 3))):
        said = [*results, *draw(st.lists(TEXT_BLOCKS | IMAGES, min_size=1, max_size=3))]
        found.append({"role": "user", "content": said})
        calls = [
            {"type": "tool_use", "id": f"toolu_{turn}_{n}", "name": draw(NAMES), "input": given_to_tool}
            for n, given_to_tool in enumerate(draw(st.lists(st.dictionaries(WORDS, JSON, max_size=3), max_size=2)))
        ]
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": draw(WORDS)} for call in calls]
        found.append({"role": "assistant", "content": [*draw(st.lists(TEXT_BLOCKS, max_size=1)), *calls] or "So."})
    return [*found, {"role": "user", "content": [*results, *draw(st.lists(TEXT_BLOCKS, min_size=1, max_size=2))]}]


REQUESTS = st.fixed_dictionaries(
    {"model": NAMES, "max_tokens": st.integers(1, 9999), "messages": turns()},
    optional={
        "system": WORDS,
        "tools": st.lists(TOOLS, min_size=1, max_size=3),
        "stop_sequences": st.lists(WORDS, min_size=1, max_size=3),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 99),
        "stream": st.booleans(),
        "metadata": st.fixed_dictionaries({"user_id": NAMES}),
        "output_config": st.fixed_dictionaries({"effort": st.sampled_from(["low", "medium", "high", "max"])}),
    },
)


@settings(deadline=None)
@given(REQUESTS)
def test_generated_requests(request: dict[str, Any]) -> None:
    """A request that chat can say in full comes back as it was, and on the way OpenAI's client knows all of it."""
    there = chat_request(request)
    assert_chat_request(there)
    back = messages_request(there, default_max_tokens=1)
    assert_messages_request(back)
    assert plain(back) == plain(request)


def plain(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with every content as a list of blocks."""
    found = [turn | {"content": blocks_of(turn["content"])} for turn in request["messages"]]
    return {**request, "messages": found}


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """The blocks of a content, those of results of tools too."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [
        block | {"content": blocks_of(block["content"])} if block["type"] == "tool_result" else block
        for block in content or []
    ]


# Recorded requests.


def surviving(request: Mapping[str, Any]) -> dict[str, Any]:
    """What of a Messages request has to survive: who says what, in which order, about which tools."""
    loaded = {name for block in every_block(request) for name in [reference(block)] if name}
    tools = [tool for tool in request.get("tools") or [] if not tool.get("defer_loading") or tool["name"] in loaded]
    return {
        "system": "\n\n".join(block["text"] for block in blocks_of(request.get("system"))),
        "turns": conversation_of(request),
        "tools": [[tool.get(name) for name in ("name", "description", "input_schema", "strict")] for tool in tools],
        "choice": request.get("tool_choice") if tools else None,
        "limit": request.get("max_tokens"),
        "format": (request.get("output_config") or {}).get("format") or request.get("output_format"),
        "effort": (request.get("output_config") or {}).get("effort"),
        "others": [request.get(name) for name in ("model", "stream", "temperature", "top_k", "metadata")],
    }


def every_block(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All blocks of all turns, those inside of results of tools too."""
    blocks = [block for turn in request["messages"] for block in blocks_of(turn["content"])]
    return blocks + [inner for block in blocks if block["type"] == "tool_result" for inner in block["content"]]


def reference(block: Mapping[str, Any]) -> str | None:
    """The name of the tool that a block loads; None: it loads none."""
    return block.get("tool_name") or (block["tool"]["name"] if block["type"] == "tool_addition" else None)


def conversation_of(request: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """Who says what by turns; thoughts, hints and whether a text is one block or several don't matter."""
    found: list[tuple[str, list[Any]]] = []
    for turn in request["messages"]:
        said = [each for block in blocks_of(turn["content"]) for each in statement(block)]
        if not said:
            continue
        if not found or found[-1][0] != turn["role"]:
            found.append((turn["role"], []))
        found[-1][1].extend(said)
    return [(role, joined(said)) for role, said in found]


def statement(block: Mapping[str, Any]) -> list[Any]:
    """What a block says, in a form that does not depend on the API."""
    kind = block["type"]
    if kind == "text":
        return [block["text"]] if block["text"].strip() else []
    if kind == "tool_use":
        return [(block["id"], block["name"], json.dumps(block["input"], sort_keys=True))]
    if kind == "tool_result":
        texts = [inner.get("text", inner.get("tool_name")) for inner in block["content"]]
        return [(block["tool_use_id"], "\n\n".join(texts))]
    if kind == "document" and block["source"]["type"] == "text":
        return [block["source"]["data"]]
    return [json.dumps(block["source"], sort_keys=True)] if kind in ("image", "document") else []


def joined(said: list[Any]) -> list[Any]:
    """The statements with texts that follow each other as one."""
    found: list[Any] = []
    for each in said:
        if found and isinstance(each, str) and isinstance(found[-1], str):
            found[-1] += each
        else:
            found.append(each)
    return found


def test_recorded_messages_requests() -> None:
    """Every recorded request that does not need Anthropic itself comes back from chat with all that matters."""
    exchanges = [*recorded("/v1/messages"), *recorded("/v1/messages/count_tokens")]
    compared = 0
    for exchange in exchanges:
        request = exchange["request"]
        reading = read(request)
        if reading.needs is not None:
            continue
        there = chat_request(request)
        assert there == reading.request
        assert_chat_request(there)
        back = messages_request(there, default_max_tokens=1, system_turns=True)
        assert_messages_request(back)
        if "max_tokens" not in request:
            del back["max_tokens"]
        assert surviving(back) == surviving(request)
        assert ("stream_options" in there) == bool(request.get("stream"))
        compared += 1
    assert compared == 218


def test_recorded_messages_requests_that_need_anthropic() -> None:
    """The other recorded requests ask for what Anthropic runs or keeps, and each says which member does."""
    needed = {
        (reading.needs or "").split("'")[1].split("[")[0]
        for exchange in recorded("/v1/messages")
        if (reading := read(exchange["request"])).needs is not None
    }
    assert needed == {"tools", "messages", "container", "mcp_servers"}


def test_recorded_chat_requests() -> None:
    """Recorded chat requests become requests that Anthropic's client knows, or are refused by the member's name."""
    exchanges = [each for each in recorded("/chat/completions") if "messages" in each["request"]]
    refused: dict[str, int] = {}
    for exchange in exchanges:
        try:
            there = messages_request(exchange["request"], default_max_tokens=9)
        except InputError as error:
            member = str(error).split("'")[1]
            refused[member] = refused.get(member, 0) + 1
            continue
        own = any("input_schema" not in tool for tool in there.get("tools", ()))
        assert_messages_request({name: there[name] for name in there if name != "tools" or not own})
        if own:
            continue
        back = messages_request(chat_request(there), default_max_tokens=9)
        assert surviving(back) == surviving(there)
    assert refused == {
        "functions": 24,
        "response_format": 5,
        "moderation": 4,
        "web_search_options": 3,
        "n": 2,
        "frequency_penalty": 1,
        "messages": 1,
        "messages[0].content[1].type": 1,
    }
    assert len(exchanges) > 500


# Recorded answers.


def test_recorded_messages() -> None:
    """Every recorded Message comes back from chat with its text, thoughts, calls, end and counts."""
    messages = [each for each in recorded("/v1/messages") if stream_of(each) is None and each["status"] == 200]
    for exchange in messages:
        before = exchange["response"]
        there = chat_answer(before)
        read_completion(there)
        after = message(there, model=before["model"], message_id=before["id"])
        read_message(without_old_counts(after))
        for kinds in (("text",), ("thinking", "redacted_thinking"), ("tool_use",)):
            assert of_kinds(after, *kinds) == of_kinds(before, *kinds)
        assert after["stop_reason"] == before["stop_reason"]
        counted = {name: count for name, count in before["usage"].items() if count is not None}
        assert after["usage"] == {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0} | counted
    assert len(messages) == 218


def without_old_counts(answer: dict[str, Any]) -> dict[str, Any]:
    """The Message without what Anthropic counted in a form that its client does not know any more."""
    return answer | {"usage": {name: count for name, count in answer["usage"].items() if name != "server_tool_use"}}


def of_kinds(answer: Mapping[str, Any], *kinds: str) -> list[Any]:
    """What the blocks of these kinds say; texts are one."""
    blocks = [block for block in answer["content"] if block["type"] in kinds]
    if kinds == ("text",):
        return ["".join(block["text"] for block in blocks)]
    return [{name: value for name, value in block.items() if name != "caller"} for block in blocks]


def test_recorded_message_streams() -> None:
    """Every recorded stream of Anthropic's makes chunks that add up to the same answer as its events do."""
    streams = [text for exchange in recorded("/v1/messages") if (text := stream_of(exchange)) is not None]
    for text in streams:
        chunks, whole = ChatChunks(include_usage=True), WholeMessage()
        told: list[dict[str, Any]] = []
        for event in events_of(text):
            told += chunks.feed(event)
            whole.feed(event)
        assert chunks.finished
        assert whole.finished
        assert whole.message is not None
        for each in told:
            read_chunk(each)
        reassembled = reassemble([json.dumps(each).encode() for each in told])
        assert reassembled.finished
        assert reassembled.body is not None
        streamed, expected = json.loads(reassembled.body), chat_answer(whole.message)
        assert streamed["usage"] == expected["usage"] == chunks.usage
        assert ending_of(streamed) == ending_of(expected)
        assert said_in(streamed) == said_in(expected)
        read_message(without_old_counts(message(streamed, model="m", message_id="msg_1")))
    assert len(streams) == 47


def ending_of(answer: Mapping[str, Any]) -> Any:
    """Why an answer ended."""
    (choice,) = answer["choices"]
    return choice["finish_reason"], choice["native_finish_reason"]


def said_in(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says, with arguments as objects: their spaces don't matter."""
    found = {name: value for name, value in answer["choices"][0]["message"].items() if value is not None}
    for call in found.get("tool_calls", ()):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return found


def test_recorded_chat_streams() -> None:
    """Every recorded chat stream makes events that Anthropic's client follows, and adds up as in one piece."""
    streams = [
        text
        for exchange in recorded("/chat/completions")
        if (text := stream_of(exchange)) is not None and "chat.completion.chunk" in text
    ]
    failed = 0
    for text in streams:
        stream = MessageEvents(model="m", message_id="msg_1")
        chunks = list(events_of(text))
        events = [event for chunk in chunks for event in stream.feed(chunk)] + stream.close()
        if not stream.finished:
            assert events[-1][0] == "error"
            failed += 1
            continue
        found = followed(events)
        body = reassemble([json.dumps(chunk).encode() for chunk in chunks]).body
        assert body is not None
        expected = message(json.loads(body), model="m", message_id="msg_1")
        for kinds in (("text",), ("tool_use",)):
            assert of_kinds(found, *kinds) == of_kinds(expected, *kinds)
        thoughts = [
            "".join(block["thinking"] for block in of_kinds(answer, "thinking")) for answer in (found, expected)
        ]
        assert thoughts[0] == thoughts[1]
        assert found["stop_reason"] == expected["stop_reason"]
        assert {name: found["usage"][name] for name in ("input_tokens", "output_tokens")} == {
            name: expected["usage"][name] for name in ("input_tokens", "output_tokens")
        }
    assert len(streams) > 70
    assert failed == 1


def test_recorded_error_inside_of_a_chat_stream() -> None:
    """OpenRouter ends a stream of status 200 with an error; Anthropic's client gets it as such, with its kind."""
    (text,) = [
        text
        for exchange in recorded("/chat/completions")
        if "Token limit reached" in (text := stream_of(exchange) or "")
    ]
    stream = MessageEvents(model="m", message_id="msg_1")
    events = [event for chunk in events_of(text) for event in stream.feed(chunk)] + stream.close()
    assert events[-1][1]["error"] == {"type": "invalid_request_error", "message": "Token limit reached"}
    assert not stream.finished


def test_recorded_streams_that_count_again_at_the_end() -> None:
    """Where Anthropic ran tools, the last counts include what those read, and replace the first ones."""
    grown = 0
    for exchange in recorded("/v1/messages"):
        events = list(events_of(stream_of(exchange) or ""))
        first = events[0]["message"]["usage"]["input_tokens"] if events else 0
        final = next((event["usage"] for event in events if event["type"] == "message_delta"), {})
        if final.get("input_tokens", first) > first:
            chunks = ChatChunks(include_usage=False)
            for event in events:
                chunks.feed(event)
            assert chunks.usage is not None
            cached = final["cache_read_input_tokens"] + final["cache_creation_input_tokens"]
            assert chunks.usage["prompt_tokens"] == final["input_tokens"] + cached
            grown += 1
    assert grown == 6


def test_recorded_errors() -> None:
    """Recorded errors keep their message in the other API's shape, and get its type."""
    anthropics = [*recorded("/v1/messages"), *recorded("/v1/messages/count_tokens")]
    there = [chat_error(each["response"])["error"] for each in anthropics if each["status"] != 200]
    assert sorted((error["type"], error["code"]) for error in there if error["code"]) == [
        ("invalid_request_error", "model_not_found")
    ]
    kinds: dict[str, int] = {}
    for exchange in recorded("/chat/completions"):
        if exchange["status"] != 200:
            error = messages_error(exchange["response"], status=exchange["status"])["error"]
            assert error["message"] == exchange["response"]["error"]["message"]
            kinds[error["type"]] = kinds.get(error["type"], 0) + 1
    assert kinds == {"invalid_request_error": 8, "not_found_error": 2, "rate_limit_error": 3}
