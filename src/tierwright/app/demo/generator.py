"""A month of LLM traffic of Brindlewick, an invented web shop for outdoor gear: all of it synthetic.

Owns which tasks there are, how requests spread over the days and what a row of the log and of its key looks like.
Refuses to know gateways, stores and models. Texts come from grammars, answers from the right answer and a stated error
process, latencies and token counts from formulas; the `model` in the log is a name to look prices up by, and no figure
made from this traffic says anything about that model.

What to expect at the default size: a linear SVM on TF-IDF of words and characters, learned from the logged answers of
the first two thirds and scored on gold of the last third, reaches 89-91 % in ticket-triage (whole answer right) and
92-94 % in review-sentiment; a logistic regression one or two points less. The simulated incumbent is right in 91.7 %
and 92 % of the requests, and in 92 % of order-entities, by the error processes stated with the tasks. The ceilings are
98.5 %, 98.5 % and 100 %: the right answers of vague texts are drawn, as people disagree on them too.
"""

from __future__ import annotations

import gzip
import json
import math
from bisect import bisect
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, TypedDict

from tierwright.app.demo.items import PLACEHOLDER, REFERENCE, SIMULATED, Item, Source, pick
from tierwright.app.demo.tasks.copywriting import CopySource
from tierwright.app.demo.tasks.longtail import LongTailSource
from tierwright.app.demo.tasks.orders import OrderSource
from tierwright.app.demo.tasks.reviews import ReviewSource
from tierwright.app.demo.tasks.summaries import SummarySource
from tierwright.app.demo.tasks.tickets import TicketSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Size of the demo: small enough for a laptop's coffee break, large enough for specialists to be worth it.
DEFAULT_REQUESTS, DEFAULT_DAYS, DEFAULT_SEED = 6_000, 30, 1
#: What the body of every generated answer says about itself.
FINGERPRINT = "fp_synthetic"


class LogRow(TypedDict):
    """One line of the log, in the import format."""

    #: Unix seconds.
    timestamp: float
    client_id: str
    workload_id: None
    #: As sent to chat.completions.
    request: dict[str, Any]
    #: The chat.completion.
    response: dict[str, Any]
    latency_ms: float


class KeyRow(TypedDict):
    """What only the author of the log knows about one line."""

    #: Of the response.
    id: str
    task: str
    #: The right message text; None: nothing says what would be right.
    gold: str | None
    #: Of the prompt.
    version: str
    #: How the logged answer came about: see `items`.
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One task's place in the traffic."""

    source: Source
    #: Share of all requests.
    share: float
    #: Client -> relative volume.
    clients: Mapping[str, float]
    #: Load of the 24 hours.
    hours: tuple[float, ...]
    #: Share of requests that repeat one of the last inputs.
    repeats: float = 0.0
    #: Wordings of the prompt with the share of the days after which each one starts.
    versions: tuple[tuple[float, str], ...] = ((0.0, "v1"),)


