"""Following a store that grows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import NOON, a_task, after, an_inference, inferences
from tierwright.app.printable import printable
from tierwright.app.tail import Tail, texts_of
from tierwright.core.ids import InferenceId, TaskId
from tierwright.core.inference import Endpoint, Wanted
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.store.sql import SqlStore

NEVER = datetime.max.replace(tzinfo=NOON.tzinfo)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """An empty store."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def tailing(store: SqlStore, now: datetime = NEVER, *, content: bool = False, **wanted: Any) -> Tail:
    """A tail of a store in which an answer takes ten minutes at most."""
    return Tail(store, Wanted(**wanted), clock=lambda: now, longest=timedelta(minutes=10), content=content)


def ids(found: Sequence[Inference]) -> list[str]:
    """Their ids, in order."""
    return [inference.id for inference in found]


def one(name: str, at_s: float, **changes: Any) -> Inference:
    """An inference that began so many seconds after noon and took one, unless told otherwise."""
    return an_inference(**{"id": InferenceId(name), "created_at": after(at_s), "latency_ms": 1000.0, **changes})


def test_the_latest_come_in_the_order_they_began(store: SqlStore) -> None:
    """So many as asked for; with none asked for, only what follows is shown."""
    store.append(inferences(5))
    assert ids(tailing(store).last(2)) == ["i-000003", "i-000004"]
    assert tailing(store).last(0) == []


def test_what_is_stored_later_is_told_once(store: SqlStore) -> None:
    """Nothing that was there before, nothing twice, the oldest first."""
    store.append([one("old", 0), one("just before", 9), one("newest", 10)])
    tail = tailing(store)
    tail.last(1)
    assert tail.news().inferences == []
    store.append([one("b", 12), one("a", 11)])
    assert ids(tail.news().inferences) == ["a", "b"]
    assert tail.news().inferences == []


def test_an_empty_store_is_followed_from_its_first(store: SqlStore) -> None:
    """There is nothing to begin behind, so everything is news."""
    tail = tailing(store)
    assert tail.last(10) == []
    assert tail.news().inferences == []
    store.append(inferences(3))
    assert len(tail.news().inferences) == 3
    assert tail.news().inferences == []


def test_an_answer_that_took_long_is_told_too(store: SqlStore) -> None:
    """It began long before others that were told already; it comes within ten looks, and once."""
    store.append([one("newest", 300)])
    tail = tailing(store)
    tail.last(10)
    for second in range(5):
        store.append([one(f"quick-{second}", 301 + second)])
        tail.news()
    store.append([one("long", 1, latency_ms=304_500.0)])
    looks = [ids(tail.news().inferences) for _ in range(30)]
    assert [look for look in looks if look] == [["long"]]
    assert ["long"] in looks[:10]


def test_an_answer_of_the_usual_length_is_told_at_once(store: SqlStore) -> None:
    """Although it began before others that were told already."""
    store.append([one("newest", 300)])
    tail = tailing(store)
    tail.last(10)
    store.append([one("slow", 281, latency_ms=20_500.0)])
    assert ids(tail.news().inferences) == ["slow"]


def test_what_comes_late_by_seconds_is_told(store: SqlStore) -> None:
    """Another gateway's group, or its clock, may be a few seconds behind."""
    store.append([one("newest", 100)])
    tail = tailing(store)
    tail.last(1)
    store.append([one("late", 97)])
    assert ids(tail.news().inferences) == ["late"]


def test_a_clock_that_is_ahead_hides_nothing(store: SqlStore) -> None:
    """One inference of the future does not keep those of now from being told."""
    store.append([one("ahead", 5000)])
    tail = tailing(store, now=after(100))
    tail.last(1)
    store.append([one("now", 99)])
    assert ids(tail.news().inferences) == ["now"]


def test_only_what_is_wanted_is_told(store: SqlStore) -> None:
    """At the beginning and later; what is not wanted moves the place on all the same."""
    store.append([one("good", 0), one("bad", 1, status=500)])
    tail = tailing(store, errors=True)
    assert ids(tail.last(10)) == ["bad"]
    store.append([one("good too", 2), one("bad too", 3, error_code="upstream_lost")])
    assert ids(tail.news().inferences) == ["bad too"]


