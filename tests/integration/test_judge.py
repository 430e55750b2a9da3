"""A judge over real HTTP: a server that plays the model, answer files, and what becomes of both."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.integration.gateway.upstream import Upstream, completion
from tests.unit.privacy.gates import MemoryBook
from tests.unit.privacy.gates import gate as privacy_gate
from tierwright.app.judge_calls import Asked, Judge, ask_all, read_verdicts
from tierwright.app.judging import Bout, JudgeOptions, Ruling, bout_of_files, rule
from tierwright.app.settings import parse_settings
from tierwright.app.wiring import open_parts
from tierwright.core.errors import BackendBroken, InputError, NotEnoughData, SettingsError
from tierwright.core.expense import ExpenseKind
from tierwright.core.privacy import DataClass
from tierwright.evals.judge import questions
from tierwright.evals.judged import Basis
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.config import BackendConfig
from tierwright.privacy.ungated import Ungated
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: 300 examples; on 90 the arms differ: the candidate is right on 60 of these, the baseline on 30.
EXAMPLES, DIFFER, WON = 300, 90, 60


def arm(place: int, *, candidate: bool) -> str:
    """What an arm says to an input whose right answer is `yes`."""
    if place >= DIFFER:
        return "yes"
    return "yes" if (place < WON) is candidate else "no"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file of JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def server() -> Iterator[Upstream]:
    """The judge's server."""
    with Upstream() as found:
        found.script = knowing
        yield found


def verdict_on(user: str) -> str:
    """The verdict of a judge who knows that `yes` is right."""
    first = re.search(r"<answer_1-\w+>\n(.*?)\n</answer_1-", user)
    assert first is not None
    return json.dumps({"verdict": "1" if first.group(1) == "yes" else "2"})


async def knowing(request: web.Request) -> web.StreamResponse:
    """Judges right."""
    body = await request.json()
    if request.path.endswith("/messages"):
        told = body["messages"][-1]["content"]
        text = told if isinstance(told, str) else told[0]["text"]
        content = [{"type": "text", "text": verdict_on(text)}]
        usage = {"input_tokens": 100, "output_tokens": 5}
        return web.json_response(
            {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": content,
             "stop_reason": "end_turn", "usage": usage}
        )  # fmt: skip
    return web.json_response(completion(verdict_on(body["messages"][-1]["content"])))


def bout(folder: Path, *, labels: int = 0) -> Bout:
    """Both arms' files, and a gold file of a random sample's size in labels of disagreements."""
    places = range(EXAMPLES)
    candidate = write(
        folder / "candidate.jsonl",
        [{"id": f"i{n}", "input": f"input {n}", "output": arm(n, candidate=True)} for n in places],
    )
    baseline = write(folder / "baseline.jsonl", [{"id": f"i{n}", "output": arm(n, candidate=False)} for n in places])
    # Every third row, so that labels hold wins and losses in proportion.
    gold = write(folder / "gold.jsonl", [{"id": f"i{n}", "output": "yes"} for n in places if n % 3 < labels])
    return bout_of_files(candidate, baseline, gold=gold if labels else None)


def ruled(folder: Path, server: Upstream, found: Bout, *, kind: str = "openai", **options: Any) -> Ruling:
    """The ruling of a judge at the server."""
    settings = (
        f'version = 1\n[[backends]]\nname = "b"\nbase_url = "{server.url}"\nkind = "{kind}"\n'
        '[judge]\nbackend = "b"\nmodel = "gpt-4o"\n'
    )
    with open_parts(parse_settings(settings.encode(), folder / "tierwright.toml", {})) as parts:
        return rule(parts, found, JudgeOptions(**options), folder / "verdicts.jsonl")


def test_only_disagreements_are_shown_twice_and_priced(server: Upstream, tmp_path: Path) -> None:
    """90 pairs make 180 calls, each priced from its tokens; the winner is found in both orders."""
    found = ruled(tmp_path, server, bout(tmp_path))
    assert len(server.seen) == 2 * DIFFER
    assert (found.comparison.basis, found.comparison.allows_promotion) == (Basis.JUDGE_ALONE, False)
    assert found.comparison.by_judge.value == pytest.approx((2 * WON - DIFFER) / EXAMPLES)
    assert found.comparison.trust.steady is not None
    assert found.comparison.trust.steady.value == 1.0
    # gpt-4o: $2.50 and $10 a million tokens, 100 and 5 a call.
    assert found.asked.cost_usd == 2 * DIFFER * (Decimal("0.00025") + Decimal("0.00005"))
    for _, body in server.seen:
        assert b"candidate" not in body
        assert b"baseline" not in body


