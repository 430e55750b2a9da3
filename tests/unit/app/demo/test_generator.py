"""The synthetic traffic of the demo."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from tierwright.app.demo.generator import FINGERPRINT, KeyRow, LogRow, generate, write_log
from tierwright.app.demo.tasks.orders import OrderSource
from tierwright.app.demo.tasks.reviews import ReviewSource
from tierwright.app.demo.tasks.tickets import TicketSource

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.app.demo.items import Source

_START = datetime(2025, 9, 1, tzinfo=UTC)
_DAYS = 30


@pytest.fixture(scope="module")
def month() -> list[tuple[LogRow, KeyRow]]:
    """A month of 2,000 requests."""
    return list(generate(requests=2_000, days=_DAYS, seed=7, start=_START))


def _prompt(log: LogRow) -> str:
    return "\n".join(message["content"] for message in log["request"]["messages"])


def _answer(log: LogRow) -> str:
    content = log["response"]["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def _input(log: LogRow) -> str:
    content = log["request"]["messages"][-1]["content"]
    assert isinstance(content, str)
    return content


def test_same_seed_gives_same_bytes(tmp_path: Path) -> None:
    """Two logs of the same seed are equal byte by byte, another seed gives other texts."""
    paths = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz", "c.jsonl.gz")]
    for path, seed in zip(paths, (3, 3, 4), strict=True):
        write_log(path, requests=60, days=2, seed=seed, start=_START)
    first, second, other = (path.read_bytes() for path in paths)
    assert first == second
    assert first != other


def test_written_log_has_its_key_beside_it(tmp_path: Path) -> None:
    """Log and key are gzip JSON lines, each id once in both, in the same order."""
    log, key = write_log(tmp_path / "month.jsonl.gz", requests=80, days=3, seed=1, start=_START)
    assert key == tmp_path / "month.key.jsonl.gz"
    with gzip.open(log, "rt", encoding="utf-8") as log_lines, gzip.open(key, "rt", encoding="utf-8") as key_lines:
        ids = [json.loads(line)["response"]["id"] for line in log_lines]
        assert ids == [json.loads(line)["id"] for line in key_lines]
    assert len(ids) == 80


def test_rows_come_in_order_of_time_within_the_days(month: list[tuple[LogRow, KeyRow]]) -> None:
    """Timestamps never go back and stay within the stated days."""
    times = [log["timestamp"] for log, _ in month]
    assert times == sorted(times)
    assert times[0] >= _START.timestamp()
    assert times[-1] < (_START + timedelta(days=_DAYS)).timestamp()


def test_office_hours_are_busier_than_nights_and_sundays(month: list[tuple[LogRow, KeyRow]]) -> None:
    """Requests follow an office week."""
    moments = [datetime.fromtimestamp(log["timestamp"], UTC) for log, _ in month]
    hours = Counter(moment.hour for moment in moments)
    days = Counter(moment.weekday() for moment in moments)
    assert sum(hours[hour] for hour in (9, 10, 11)) > 5 * sum(hours[hour] for hour in (1, 2, 3))
    assert days[1] > 1.5 * days[6]


def test_ids_are_unique_and_those_of_the_key(month: list[tuple[LogRow, KeyRow]]) -> None:
    """Every response id occurs once, and its key row names it."""
    ids = [log["response"]["id"] for log, _ in month]
    assert len(set(ids)) == len(ids)
    assert ids == [key["id"] for _, key in month]


def test_every_answer_says_that_it_is_synthetic(month: list[tuple[LogRow, KeyRow]]) -> None:
    """No generated answer can be taken for one of a real model."""
    assert {log["response"]["system_fingerprint"] for log, _ in month} == {FINGERPRINT}


def test_usage_adds_up(month: list[tuple[LogRow, KeyRow]]) -> None:
    """Total tokens are the sum of the others, which are positive."""
    for log, _ in month:
        usage = log["response"]["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert min(usage.values()) > 0
        assert log["latency_ms"] > 0


def test_every_gold_label_is_offered_in_its_prompt(month: list[tuple[LogRow, KeyRow]]) -> None:
    """The right answer of a label task, and the logged one, are among those the prompt lists."""
    seen = 0
    for log, key in month:
        if key["task"] not in ("ticket-triage", "review-sentiment"):
            continue
        for text in (key["gold"] or "", _answer(log)):
            labels = list(json.loads(text).values()) if text.startswith("{") else [text]
            offered = {line.strip("- ").split(" - ")[0] for line in _prompt(log).splitlines()}
            assert labels[0] in offered
            assert set(labels[1:]) <= {"low", "normal", "high"}
        seen += 1
    assert seen > 1_000


def test_entity_strings_occur_in_their_email(month: list[tuple[LogRow, KeyRow]]) -> None:
    """Every string of gold and answer is copied from the e-mail, each one once."""
    found = 0
    for log, key in month:
        if key["task"] != "order-entities":
            continue
        for strings in json.loads(key["gold"] or "").values():
            assert all(string in _input(log) for string in strings)
            assert len(set(strings)) == len(strings)
            found += len(strings)
        assert all(string in _input(log) for strings in json.loads(_answer(log)).values() for string in strings)
    assert found > 300


def test_product_copy_says_what_the_attributes_say(month: list[tuple[LogRow, KeyRow]]) -> None:
    """The copy holds the value of every attribute, but for the extra ones that the prompt leaves optional."""
    checked = 0
    for log, key in month:
        if key["task"] == "product-copy":
            attributes = json.loads(_input(log))
            optional = {"warranty", "season", "origin"}
            assert all(value in (key["gold"] or "") for name, value in attributes.items() if name not in optional)
            checked += 1
    assert checked > 100


def test_prompt_is_reworded_once_part_way(month: list[tuple[LogRow, KeyRow]]) -> None:
    """One task has two versions, v1 before v2, and each has one system prompt; the others keep v1."""
    versions = [(key["version"], log["request"]["messages"][0]["content"]) for log, key in month
                if key["task"] == "ticket-triage"]  # fmt: skip
    names = [name for name, _ in versions]
    assert names == sorted(names)
    assert set(names) == {"v1", "v2"}
    assert len(set(versions)) == 2
    assert {key["version"] for _, key in month if key["task"] != "ticket-triage"} == {"v1"}


def test_long_tail_has_no_gold_and_no_two_alike(month: list[tuple[LogRow, KeyRow]]) -> None:
    """One-off requests differ from one another and nothing says what would be right."""
    tail = [(log, key) for log, key in month if key["task"] == "long-tail"]
    assert len({_prompt(log) for log, _ in tail}) == len(tail)
    assert {(key["gold"], key["source"]) for _, key in tail} == {(None, "placeholder")}


def test_some_inputs_are_repeated_with_the_same_answer(month: list[tuple[LogRow, KeyRow]]) -> None:
    """About 3 % of the requests of a task repeat an input, and the answer stays the same."""
    answers: dict[str, set[str]] = {}
    rows = [(log, key) for log, key in month if key["task"] in ("ticket-triage", "review-sentiment")]
    for log, _ in rows:
        answers.setdefault(_input(log), set()).add(_answer(log))
    assert all(len(given) == 1 for given in answers.values())
    assert 0.01 < 1 - len(answers) / len(rows) < 0.06


@pytest.mark.parametrize("source", [TicketSource(), ReviewSource(), OrderSource()], ids=lambda source: source.name)
def test_incumbent_errs_as_often_as_stated(source: Source) -> None:
    """Overall, and on ambiguous and on clear texts, the share of wrong answers is the stated one within 4 sigma."""
    rng, error = Random(11), source.error
    assert error is not None
    items = [source.draw(rng) for _ in range(6_000)]
    wrong = [error.answer(item, rng) != item.gold for item in items]
    ambiguous = [w for w, item in zip(wrong, items, strict=True) if item.ambiguous]
    clear = [w for w, item in zip(wrong, items, strict=True) if not item.ambiguous]
    for outcomes, rate in ((wrong, error.rate), (ambiguous, error.ambiguous_rate), (clear, error.clear_rate)):
        sigma = (rate * (1 - rate) / len(outcomes)) ** 0.5
        # Answers that can't be got wrong, such as empty lists, lower a rate a little.
        assert sum(outcomes) / len(outcomes) == pytest.approx(rate, abs=4 * sigma + 0.005)


@pytest.mark.parametrize("source", [TicketSource(), ReviewSource()], ids=lambda source: source.name)
def test_texts_are_hardly_ever_the_same(source: Source) -> None:
    """Of 3,000 texts at least 95 % occur once only: a task can't be learned by heart."""
    rng = Random(5)
    texts = Counter(source.draw(rng).text for _ in range(3_000))
    assert sum(count == 1 for count in texts.values()) >= 0.95 * 3_000


@pytest.mark.parametrize(("requests", "days"), [(0, 30), (10, 0)])
def test_nothing_to_generate_is_refused(requests: int, days: int) -> None:
    """No requests or no days is an error, not an empty log."""
    with pytest.raises(ValueError, match="must be positive"):
        next(generate(requests=requests, days=days, seed=1, start=_START))


def test_start_without_time_zone_is_refused() -> None:
    """An instant without a zone would make the log depend on the machine."""
    with pytest.raises(ValueError, match="time zone"):
        next(generate(requests=1, days=1, seed=1, start=datetime(2025, 9, 1)))  # noqa: DTZ001 - the very mistake


def test_exact_number_of_requests_for_any_size() -> None:
    """Shares are rounded so that the sum is what was asked for."""
    for requests in (1, 7, 101):
        assert sum(1 for _ in generate(requests=requests, days=1, seed=1, start=_START)) == requests
