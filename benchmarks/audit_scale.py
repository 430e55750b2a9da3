"""How long `tierwright task audit` takes, and how much memory, on up to a million requests.

    python benchmarks/audit_scale.py [--requests 10000 100000 1000000] [--log FILE --key FILE] [--seed 1] [--json]

Draws that many requests from the shared log, with replacement, and varies each but one in ten, so that inputs are fresh
and some repeat: words of the input that the answer does not hold are exchanged for words of other inputs of the same
task; attributes in JSON for those of another request, in the answer too; a request of the long tail becomes words of
the long tail in no order, so that no two are alike. Ids are new, times are the drawn request's and up to an hour more.
A SQLite store is filled with them, then the command is run on it in a process of its own: seconds, processor seconds
and peak memory are that process's, start and printing included. Prints the adjusted Rand index against the key (the
long tail is one cluster on both sides) and the slope of log seconds against log requests. On a machine that does other
things the seconds are an upper bound; the load average is printed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from tierwright.core.chat import Usage
from tierwright.core.ids import InferenceId
from tierwright.core.inference import CallRole, Inference, ModelCall, Route, RouteReason
from tierwright.economics.prices import PriceList
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: The key's name for requests that are no task.
LONG_TAIL = "long-tail"
#: Share of the requests that are drawn as they are.
REPEATED = 0.1
#: Share of the words of an input that are exchanged.
EXCHANGED = 0.15
BATCH = 5_000
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True)
class Drawn:
    """A request of the log, taken apart."""

    task: str
    record: dict[str, Any]
    #: The last message around the input, and the input.
    before: str
    input: str
    after: str
    answer: str


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Time and memory of the audit.")
    parser.add_argument("--requests", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--log", type=Path, default=DATA / "traffic" / "support_30d.jsonl.gz")
    parser.add_argument("--key", type=Path, default=DATA / "traffic" / "support_30d.key.jsonl.gz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.log.exists() or not given.key.exists():
        sys.exit(f"skipped: {given.log} or its key is not there; set TIERWRIGHT_DATA or give --log and --key")
    source = taken_apart(given.log, given.key)
    rows = [measure(source, count, given.seed) for count in sorted(given.requests)]
    slope = None
    if len(rows) > 1:
        logs = np.log([[row["requests"], row["audit_s"], row["processor_s"]] for row in rows])
        slope = {
            "seconds": float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]),
            "processor_seconds": float(np.polyfit(logs[:, 0], logs[:, 2], 1)[0]),
        }
    if given.json:
        print(json.dumps({"runs": rows, "log_log_slope": slope}, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one run each")
    for row in rows:
        print(
            f"n={row['requests']:>9,} audit {row['audit_s']:6.1f} s "
            f"({row['requests'] / row['audit_s']:,.0f} requests/s), processor {row['processor_s']:6.1f} s, peak {row['peak_mb']:,.0f} MiB, tasks={row['tasks']} "
            f"ARI={row['adjusted_rand_index']:.4f} long tail assigned={row['long_tail_assigned']:,} of "
            f"{row['long_tail']:,}; filled in {row['fill_s']:.0f} s, load {row['load']:.1f}"
        )
    if slope:
        print(
            f"log-log slope: {slope['seconds']:.3f} of seconds, {slope['processor_seconds']:.3f} of processor seconds"
        )


def measure(source: list[Drawn], count: int, seed: int) -> dict[str, Any]:
    """One store filled, one audit of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.perf_counter()
        key = fill(f"sqlite:///{folder}/bench.db", source, count, seed)
        filled = time.perf_counter()
        (folder / "tierwright.toml").write_text(f'[store]\nurl = "sqlite:///{folder}/bench.db"\n')
        command = [sys.executable, "-c", "from tierwright.app.cli.main import run; run()", "task", "audit"]
        command += [
            "--json",
            "--assignments",
            str(folder / "assignments.tsv"),
            "--config",
            str(folder / "tierwright.toml"),
        ]
        with (folder / "audit.json").open("wb") as out:
            process = subprocess.Popen(command, stdout=out)
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"the audit ended with {process.returncode}")
        audited = time.perf_counter()
        found = json.loads((folder / "audit.json").read_bytes())
        with (folder / "assignments.tsv").open(encoding="utf-8") as lines:
            got = dict(line.rstrip("\n").split("\t") for line in lines)
    wanted = [key[i] for i in got]
    return {
        "requests": len(got),
        "tasks": len(found["tasks"]),
        "adjusted_rand_index": float(adjusted_rand_score(wanted, list(got.values()))),
        "long_tail": sum(task == LONG_TAIL for task in wanted),
        "long_tail_assigned": sum(key[i] == LONG_TAIL and task != "-" for i, task in got.items()),
        "fill_s": filled - begun,
        "audit_s": audited - filled,
        "processor_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "load": os.getloadavg()[0],
    }