def test_with_peoples_labels_the_judge_only_adds_precision(server: Upstream, tmp_path: Path) -> None:
    """30 labelled disagreements make the result prediction-powered and it may allow promotion."""
    found = ruled(tmp_path, server, bout(tmp_path, labels=1)).comparison
    assert (found.labelled, found.basis) == (30, Basis.PREDICTION_POWERED)
    assert found.difference.ci_low <= (2 * WON - DIFFER) / EXAMPLES <= found.difference.ci_high
    assert found.allows_promotion
    assert found.trust.human_agreement is not None
    assert found.trust.human_agreement.value == 1.0


def test_an_anthropic_server_is_asked_its_own_way(server: Upstream, tmp_path: Path) -> None:
    """A backend of that kind gets Messages with the system prompt apart, and its answers are read the same."""
    found = ruled(tmp_path, server, bout(tmp_path), kind="anthropic", limit=5)
    assert (found.comparison.judged, found.comparison.usable) == (5, 5)
    assert all("system" in json.loads(body) for _, body in server.seen)


def test_a_second_run_goes_on_where_the_first_ended(server: Upstream, tmp_path: Path) -> None:
    """With 20 pairs judged and a half-written last line, the next run asks the other questions only."""
    first = ruled(tmp_path, server, bout(tmp_path), limit=20)
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert len(read_verdicts(path)) == 39
    second = ruled(tmp_path, server, bout(tmp_path))
    assert (first.asked.asked, second.asked.known, second.asked.asked) == (40, 39, 2 * DIFFER - 39)
    assert len(read_verdicts(path)) == 2 * DIFFER
    again = ruled(tmp_path, server, bout(tmp_path))
    assert (again.asked.asked, again.comparison) == (0, second.comparison)


def test_each_call_is_booked_once(server: Upstream, tmp_path: Path) -> None:
    """What judges cost is kept for the report on savings; a run that goes on from verdicts adds only its own calls."""
    one = Decimal("0.00025") + Decimal("0.00005")
    for limit, calls in ((20, 40), (20, 40), (None, 2 * DIFFER)):
        ruled(tmp_path, server, bout(tmp_path), limit=limit)
        store = open_store(f"sqlite:///{tmp_path / 'tierwright.db'}")
        (line,) = store.expense_sums()
        store.close()
        assert (line.kind, line.task_id, line.calls, line.cost_usd) == (ExpenseKind.JUDGE, None, calls, calls * one)


