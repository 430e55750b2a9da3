"""Feedback over HTTP: what is read, what is refused, and that the same word twice is one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import NOON, inferences
from tierwright.core.errors import StoreError
from tierwright.core.feedback import Feedback, Score, ScoreKind
from tierwright.core.ids import InferenceId, TaskId
from tierwright.gateway.feedback import FeedbackDesk, Words, read_feedback
from tierwright.gateway.feedback_import import import_feedback
from tierwright.gateway.problems import Problem
from tierwright.gateway.tenancy.caller import Caller
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.store.sql import SqlStore

TASK = TaskId("task-1")
FIRST = InferenceId("i-000000")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """A store with two inferences of a task: i-000000 and i-000001."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    opened.append(inferences(2, task_id=TASK))
    yield opened
    opened.close()


def take(
    store: SqlStore,
    body: object,
    *,
    key: bytes | None = None,
    client_id: str = "helpdesk",
    alone: bool = False,
    late: Sequence[Inference] = (),
) -> tuple[int, dict[str, Any]]:
    """Status and document of one request; `late` is captured and not stored yet."""

    async def flush(_: float) -> bool:
        store.append(late)
        return True

    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if key is None else {b"idempotency-key": key}
    desk = FeedbackDesk(store, inferences=store, flush=flush, soon_s=0.0, clock=lambda: NOON)
    status, answer = asyncio.run(desk.take(raw, headers, Caller(client_id=client_id, alone=alone)))
    return status, json.loads(answer)


def read(item: object, **options: Any) -> Feedback | Score:
    """The only word of an item."""
    words = read_feedback(json.dumps(item).encode(), client_id="helpdesk", now=NOON, **options)
    assert isinstance(words, Words), words
    (word,) = words.said
    return word