_OFFICE = (0.2, 0.2, 0.2, 0.2, 0.3, 0.5, 1.5, 4, 8, 11, 12, 11, 7, 9, 11, 11, 9, 6, 3, 1.5, 1, 0.6, 0.4, 0.3)
_SHOPPERS = (1, 0.6, 0.4, 0.4, 0.5, 1, 2, 4, 6, 8, 9, 9, 8, 8, 8, 8, 8, 9, 10, 11, 10, 7, 4, 2)
_NIGHTLY = (0.5, 0.5, 3, 6, 6, 3, 1, 1, 3, 5, 5, 4, 2, 3, 4, 4, 3, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
#: Load of Monday to Sunday.
_WEEKDAYS = (1.15, 1.05, 1.0, 1.0, 0.95, 0.45, 0.4)


def _plans() -> tuple[_Plan, ...]:
    return (
        _Plan(
            source=TicketSource(), share=0.56, hours=_SHOPPERS, repeats=0.03, versions=((0.0, "v1"), (0.6, "v2")),
            clients={"helpdesk-mail": 5, "helpdesk-web": 4, "helpdesk-chat": 2},
        ),
        _Plan(source=ReviewSource(), share=0.19, hours=_SHOPPERS, repeats=0.03, clients={"shop-reviews": 1}),
        _Plan(source=OrderSource(), share=0.09, hours=_OFFICE, repeats=0.03, clients={"order-intake": 1}),
        _Plan(source=CopySource(), share=0.07, hours=_NIGHTLY, repeats=0.03, clients={"catalogue-studio": 1}),
        _Plan(source=SummarySource(), share=0.05, hours=_OFFICE, clients={"helpdesk-leads": 1}),
        _Plan(
            source=LongTailSource(), share=0.04, hours=_OFFICE,
            clients={"staff-chat": 6, "staff-notebook": 2, "staff-ide": 1},
        ),
    )  # fmt: skip


def generate(*, requests: int, days: int, seed: int, start: datetime) -> Iterator[tuple[LogRow, KeyRow]]:
    """Yield `requests` rows of log and key in order of time, spread over `days` days from `start` on.

    The same arguments give the same rows. Memory grows by about 100 bytes a request. About 3 % of the requests repeat
    an earlier input of their task and get its answer; the prompt of ticket-triage is reworded after 60 % of the days.

    Raises:
        ValueError: `requests` or `days` is not positive, or `start` has no time zone.

    """
    if requests < 1 or days < 1:
        raise ValueError(f"requests and days must be positive, not {requests} and {days}")
    if start.tzinfo is None:
        raise ValueError("start must have a time zone, for example datetime.UTC")
    plans = _plans()
    counts = _apportion(requests, [plan.share for plan in plans])
    arrivals = sorted(
        (second, at)
        for at, (plan, count) in enumerate(zip(plans, counts, strict=True))
        for second in _arrivals(count, days, start, plan, _random(seed, f"{plan.source.name} arrivals"))
    )
    streams = [_Stream(plan, _random(seed, plan.source.name), days * 86_400) for plan in plans]
    begun = start.timestamp()
    for number, (second, at) in enumerate(arrivals):
        identity = blake2b(f"{seed}/{number}/{requests}/{days}".encode(), digest_size=14).hexdigest()
        yield streams[at].row(f"chatcmpl-{identity}", round(begun + second, 3), second)


def write_log(
    path: Path,
    *,
    start: datetime,
    requests: int = DEFAULT_REQUESTS,
    days: int = DEFAULT_DAYS,
    seed: int = DEFAULT_SEED,
) -> tuple[Path, Path]:
    """Write the log to `path` and its key beside it, gzip-compressed JSON Lines; return both paths.

    `month.jsonl.gz` gets the key `month.key.jsonl.gz`. The same arguments give the same bytes.
    """
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    key_path = path.with_name(f"{name}.key.jsonl.gz")
    with (
        path.open("wb") as log_file,
        key_path.open("wb") as key_file,
        gzip.GzipFile(filename="", fileobj=log_file, mode="wb", compresslevel=6, mtime=0) as log,
        gzip.GzipFile(filename="", fileobj=key_file, mode="wb", compresslevel=6, mtime=0) as key,
    ):
        for log_row, key_row in generate(requests=requests, days=days, seed=seed, start=start):
            log.write(_line(log_row))
            key.write(_line(key_row))
    return path, key_path


class _Stream:
    """One task's requests, drawn one after the other."""

    def __init__(self, plan: _Plan, rng: Random, span_s: float) -> None:
        self._plan = plan
        self._rng = rng
        self._span_s = span_s
        self._recent: deque[tuple[Item, str, str]] = deque(maxlen=400)

    def row(self, identity: str, timestamp: float, second: float) -> tuple[LogRow, KeyRow]:
        """Draw the request that arrives `second` seconds after the start."""
        rng, plan = self._rng, self._plan
        item, answer, source = self._next()
        version = max((after, name) for after, name in plan.versions if second >= after * self._span_s)[1]
        request = plan.source.request(item, version)
        prompt_tokens = sum(_tokens(message["content"]) + 4 for message in request["messages"])
        completion_tokens = _tokens(answer)
        latency_ms = round((750 + 18 * completion_tokens + 0.12 * prompt_tokens) * rng.lognormvariate(0.35, 0.4), 1)
        response = {
            "id": identity,
            "object": "chat.completion",
            "created": int(timestamp),
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answer, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
            "system_fingerprint": FINGERPRINT,
        }
        log = LogRow(
            timestamp=timestamp,
            client_id=pick(plan.clients, rng),
            workload_id=None,
            request=request,
            response=response,
            latency_ms=latency_ms,
        )
        return log, KeyRow(id=identity, task=plan.source.name, gold=item.gold, version=version, source=source)

    def _next(self) -> tuple[Item, str, str]:
        """An item with the incumbent's answer and where it is from: a new one, or one of the last 400 again."""
        rng, source = self._rng, self._plan.source
        if self._recent and rng.random() < self._plan.repeats:
            return rng.choice(self._recent)
        item = source.draw(rng)
        if item.gold is None:
            drawn = item, item.filler or "", PLACEHOLDER
        elif source.error is None:
            drawn = item, item.gold, REFERENCE
        else:
            drawn = item, source.error.answer(item, rng), SIMULATED
        self._recent.append(drawn)
        return drawn


def _random(seed: int, purpose: str) -> Random:
    return Random(f"{seed} {purpose}")  # noqa: S311 - reproducible texts, no secrets


def _apportion(total: int, shares: list[float]) -> list[int]:
    """Whole numbers in proportion to `shares` that sum up to `total`, by largest remainder."""
    exact = [total * share / sum(shares) for share in shares]
    counts = [math.floor(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda at: (counts[at] - exact[at], at))
    for at in by_remainder[: total - sum(counts)]:
        counts[at] += 1
    return counts


def _arrivals(count: int, days: int, start: datetime, plan: _Plan, rng: Random) -> Iterator[float]:
    """Yield `count` instants in seconds after `start`, unordered, by the load of hours and weekdays."""
    hours = [start + timedelta(hours=hour) for hour in range(days * 24)]
    load = list(accumulate(plan.hours[hour.hour] * _WEEKDAYS[hour.weekday()] for hour in hours))
    for _ in range(count):
        hour = bisect(load, rng.random() * load[-1], hi=len(load) - 1)
        yield round(3_600 * (hour + rng.random()), 3)


def _tokens(text: str) -> int:
    """About one token per four characters, rounded up."""
    return -(-len(text) // 4)


def _line(row: LogRow | KeyRow) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