def test_a_judge_who_refuses_or_talks_is_counted_and_not_used(server: Upstream, tmp_path: Path) -> None:
    """Refusals by word, by finish reason and by content filter, and prose, end in a refusal that gives the counts."""
    answers = iter(range(10**6))

    async def script(request: web.Request) -> web.StreamResponse:
        kinds = [
            web.json_response(completion("I would rather talk about the weather.")),
            web.json_response({"error": {"code": "content_filter"}}, status=400),
            web.json_response(
                completion() | {"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]}
            ),
        ]
        return kinds[next(answers) % 3]

    server.script = script
    with pytest.raises(NotEnoughData, match=r"no verdict on any of 30 pairs \(40 questions declined, 20 answered"):
        ruled(tmp_path, server, bout(tmp_path), limit=30, concurrency=1)


def test_a_busy_server_is_asked_again_and_a_wrong_key_is_not(server: Upstream, tmp_path: Path) -> None:
    """429 with retry-after is repeated until it answers; 401 ends the run at once with what to check."""
    busy = iter(range(10**6))

    async def script(request: web.Request) -> web.StreamResponse:
        if next(busy) % 2 == 0:
            return web.json_response({}, status=429, headers={"retry-after": "0"})
        return await knowing(request)

    server.script = script
    found = ruled(tmp_path, server, bout(tmp_path), limit=5, concurrency=1)
    assert (found.asked.failed, len(server.seen)) == (0, 20)

    async def closed(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=401)

    server.script = closed
    with pytest.raises(BackendBroken, match=r"HTTP 401.*api_key"):
        ruled(tmp_path, server, bout(tmp_path), limit=20)


def test_calls_that_fail_are_counted_and_asked_again_next_time(server: Upstream, tmp_path: Path) -> None:
    """After four tries a question is given up, with growing pauses, and no verdict of it is kept."""
    pauses: list[float] = []

    async def down(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=503)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> Asked:
        gate = Ungated()
        backend = HttpBackend(BackendConfig(name="b", base_url=server.url), gate)
        judge = Judge(backend=backend, gate=gate, kind="openai", model="m")
        try:
            return await ask_all(
                judge,
                questions(bout(tmp_path).pairs[:1]),
                tmp_path / "v.jsonl",
                concurrency=1,
                price=lambda *_: None,
                pause=pause,
            )
        finally:
            await backend.aclose()

    server.script = down
    found = asyncio.run(run())
    assert (found.asked, found.failed, found.said) == (2, 2, {})
    assert "HTTP 503" in (found.failure or "")
    assert pauses == [1.0, 2.0, 4.0] * 2
    assert read_verdicts(tmp_path / "v.jsonl") == {}
    server.script = knowing
    again = asyncio.run(run())
    assert (again.failed, len(again.said), again.unpriced) == (0, 2, 2)


def test_files_that_can_not_be_judged_are_refused(server: Upstream, tmp_path: Path) -> None:
    """No input to judge by, an unknown preference, and settings that name no such backend are refused."""
    rows = [{"id": f"i{n}", "output": str(n)} for n in range(3)]
    one, other = write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", [{**r, "output": "x"} for r in rows])
    with pytest.raises(InputError, match="3 of 3 pairs have no input"):
        bout_of_files(one, other)
    inputs = write(tmp_path / "in.jsonl", [{**r, "input": "text"} for r in rows])
    gold = write(tmp_path / "g.jsonl", [{"id": "i0", "output": "", "prefers": "me"}])
    with pytest.raises(InputError, match="line 1: 'prefers' is 'me'"):
        bout_of_files(one, other, gold=gold, inputs=inputs)
    with pytest.raises(SettingsError, match="the judge's backend is 'nobody'"):
        ruled(tmp_path, server, bout_of_files(one, other, inputs=inputs), backend="nobody")
    bad = write(tmp_path / "verdicts.jsonl", [{"key": 1}, {"key": "x"}])
    with pytest.raises(InputError, match="line 1 is no verdict"):
        read_verdicts(bad)


def test_people_may_say_which_text_they_prefer(tmp_path: Path) -> None:
    """A gold file with `prefers` counts for texts, where no right answer exists."""
    rows = [{"id": f"i{n}", "input": "a", "output": f"text {n}"} for n in range(3)]
    one, other = write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", [{**r, "output": "x"} for r in rows])
    words = ("candidate", "tie", "baseline")
    gold = write(tmp_path / "g.jsonl", [{"id": f"i{n}", "output": "", "prefers": word} for n, word in enumerate(words)])
    assert bout_of_files(one, other, gold=gold).human == {"i0": 1.0, "i1": 0.0, "i2": -1.0}


def test_what_a_judge_is_shown_has_the_class_of_its_dataset(server: Upstream, tmp_path: Path) -> None:
    """Examples of restricted requests are no less so in a judge's question: none of them leaves."""
    book = MemoryBook()

    async def run(data_class: DataClass | None) -> Asked:
        gate = privacy_gate(book)
        backend = HttpBackend(BackendConfig(name="third", base_url=server.url), gate)
        judge = Judge(backend=backend, gate=gate, kind="openai", model="m", data_class=data_class)
        pairs = questions(bout(tmp_path).pairs[:1])
        path = tmp_path / f"{data_class}.jsonl"
        try:
            return await ask_all(judge, pairs, path, concurrency=1, price=lambda *_: None)
        finally:
            await backend.aclose()

    server.script = knowing
    assert len(asyncio.run(run(None)).said) == 2
    asked = len(server.seen)
    shown = asyncio.run(run(DataClass.RESTRICTED))
    assert (shown.failed, len(server.seen)) == (2, asked)
    assert "restricted (declared by dataset)" in (shown.failure or "")
    assert {entry["declared_by"] for entry in book.of("deny")} == {"dataset"}