def refused(body: object) -> Problem:
    """The problem of a body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = read_feedback(raw, client_id="helpdesk", now=NOON)
    assert isinstance(found, Problem)
    return found


@pytest.mark.parametrize(
    ("item", "kind", "number", "text", "name", "comment"),
    [
        ({"inference_id": "i", "score": 0.5}, ScoreKind.NUMERIC, 0.5, None, "score", None),
        ({"response_id": "i", "score": True, "name": "helpful"}, ScoreKind.BOOLEAN, 1.0, None, "helpful", None),
        ({"id": "i", "value": "rude", "name": "tone"}, ScoreKind.CATEGORICAL, None, "rude", "tone", None),
        ({"id": "i", "score": 0, "comment": "no"}, ScoreKind.NUMERIC, 0.0, None, "score", "no"),
        ({"id": "i", "comment": "so slow"}, ScoreKind.TEXT, None, "so slow", "comment", None),
        (
            {"inference_id": "i", "metric_name": "stars", "value": 4, "tags": {"user": "x"}},
            ScoreKind.NUMERIC,
            4.0,
            None,
            "stars",
            None,
        ),
        (
            {"inference_id": "i", "metric_name": "solved", "value": False},
            ScoreKind.BOOLEAN,
            0.0,
            None,
            "solved",
            None,
        ),
        (
            {"inference_id": "i", "metric_name": "comment", "value": "fine"},
            ScoreKind.TEXT,
            None,
            "fine",
            "comment",
            None,
        ),
        (
            {"traceId": "t", "observationId": "i", "name": "ok", "value": 1, "dataType": "BOOLEAN", "comment": "c"},
            ScoreKind.BOOLEAN,
            1.0,
            None,
            "ok",
            "c",
        ),
        (
            {"traceId": "i", "name": "tone", "value": "kind", "dataType": "CATEGORICAL"},
            ScoreKind.CATEGORICAL,
            None,
            "kind",
            "tone",
            None,
        ),
        ({"traceId": "i", "name": "note", "value": "x", "dataType": "TEXT"}, ScoreKind.TEXT, None, "x", "note", None),
        ({"traceId": "i", "name": "f1", "value": 0.25}, ScoreKind.NUMERIC, 0.25, None, "f1", None),
    ],
)
def test_scores_of_three_shapes(
    item: dict[str, Any], kind: ScoreKind, number: float | None, text: str | None, name: str, comment: str | None
) -> None:
    """Ours, TensorZero's and Langfuse's say one and the same thing of one inference."""
    word = read(item)
    assert isinstance(word, Score)
    assert (word.inference_id, word.kind, word.number, word.text) == ("i", kind, number, text)
    assert (word.name, word.comment, word.created_at) == (name, comment, NOON)


@pytest.mark.parametrize(
    ("item", "output"),
    [
        ({"id": "i", "output": "card_lost"}, "card_lost"),
        ({"id": "i", "label": "card_lost"}, "card_lost"),
        ({"id": "i", "demonstration": "card_lost"}, "card_lost"),
        ({"id": "i", "output": {"größe": [1]}}, '{"größe": [1]}'),
        ({"inference_id": "i", "metric_name": "demonstration", "value": "card_lost"}, "card_lost"),
        (
            {"inference_id": "i", "metric_name": "demonstration", "value": [{"type": "text", "text": "card_lost"}]},
            "card_lost",
        ),
        ({"inference_id": "i", "metric_name": "demonstration", "value": {"a": 1}}, '{"a": 1}'),
    ],
)
def test_corrected_answers_of_two_shapes(item: dict[str, Any], output: str) -> None:
    """What would have been right is a demonstration, written as an import writes it."""
    word = read(item)
    assert isinstance(word, Feedback)
    assert (word.inference_id, word.output) == ("i", output)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        (7, ""),
        ({}, "inference_id"),
        ({"inference_id": "i"}, "score"),
        ({"inference_id": 7, "score": 1}, "inference_id"),
        ({"inference_id": "i", "score": []}, "score"),
        ({"inference_id": "i", "score": 1, "author": 7}, "author"),
        ({"inference_id": "i", "score": 1, "name": "n" * 201}, "name"),
        ({"inference_id": "i", "metric_name": "", "value": 1}, "metric_name"),
        ({"inference_id": "i", "metric_name": "stars"}, "value"),
        ({"inference_id": "i", "metric_name": "comment", "value": 7}, "value"),
        ({"inference_id": "i", "metric_name": "demonstration", "value": ""}, "value"),
        ({"episode_id": "i", "metric_name": "stars", "value": 1}, "inference_id"),
        ({"traceId": "i", "value": 1}, "name"),
        ({"traceId": "i", "name": "n", "value": 1, "dataType": "VECTOR"}, "dataType"),
        ({"traceId": "i", "name": "n", "value": 1, "dataType": {}}, "dataType"),
        ({"traceId": "i", "name": "n", "value": 2, "dataType": "BOOLEAN"}, "value"),
        ({"traceId": "i", "name": "n", "value": "2", "dataType": "NUMERIC"}, "value"),
        ({"traceId": "i", "name": "n", "value": 10**400, "dataType": "NUMERIC"}, "value"),
        ([{"id": "i", "score": 1}, {"id": "i", "score": {}}], "[1].score"),
    ],
)
def test_what_is_wrong_is_named(body: object, param: str | None) -> None:
    """The code is stable, and the parameter is the member to mend."""
    problem = refused(body)
    assert (problem.status, problem.code, problem.param) == (400, "invalid_feedback", param)


def test_messages_hold_no_words_of_the_caller() -> None:
    """An error says which member, never what was in it."""
    problem = refused({"id": "i", "score": {"secret": "swordfish"}})
    assert "swordfish" not in problem.body().decode()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """Broken, binary and bottomless bodies get the code every endpoint gives them."""
    assert refused(body).code == "invalid_json"


def test_too_many_words_are_refused() -> None:
    """A list is bounded."""
    assert refused([{"id": "i", "score": 1}] * 1_001).code == "invalid_feedback"


def test_a_word_is_stored_and_the_same_one_is_not_new(store: SqlStore) -> None:
    """By what it says: again it has the same id, and is there once."""
    status, first = take(store, {"inference_id": FIRST, "score": 0.5})
    assert (status, first["new"]) == (200, True)
    assert take(store, {"inference_id": FIRST, "score": 0.5}) == (200, {**first, "new": False})
    assert take(store, {"inference_id": FIRST, "score": 0.6})[1]["new"]
    assert sorted(score.number or 0 for score in store.scores_of([FIRST])) == [0.5, 0.6]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"inference_id": FIRST, "score": 1}, b"k"),
        ({"inference_id": FIRST, "score": 1, "idempotency_key": "k"}, None),
        ({"inference_id": FIRST, "score": 1, "id": "k"}, None),
        ({"traceId": FIRST, "name": "n", "value": 1, "id": "k"}, None),
    ],
)
def test_a_given_key_makes_two_words_one(store: SqlStore, body: dict[str, Any], key: bytes | None) -> None:
    """A header or a member: under one key the first word is kept; another client's same key is no word on it."""
    value = "score" if "score" in body else "value"
    status, first = take(store, body, key=key)
    assert (status, first["new"]) == (200, True)
    assert take(store, body | {value: 2}, key=key) == (200, {**first, "new": False})
    assert take(store, body | {value: 3}, key=key, client_id="other")[0] == 404
    assert [score.number for score in store.scores_of([FIRST])] == [1]


