"""What becomes of a request's facts when they are drawn up."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.fakes import an_inference
from tierwright.core.chat import Usage
from tierwright.core.inference import Content
from tierwright.gateway.trail import Draft, Pricing, Trail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.core.chat import ChatRequest
    from tierwright.core.inference import Inference

ANSWER = {"id": "a", "model": "gpt-4o", "choices": [{"index": 0, "message": {"content": "two words"}}]}


def uncounted() -> Inference:
    """An answered request whose server sent no counts."""
    made = an_inference(
        request=json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}).encode(),
        response=json.dumps(ANSWER).encode(),
    )
    call = replace(made.calls[-1], prompt_tokens=None, completion_tokens=None, cost_usd=None, status=200)
    return replace(made, calls=(call,))


def counted(_: ChatRequest, text: str | None, __: str) -> Usage:
    """A token a word."""
    return Usage(prompt_tokens=1, completion_tokens=len((text or "").split()), estimated=True)


def failing(_: ChatRequest, __: str | None, ___: str) -> Usage:
    """A tokenizer that can't be loaded."""
    raise ModuleNotFoundError("no tokenizer")


def test_what_the_server_did_not_count_is_estimated() -> None:
    """The call gets the estimate, is marked, and is priced by it."""
    made = Draft(uncounted(), (), Pricing(lambda *_: Decimal("0.5"), counted)).inference()
    call = made.calls[-1]
    assert (call.completion_tokens, call.usage_estimated, call.cost_usd) == (2, True, Decimal("0.5"))


@pytest.mark.parametrize(("begun", "status"), [(False, 503), (True, 200)])
def test_what_could_not_be_kept_says_what_the_caller_got(*, begun: bool, status: int) -> None:
    """An error in the answer's place, unless its status had been sent; what was used stays in the ledger."""
    bare = an_inference()
    made = Draft(bare, (), Pricing(lambda *_: None), begun=begun).unkept().inference()
    assert (made.status, made.error_code) == (status, "capture_unavailable")
    assert made.calls == bare.calls


def test_a_counter_that_fails_costs_no_ledger_line() -> None:
    """Whatever a tokenizer does, its call is kept as it was, unpriced."""
    bare = uncounted()
    assert Draft(bare, (), Pricing(lambda *_: Decimal("0.5"), failing)).inference() == bare


def test_content_dropped_for_want_of_room_is_counted_first() -> None:
    """Only its ledger line is left, with the estimate and the price in it; so is what a journal gives back of it."""
    pricing = Pricing(lambda *_: Decimal("0.5"), counted)
    left = Draft(uncounted(), (), pricing).without_content()
    for made in (left.inference(), pricing.restored(b"".join(left.record())).inference()):
        call = made.calls[-1]
        assert (made.request, made.response, made.content) == (None, None, Content.DROPPED)
        assert (call.completion_tokens, call.usage_estimated, call.cost_usd) == (2, True, Decimal("0.5"))


class _Chunks(list[bytes]):
    """Chunks that can't be put together."""

    def __iter__(self) -> Iterator[bytes]:
        """Fails, quoting somebody."""
        raise ValueError("a secret prompt")


@dataclass
class _Stream:
    """A stream that has ended."""

    payloads: list[bytes]


def test_an_answer_that_can_not_be_counted_costs_nobody_it(caplog: pytest.LogCaptureFixture) -> None:
    """The calls stay as they are, the record is made, and no text is in the log."""
    made, pricing = uncounted(), Pricing(lambda *_: None, counted)
    trail = Trail(
        id=made.id,
        created_at=made.created_at,
        client_id="desk",
        workload_id=None,
        began=0.0,
        request=made.request or b"",
        model="gpt-4o",
        keep_content=False,
        calls=list(made.calls),
        stream=_Stream(_Chunks([b"{}"])),  # type: ignore[arg-type]
        pricing=pricing,
    )
    assert trail.counts_early
    trail.take(trail.counted_calls())
    assert not trail.counts_early
    assert trail.calls == list(made.calls)
    assert trail.draft().bare.content is Content.OFF
    assert Draft(made, _Chunks([b"{}"]), pricing).without_content().bare.calls == made.calls
    assert caplog.text.count("ValueError") == 2
    assert "secret" not in caplog.text
