from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import a_call, a_request, a_response, an_inference
from tierwright.core.chat import Usage, decode_answer, decode_request
from tierwright.core.errors import InputError
from tierwright.core.inference import CallRole, RouteReason
from tierwright.gateway.log_format import read_line, write_line

AT = 1_756_684_940.004


def unpriced(_model: str, _usage: Usage, _at: datetime) -> Decimal | None:
    """No price for anything."""
    return None


def line(**changes: Any) -> bytes:
    """A good line, members replaced; `...` leaves one out."""
    members: dict[str, Any] = {
        "timestamp": AT,
        "client_id": "desk",
        "workload_id": None,
        "request": json.loads(a_request()),
        "response": json.loads(a_response()),
        "latency_ms": 812.5,
    }
    return json.dumps({name: value for name, value in (members | changes).items() if value is not ...}).encode()


def response(**changes: Any) -> dict[str, Any]:
    """A good response, members replaced; `...` leaves one out."""
    members: dict[str, Any] = json.loads(a_response()) | changes
    return {name: value for name, value in members.items() if value is not ...}


class TestReading:
    """`read_line` on lines that are good."""

    def test_everything_is_taken(self) -> None:
        """Who, when, which model, tokens, price: in the inference and its one call."""
        asked: list[tuple[str, Usage, datetime]] = []

        def price(model: str, usage: Usage, at: datetime) -> Decimal:
            asked.append((model, usage, at))
            return Decimal("0.25")

        found = read_line(line(workload_id="nightly"), price)
        at = datetime(2025, 9, 1, 0, 2, 20, 4000, tzinfo=UTC)
        assert (found.id, found.created_at, found.client_id, found.workload_id) == ("chatcmpl-1", at, "desk", "nightly")
        assert (found.model, found.status, found.streamed, found.latency_ms) == ("gpt-4o", 200, False, 812.5)
        assert (found.route.reason, found.task_id, found.overhead_ms) == (RouteReason.IMPORTED, None, None)
        (call,) = found.calls
        assert (call.role, call.backend, call.model) == (CallRole.PRIMARY, "imported", "gpt-4o")
        assert (call.upstream_id, call.started_at, call.status, call.answered) == ("chatcmpl-1", at, 200, True)
        assert (call.prompt_tokens, call.completion_tokens, call.cached_tokens) == (100, 5, 0)
        assert call.cost_usd == Decimal("0.25")
        assert asked == [("gpt-4o", Usage(prompt_tokens=100, completion_tokens=5), at)]

    def test_payloads_keep_every_byte(self) -> None:
        """Spaces, escapes, the order of keys, numbers as they were written, members nobody knows."""
        request = b'{ "model":"m", "x" : 1.0e2,"messages" :[{"role":"user","content":"\\u00e9 \\/ \xc3\xa9"}],"x":2 }'
        answer = b'{"choices":[ {"message":{"content":"ok"}} ],"id":"r1", "big":12345678901234567890123}'
        raw = b'{"timestamp":1,"client_id":"c","request":  %b  ,"response":%b }' % (request, answer)
        found = read_line(raw, unpriced)
        assert (found.request, found.response) == (request, answer)

    @pytest.mark.parametrize(
        ("timestamp", "instant"),
        [
            (0, datetime(1970, 1, 1, tzinfo=UTC)),
            (1_756_684_940, datetime(2025, 9, 1, 0, 2, 20, tzinfo=UTC)),
            (1_756_684_940.123457, datetime(2025, 9, 1, 0, 2, 20, 123457, tzinfo=UTC)),
            ("2025-09-01T00:02:20Z", datetime(2025, 9, 1, 0, 2, 20, tzinfo=UTC)),
            ("2025-09-01T02:02:20.5+02:00", datetime(2025, 9, 1, 0, 2, 20, 500_000, tzinfo=UTC)),
        ],
    )
    def test_timestamps_are_seconds_or_iso_8601(self, timestamp: object, instant: datetime) -> None:
        """To the microsecond, in UTC."""
        found = read_line(line(timestamp=timestamp), unpriced).created_at
        assert found == instant
        assert found.tzinfo is UTC

    def test_what_need_not_be_there(self) -> None:
        """No latency, no workload, no usage, unknown members: nothing is invented."""
        found = read_line(line(latency_ms=..., workload_id=..., response=response(usage=...), extra=[1]), unpriced)
        assert (found.latency_ms, found.workload_id) == (None, None)
        (call,) = found.calls
        assert (call.latency_ms, call.prompt_tokens, call.cached_tokens, call.cost_usd) == (None, None, None, None)

    def test_the_model_that_answered_is_priced_where_the_one_asked_for_is_not(self) -> None:
        """A deployment's own name has no price, the model behind it may have."""

        def price(model: str, _usage: Usage, _at: datetime) -> Decimal | None:
            return {"gpt-4o-2024-08-06": Decimal(1)}.get(model)

        found = read_line(line(response=response(model="gpt-4o-2024-08-06")), price)
        assert found.calls[0].cost_usd == Decimal(1)
        assert found.calls[0].model == "gpt-4o"

    def test_half_an_emoji_is_no_reason_to_refuse_a_line(self) -> None:
        """Text cut by a program that counts UTF-16 is JSON to the letter; the payload keeps its bytes."""
        request = b'{"model": "m", "messages": [{"role": "user", "content": "cut \\ud83d"}], "a": "}\\"", "n":1}'
        raw = b' {"client_id":"c", "timestamp" : 5,"request": %b,"response":%b,"latency_ms":1.5} ' % (
            request,
            a_response(),
        )
        found = read_line(raw, unpriced)
        assert (found.request, found.response) == (request, a_response())
        assert (found.client_id, found.latency_ms, found.created_at.timestamp()) == ("c", 1.5, 5.0)
        assert decode_request(found.request or b"").messages[0].text == "cut \ud83d"

    def test_a_tool_call_is_an_answer(self) -> None:
        """An answer need not have text."""
        message = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]}
        found = read_line(line(response=response(choices=[{"index": 0, "message": message}])), unpriced)
        assert found.id == "chatcmpl-1"