def taken_apart(log: Path, key: Path) -> list[Drawn]:
    """The requests of the log with their inputs: what varies in the last message within a task and its version."""
    with gzip.open(key, "rt", encoding="utf-8") as lines:
        told = {row["id"]: (row["task"], row["version"]) for row in map(json.loads, lines)}
    with gzip.open(log, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    by_version: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_version[told[record["response"]["id"]]].append(record)
    found: list[Drawn] = []
    for (task, _), same in by_version.items():
        texts = [record["request"]["messages"][-1]["content"] for record in same]
        first = shared(texts)
        last = shared([text[first:][::-1] for text in texts])
        for record, text in zip(same, texts, strict=True):
            end = len(text) - last
            answer = record["response"]["choices"][0]["message"]["content"]
            found.append(Drawn(task, record, text[:first], text[first:end], text[end:], answer))
    return found


def shared(texts: list[str]) -> int:
    """How many characters all the texts begin with."""
    least, greatest = min(texts), max(texts)
    pairs = enumerate(zip(least, greatest, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(least), len(greatest)))


def fill(url: str, source: list[Drawn], count: int, seed: int) -> dict[str, str]:
    """Fills a store with requests drawn from the log; the key of what was drawn."""
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    words: dict[str, list[str]] = defaultdict(list)
    by_task: dict[str, list[Drawn]] = defaultdict(list)
    for one in source:
        words[one.task] += _WORD.findall(one.input)
        by_task[one.task].append(one)
    chosen = rng.integers(0, len(source), count)
    times = np.array([one.record["timestamp"] for one in source])[chosen] + rng.uniform(0, 3600, count)
    store, key = open_store(url), {}
    # The month's price stands for every instant of it: few pairs of counts, a million questions.
    price = lru_cache(maxsize=None)(partial(cost_of, PriceList()))
    batch: list[Inference] = []
    for place in np.argsort(times, kind="stable").tolist():
        one = source[chosen[place]]
        name = f"chatcmpl-{draw.getrandbits(112):028x}"
        key[name] = one.task
        request, response = varied(one, by_task[one.task], words[one.task], draw)
        response["id"] = name
        batch.append(
            an_inference(name, datetime.fromtimestamp(times[place], UTC), one.record, request, response, price)
        )
        if len(batch) >= BATCH:
            store.append(batch)
            batch = []
    if batch:
        store.append(batch)
    store.close()
    return key


def varied(
    one: Drawn, same: list[Drawn], words: list[str], draw: random.Random
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The request and the response, varied."""
    request, response = dict(one.record["request"]), dict(one.record["response"])
    request["messages"] = [dict(message) for message in request["messages"]]
    first = response["choices"][0]
    given, answer = one.input, one.answer
    if one.task == LONG_TAIL:
        for message in request["messages"]:
            message["content"] = " ".join(draw.choices(words, k=len(message["content"].split())))
        answer = " ".join(draw.choices(words, k=len(answer.split())))
    elif draw.random() >= REPEATED:
        # Between the braces: what all of the attributes begin with stands before the input.
        if (one.before + given).lstrip().startswith("{"):
            given, answer = other_attributes(one, draw.choice(same))
        else:
            given = other_words(given, answer, words, draw)
    if one.task != LONG_TAIL:
        request["messages"][-1]["content"] = one.before + given + one.after
    response["choices"] = [{**first, "message": {**first["message"], "content": answer}}]
    return request, response


def other_words(given: str, answer: str, words: list[str], draw: random.Random) -> str:
    """The input with some of its words exchanged, at least one if it has any that the answer does not hold."""
    found = [match for match in _WORD.finditer(given) if match[0] not in answer]
    wanted = {match.start() for match in draw.sample(found, k=min(len(found), 1 + int(EXCHANGED * len(found))))}
    pieces, at = [], 0
    for match in found:
        if match.start() in wanted:
            pieces += [given[at : match.start()], draw.choice(words)]
            at = match.end()
    return "".join((*pieces, given[at:]))


def other_attributes(one: Drawn, other: Drawn) -> tuple[str, str]:
    """The input and the answer, with the values of attributes that another request has too exchanged for its own."""
    mine, theirs = (json.loads(some.before + some.input + some.after) for some in (one, other))
    answer = one.answer
    for name in sorted(set(mine) & set(theirs)):
        old, new = mine[name], theirs[name]
        if isinstance(old, str) and isinstance(new, str) and old in answer and len(old) > 3:
            mine[name], answer = new, answer.replace(old, new)
    text = json.dumps(mine)
    return text[len(one.before) : len(text) - len(one.after)], answer


def cost_of(prices: PriceList, model: str, read: int, written: int) -> Decimal | None:
    """US dollars of one call in the month of the log."""
    return prices.cost(model, Usage(prompt_tokens=read, completion_tokens=written), datetime(2025, 9, 1, tzinfo=UTC))


def an_inference(
    name: str,
    at: datetime,
    record: dict[str, Any],
    request: dict[str, Any],
    response: dict[str, Any],
    price: Callable[[str, int, int], Decimal | None],
) -> Inference:
    """A priced inference, as an import of the log would have made it."""
    usage = response["usage"]
    call = ModelCall(
        role=CallRole.PRIMARY,
        backend="imported",
        model=response["model"],
        upstream_id=name,
        started_at=at,
        latency_ms=record["latency_ms"],
        status=200,
        prompt_tokens=usage["prompt_tokens"],
        completion_tokens=usage["completion_tokens"],
        cost_usd=price(response["model"], usage["prompt_tokens"], usage["completion_tokens"]),
    )
    return Inference(
        id=InferenceId(name),
        created_at=at,
        client_id=record["client_id"],
        model=request["model"],
        status=200,
        latency_ms=record["latency_ms"],
        route=Route(reason=RouteReason.IMPORTED),
        calls=(call,),
        request=json.dumps(request).encode(),
        response=json.dumps(response).encode(),
    )


if __name__ == "__main__":
    main()