def test_one_item_can_say_several_things(store: SqlStore) -> None:
    """A grade and the right answer are kept, each once, under one key too."""
    body = {"inference_id": FIRST, "score": 0, "output": "card_lost", "comment": "wrong", "author": "ann"}
    for key in (None, None, b"k", b"k"):
        assert take(store, body, key=key)[0] == 200
    assert store.feedback_of_task(TASK)[FIRST].output == "card_lost"
    assert [(score.number, score.comment, score.author) for score in store.scores_of([FIRST])] == [
        (0.0, "wrong", "ann"),
        (0.0, "wrong", "ann"),
    ]


def test_a_list_is_counted(store: SqlStore) -> None:
    """Accepted are all of its words, new those not known; of two for one inference the later counts."""
    said = [{"id": FIRST, "output": "a"}, {"id": FIRST, "output": "b"}, {"id": "i-000001", "score": 1}]
    status, answer = take(store, said)
    assert (status, answer["accepted"], answer["new"]) == (200, 3, 3)
    assert len(set(answer["feedback_ids"])) == 3
    assert take(store, [*said, {"id": "i-000001", "score": 2}])[1]["new"] == 1
    assert store.feedback_of_task(TASK)[FIRST].output == "b"


def test_a_list_with_one_wrong_item_keeps_nothing(store: SqlStore) -> None:
    """All or none, so that it can be mended and sent again."""
    status, answer = take(store, [{"id": FIRST, "score": 1}, {"id": FIRST}])
    assert (status, answer["error"]["code"]) == (400, "invalid_feedback")
    assert store.scores_of([FIRST]) == []


def test_a_dry_run_keeps_nothing(store: SqlStore) -> None:
    """TensorZero's `dryrun` checks a body and no more."""
    status, answer = take(store, {"inference_id": FIRST, "metric_name": "stars", "value": 4, "dryrun": True})
    assert (status, answer["new"]) == (200, False)
    assert store.scores_of([FIRST]) == []


def test_feedback_may_overtake_its_inference(store: SqlStore) -> None:
    """A word on an answer that is captured and not stored yet is taken: the answer is stored first."""
    late = inferences(1, prefix="late", task_id=TASK)
    assert take(store, {"inference_id": "late-000000", "output": "card_lost"}, late=late)[1]["new"]
    assert store.feedback_of_task(TASK)[InferenceId("late-000000")].output == "card_lost"


@pytest.mark.parametrize("client_id", ["other", "", "Helpdesk", "local"])
def test_nobody_judges_anothers_answers(store: SqlStore, client_id: str) -> None:
    """Another client's inference is answered as an unknown one is, to the byte; a dry run tells no more."""
    for more in (
        {"score": 1},
        {"metric_name": "stars", "value": 1},
        {"metric_name": "stars", "value": 1, "dryrun": True},
    ):
        anothers = take(store, {"inference_id": FIRST, **more}, client_id=client_id)
        unknown = take(store, {"inference_id": "nobody's", **more}, client_id=client_id)
        assert anothers == unknown
        assert (anothers[0], anothers[1]["error"]["code"]) == (404, "inference_not_found")
        assert anothers[1]["error"]["param"] == "inference_id"
    assert store.scores_of([FIRST]) == []