class TestRefusing:
    """`read_line` on lines that are bad."""

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"nonsense", "not JSON"),
            (b"\x00\xff\xfe", "not JSON"),
            (line()[:-1], "not JSON"),
            (line() + b"}", "not JSON"),
            (b'{"timestamp": NaN, "client_id": "c", "request": {}, "response": {}}', "not JSON"),
            (b'{"timestamp":1,"client_id":"\xff","request":{},"response":{}}', "not"),
            (b"[1]", "not a traffic record"),
            (b"null", "not a traffic record"),
            (line(timestamp=...), "`timestamp`"),
            (line(timestamp=None), "timestamp"),
            (line(timestamp=True), "timestamp"),
            (line(timestamp=-1), "'timestamp' is negative"),
            (line(timestamp="0001-01-01T00:00:00+01:00"), "before 1970"),
            (line(timestamp="9999-12-31T23:59:59-01:00"), "after 9999"),
            (line(timestamp=1_756_684_940_004), "milliseconds"),
            (line(timestamp=10**40), "milliseconds"),
            (line(timestamp="yesterday"), "neither seconds since 1970 nor"),
            (line(timestamp="2025-09-01T00:02:20"), "does not say its time zone"),
            (line(client_id=...), "`client_id`"),
            (line(client_id=None), "client_id"),
            (line(workload_id=5), "workload_id"),
            (line(latency_ms=-1), "'latency_ms' is negative"),
            (line(latency_ms="fast"), "latency_ms"),
            (line(request=...), "`request`"),
            (line(request=None), "not a JSON object"),
            (line(request={"messages": [{"role": "user"}]}), "'model'"),
            (line(request={"model": "m"}), "'messages'"),
            (line(request={"model": "m", "messages": []}), "'messages'"),
            (line(request={"model": "m", "messages": ["hello"]}), r"'messages\[0\]'"),
            (line(response=...), "`response`"),
            (line(response=None), "'response' is not a JSON object"),
            (line(response=response(id=...)), "'response.id' is missing"),
            (line(response=response(id="")), "'response.id' is missing"),
            (line(response=response(id="a\x00b")), "'response.id' is no id"),
            (line(response=response(id="x" * 513)), "'response.id' is no id"),
            (line(response=response(choices=[])), "'response.choices'"),
            (line(response={"error": {"message": "no"}, "id": "x"}), "is an error"),
            (line(response=response(usage={"prompt_tokens": 2**63, "completion_tokens": 1})), "more tokens"),
            (
                b'{"timestamp":1,"client_id":"c","request":' + b"[" * 100_000 + b"]" * 100_000 + b',"response":{}}',
                "too deeply",
            ),
            (line().replace(b'"client_id"', b'"half": "\\ud83d", "client"'), "`client_id`"),
            (line().replace(b'"response"', b'"half": "\\ud83d", "answer"'), "`response`"),
            (line(half=1).replace(b'"half": 1', b'"half": "\\ud83d", "x": NaN'), "not JSON"),
            (b'["\\ud83d", ' + line() + b"]", "not a traffic record"),
        ],
    )
    def test_the_reason_is_said(self, raw: bytes, reason: str) -> None:
        """As an InputError; which member, and what is wrong with it."""
        with pytest.raises(InputError, match=reason):
            read_line(raw, unpriced)

    def test_no_reason_quotes_content(self) -> None:
        """What stands in a payload is not in a message, whatever is wrong around it."""
        secret = "my-account-number"
        good = line(request=json.loads(a_request(secret)))
        messages = []
        for place in range(len(good)):
            try:
                read_line(good[:place] + b"\x01" + good[place + 1 :], unpriced)
            except InputError as error:
                messages.append(str(error))
        assert len(messages) > len(good) / 2
        assert [message for message in messages if secret in message] == []

    @settings(deadline=None)
    @given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
    def test_nothing_but_an_input_error_comes_out(self, rubbish: bytes) -> None:
        """Whatever bytes stand on a line."""
        with pytest.raises(InputError):
            read_line(rubbish, unpriced)

    @settings(deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
        st.sampled_from(["timestamp", "client_id", "workload_id", "latency_ms", "request", "response"]),
        st.booleans(),
    )
    def test_a_line_is_read_or_refused(self, value: Any, member: str, ensure_ascii: bool) -> None:  # noqa: FBT001 - drawn
        """Any JSON value in any place: an inference that reads back, or an InputError."""
        members = json.loads(line()) | {member: value}
        raw = json.dumps(members, ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass")
        try:
            found = read_line(raw, unpriced)
        except InputError:
            return
        assert decode_request(found.request or b"").model == found.model
        assert decode_answer(found.response or b"").id == found.id


class TestWriting:
    """`write_line`."""

    def test_what_was_read_is_written_and_read_again(self) -> None:
        """The same inference, to the last byte and microsecond."""
        first = read_line(line(timestamp=1_756_684_940.123457, client_id="é\ud83d"), unpriced)
        written = write_line(first)
        assert written is not None
        assert written.endswith(b"}\n")
        assert written.count(b"\n") == 1
        assert read_line(written, unpriced) == first

    def test_a_payload_of_many_lines_becomes_one(self) -> None:
        """White space between tokens may change, no text does."""
        request = json.dumps(json.loads(a_request("two\nlines")), indent=2).encode().replace(b"\n", b"\r\n")
        written = write_line(an_inference(request=request))
        assert written is not None
        assert written.count(b"\n") == 1
        assert json.loads(written)["request"] == json.loads(request)

    def test_what_has_no_content_has_no_line(self) -> None:
        """Content that is not kept can't be exported, nor can a request nobody answered."""
        assert write_line(an_inference(request=None)) is None
        assert write_line(an_inference(response=None, calls=(a_call(answered=False),))) is None