def test_what_one_look_cannot_take_is_admitted(store: SqlStore) -> None:
    """The newest thousand are told, and that there were more."""
    store.append([one("first", 0)])
    tail = tailing(store)
    tail.last(1)
    store.append([one(f"n-{number:04d}", 1 + number / 1000) for number in range(1200)])
    found, passed_over = tail.news()
    assert (len(found), found[-1].id, passed_over) == (1000, "n-1199", True)


def test_a_line_says_who_asked_what_and_who_answered(store: SqlStore) -> None:
    """With the task's name, and neither prompt nor answer."""
    store.put_task(a_task(name="card-intent"))
    inference = one("chatcmpl-7", 3, task_id=TaskId("task-1"), error_code="upstream_lost")
    assert tailing(store).line(inference) == (
        f"{after(3):%Y-%m-%d %H:%M:%S}Z  200  helpdesk  card-intent  gpt-4o > openai/gpt-4o (requested)  1,000 ms  "
        "100+5 tokens  $0.000300  upstream_lost  chatcmpl-7"
    )


def test_a_line_of_what_nobody_answered(store: SqlStore) -> None:
    """What is not known is not invented."""
    refused = one("x", 0, calls=(), status=429, latency_ms=None, task_id=TaskId("gone"))
    assert tailing(store).line(refused).split("  ")[1:] == [
        "429", "helpdesk", "gone", "gpt-4o > - (requested)", "?", "?+? tokens", "unpriced", "x"
    ]  # fmt: skip


def test_no_terminal_sequence_gets_through(store: SqlStore) -> None:
    """In names and in content: neither escapes, nor line ends, nor marks that turn the writing, nor half pairs."""
    evil = "\x1b[2J\x9b1m\r\n\u202e\ud800\x07é"
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": evil}]}).encode()
    inference = one(evil, 0, client_id=evil, model=evil, error_code=evil, request=body, response=evil[:4].encode())
    tail = tailing(store, content=True)
    lines = tail.line(inference).split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert "é" in lines[1]
    assert json.dumps(tail.described(inference)).isprintable()


def test_content_is_read_only_where_it_is_wanted(store: SqlStore) -> None:
    """Without it neither lines nor objects have any, and the store is not even asked for it."""
    store.append([one("a", 0)])
    (without,) = tailing(store).last(1)
    assert (without.request, without.response) == (None, None)
    assert {"prompt", "answer"} & tailing(store).described(without).keys() == set()
    tail = tailing(store, content=True)
    (found,) = tail.last(1)
    prompt, answer = texts_of(found)
    assert prompt
    assert answer
    assert (tail.described(found)["prompt"], tail.described(found)["answer"]) == (prompt, answer)
    assert tail.line(found).split("\n")[1:] == [f"    > {prompt}", f"    < {answer}"]


def test_long_content_is_shortened(store: SqlStore) -> None:
    """To a line's worth of text, or a page's in an object."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 10_000}]}).encode()
    inference = one("a", 0, request=body, response=None)
    tail = tailing(store, content=True)
    assert tail.line(inference).split("\n")[1] == f"    > {'x' * 199}…"
    assert tail.described(inference)["prompt"] == "x" * 3999 + "…"


@pytest.mark.parametrize(
    ("request_", "response", "texts"),
    [
        (None, None, (None, None)),
        (b'{"input": ["a"]}', b'{"data": []}', ('{"input": ["a"]}', '{"data": []}')),
        (b"\xff", None, ("\ufffd", None)),
    ],
)
def test_what_is_no_chat_is_shown_as_it_is(
    request_: bytes | None, response: bytes | None, texts: tuple[str | None, str | None]
) -> None:
    """An embedding has no messages, a stored body may be anything."""
    assert texts_of(one("a", 0, endpoint=Endpoint.EMBEDDINGS, request=request_, response=response)) == texts


def test_printable_leaves_words_alone() -> None:
    """Letters of any script, marks and signs stay; what is too long says so."""
    assert printable("naïve ☃ 日本語 ✓") == "naïve ☃ 日本語 ✓"
    assert printable("abcdef", 4) == "abc…"
    assert printable("abcd", 4) == "abcd"