@pytest.mark.parametrize(
    ("item", "member"),
    [
        ({"id": "x", "score": 1}, "id"),
        ({"response_id": "x", "score": 1}, "response_id"),
        ({"traceId": "x", "name": "n", "value": 1}, "traceId"),
        ({"traceId": FIRST, "observationId": "x", "name": "n", "value": 1}, "observationId"),
    ],
)
def test_the_unknown_inference_of_a_list_is_named(store: SqlStore, item: dict[str, Any], member: str) -> None:
    """By its place and member; nothing of the list is kept."""
    status, answer = take(store, [{"id": FIRST, "score": 1, "comment": "fine"}, item])
    assert (status, answer["error"]["param"]) == (404, f"[1].{member}")
    assert store.scores_of([FIRST]) == []


def test_where_nobody_needs_a_key_everything_is_everyones(store: SqlStore) -> None:
    """Imported answers have other clients; on a gateway without keys all who call are one."""
    assert take(store, {"id": FIRST, "score": 1}, client_id="local", alone=True)[0] == 200
    assert take(store, {"id": "nobody's", "score": 1}, client_id="local", alone=True)[0] == 404


def test_the_operators_word_stands_over_a_callers(store: SqlStore, tmp_path: Path) -> None:
    """What a caller sent and the operator imported is the operator's word, and no later one of a caller replaces it."""
    assert take(store, {"id": FIRST, "label": "card_lost", "author": "ann"})[1]["new"]
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"id": FIRST, "label": "card_lost", "author": "ann"}))
    assert import_feedback(path, store, inferences=store, now=NOON).added == 1
    assert take(store, {"id": FIRST, "label": "card_stolen", "author": "ann"})[1]["new"]
    word = store.feedback_of_task(TASK)[FIRST]
    assert (word.output, word.client_id) == ("card_lost", None)


def test_where_nobody_needs_a_key_callers_speak_for_the_operator(store: SqlStore, tmp_path: Path) -> None:
    """A label sent to an open gateway and one in a file are the same word, and kept once."""
    assert take(store, {"id": FIRST, "label": "card_lost", "author": "ann"}, client_id="local", alone=True)[1]["new"]
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"id": FIRST, "label": "card_lost", "author": "ann"}))
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"id": FIRST, "label": "card_lost", "author": "ann"}))
    report = import_feedback(path, store, inferences=store, now=NOON)
    assert (report.added, report.already_there) == (0, 1)


class _Broken:
    """A store whose database is gone, or can be read only."""

    def __init__(self, *, readable: bool) -> None:
        self._readable = readable

    def owners(self, asked: Sequence[InferenceId]) -> dict[InferenceId, str]:
        if not self._readable:
            raise StoreError("the database is gone")
        return dict.fromkeys(asked, "helpdesk")

    def add_feedback(self, _feedback: Sequence[Feedback]) -> int:
        raise StoreError("the database is gone")

    def add_scores(self, _scores: Sequence[Score]) -> int:
        raise StoreError("the database is gone")


@pytest.mark.parametrize("readable", [True, False])
def test_what_could_not_be_stored_is_not_accepted(*, readable: bool) -> None:
    """A failing store is a 503 that asks for a repetition, never a 200 or a 404."""
    broken = _Broken(readable=readable)

    async def flush(_: float) -> bool:
        return True

    desk = FeedbackDesk(broken, inferences=broken, flush=flush, soon_s=0.0, clock=lambda: NOON)  # type: ignore[arg-type]
    status, answer = asyncio.run(desk.take(b'{"id":"i","score":1}', {}, Caller(client_id="helpdesk")))
    assert (status, json.loads(answer)["error"]["code"]) == (503, "store_unavailable")
