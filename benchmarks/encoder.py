"""How fast the int8 sentence encoder is: one short text at a time, and many in batches, on one core.

    python benchmarks/encoder.py --encoder DIRECTORY [--texts FILE] [--json]

DIRECTORY is what `tierwright model pull` built. FILE is a CSV file with a header, plain or gzipped, whose first column
is text (such as Banking77's); without it, customer questions of the same length are made up from a seed. The process
pins itself to one core where the system allows it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib.metadata
import io
import json
import math
import os
import platform
import random
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierwright.specialists.encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

# 10 word pieces and the two special tokens: a short message, 12 tokens in all.
SHORT_TEXT = "I still have not got my new card, why"
OPENINGS = ("Why", "Can you tell me why", "I would like to know why", "Hello, please explain why", "Sorry but")
SUBJECTS = ("my card", "the transfer I made", "a cash withdrawal", "my last top-up", "the exchange rate", "this refund")
EVENTS = (
    "was declined",
    "is still pending",
    "has not arrived yet",
    "cost me an extra fee",
    "shows up twice",
    "is wrong",
)
ENDINGS = ("?", " again?", " since Monday?", ", I checked the app already.", " when I was abroad last week?")


def main() -> None:
    """Measures and prints."""
    options = parse(sys.argv[1:])
    core = pin_to_one_core()
    texts = read_texts(options.texts) if options.texts else made_up_texts(4000)
    texts = random.Random(options.seed).sample(texts, min(options.n, len(texts)))
    encoder = Encoder.load(options.encoder, threads=1)
    report = {
        "encoder": {"name": encoder.card.name, "precision": encoder.card.precision, "fingerprint": encoder.fingerprint},
        "single": measure_single(encoder, options.repeats),
        "batched": measure_batched(encoder, texts, options.passes),
        "texts": str(options.texts.name) if options.texts else f"made up, seed {options.seed}",
        "machine": machine(core),
    }
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True, help="an encoder directory")
    parser.add_argument("--texts", type=Path, help="CSV, plain or gzipped; its first column is embedded")
    parser.add_argument("--n", type=int, default=1000, help="texts in a batched pass")
    parser.add_argument("--passes", type=int, default=5, help="batched passes")
    parser.add_argument("--repeats", type=int, default=500, help="single texts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser.parse_args(arguments)


def measure_single(encoder: Encoder, repeats: int) -> dict[str, Any]:
    """Latency of `embed` for one short text: quantiles with 95 % intervals from order statistics."""
    for _ in range(20):
        encoder.embed([SHORT_TEXT])
    laps_ms, cpu_ms = [], []
    for _ in range(repeats):
        started, cpu_started = time.perf_counter(), time.thread_time()
        encoder.embed([SHORT_TEXT])
        laps_ms.append((time.perf_counter() - started) * 1000)
        cpu_ms.append((time.thread_time() - cpu_started) * 1000)
    return {
        "text": SHORT_TEXT,
        "n": repeats,
        "p50_ms": quantile(laps_ms, 0.5),
        "p99_ms": quantile(laps_ms, 0.99),
        "cpu_p50_ms": quantile(cpu_ms, 0.5),
    }


def measure_batched(encoder: Encoder, texts: Sequence[str], passes: int) -> dict[str, Any]:
    """Texts a second over whole passes: median, slowest and fastest pass, by the clock and by processor time."""
    encoder.embed(texts[:100])
    rates, cpu_rates = [], []
    for _ in range(passes):
        started, cpu_started = time.perf_counter(), time.thread_time()
        encoder.embed(texts)
        rates.append(len(texts) / (time.perf_counter() - started))
        cpu_rates.append(len(texts) / (time.thread_time() - cpu_started))
    return {
        "n": len(texts),
        "passes": passes,
        "mean_characters": statistics.fmean(map(len, texts)),
        "texts_per_s": {"value": statistics.median(rates), "slowest": min(rates), "fastest": max(rates)},
        "texts_per_cpu_s": {
            "value": statistics.median(cpu_rates),
            "slowest": min(cpu_rates),
            "fastest": max(cpu_rates),
        },
    }


def quantile(values: Sequence[float], share: float) -> dict[str, float]:
    """An order statistic and the two between which the quantile lies with 95 %, by the normal approximation."""
    ordered = sorted(values)
    middle, spread = len(ordered) * share, 1.96 * math.sqrt(len(ordered) * share * (1 - share))

    def at(rank: float) -> float:
        return ordered[min(len(ordered) - 1, max(0, math.ceil(rank) - 1))]

    return {"value": at(middle), "ci_low": at(middle - spread), "ci_high": at(middle + spread + 1)}


def read_texts(path: Path) -> list[str]:
    """The first column of a CSV file."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    return [row[0] for row in csv.reader(io.StringIO(content.decode())) if row][1:]


def made_up_texts(n: int) -> list[str]:
    """Customer questions of about 12 words."""
    draw = random.Random(0)
    parts = (OPENINGS, SUBJECTS, EVENTS, ENDINGS)
    return ["{} {} {}{}".format(*(draw.choice(choices) for choices in parts)) for _ in range(n)]


def pin_to_one_core() -> int | None:
    """Keeps this process on the last core it may use; None: the system has no such call."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def machine(core: int | None) -> dict[str, Any]:
    """What the figures depend on."""
    processor = platform.processor() or platform.machine()
    details = Path("/proc/cpuinfo")
    flags: list[str] = []
    if details.exists():
        lines = dict(line.split(":", 1) for line in details.read_text().splitlines() if ":" in line)
        named = {key.strip(): value.strip() for key, value in lines.items()}
        processor = named.get("model name", processor)
        flags = sorted({"avx2", "avx512f", "avx512_vnni", "avx_vnni"} & set(named.get("flags", "").split()))
    return {
        "processor": processor,
        "flags": flags,
        "cores": os.cpu_count(),
        "pinned_to": core,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("tierwright", "onnxruntime", "tokenizers", "numpy")},
    }


def print_report(report: dict[str, Any]) -> None:
    """The figures as text."""
    single, batched, where = report["single"], report["batched"], report["machine"]
    print(f"{report['encoder']['name']}, {report['encoder']['precision']}, one core")
    for name in ("p50_ms", "p99_ms", "cpu_p50_ms"):
        figure = single[name]
        label = {"p50_ms": "p50", "p99_ms": "p99", "cpu_p50_ms": "p50, processor time"}[name]
        print(
            f"  one short text, {label}: {figure['value']:.2f} ms "
            f"(95 % {figure['ci_low']:.2f}-{figure['ci_high']:.2f}, n = {single['n']})"
        )
    for name, unit in (("texts_per_s", "s"), ("texts_per_cpu_s", "s of processor time")):
        figure = batched[name]
        print(
            f"  batched: {figure['value']:.0f} texts/{unit} ({figure['slowest']:.0f}-{figure['fastest']:.0f} over "
            f"{batched['passes']} passes of {batched['n']}, {batched['mean_characters']:.0f} characters each)"
        )
    print(f"  texts: {report['texts']}")
    print("  " + ", ".join(f"{name} {value}" for name, value in where.items()))


if __name__ == "__main__":
    main()
