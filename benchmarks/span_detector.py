"""Trains nothing: writes the marked texts that a detector of names, places and dates learns from, and scores one.

    python benchmarks/span_detector.py write marked.jsonl
    python benchmarks/span_detector.py score ARTIFACT [--threshold P] [--json]

The texts are `presidio_synth` (both files), split by template: a template whose number is divisible by five is in the
test set with all of its texts, so that no sentence is known there but for what was filled in; and WNUT17's posts with
persons and locations, on its own splits. A hit is a span of which 90 % of the characters are covered by findings of its
type; recall has its Wilson interval. All English; the first is synthetic, and the second is hard (F1 around 0.5 is
published for encoders of 100 million parameters).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spans import conll
from tierwright.app.span_detector import load
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: Types of the marked texts by what the detector is to call them.
TYPES = {
    "PERSON": "name",
    "STREET_ADDRESS": "address",
    "ADDRESS": "address",
    "LOCATION": "address",
    "GPE": "address",
    "DATE_TIME": "date",
    "DATE": "date",
}
FIELDS = ("address", "date", "name")
#: Types of the posts, in the order of the set.
WNUT17 = ("corporation", "creative-work", "group", "location", "person", "product")
COVERED = 0.9
TEST_ONE_IN = 5


class Row(NamedTuple):
    """One text with its spans."""

    source: str
    split: str
    text: str
    #: (type, start, end)
    spans: list[tuple[str, int, int]]


def rows() -> Iterator[Row]:
    """All marked texts."""
    for file in ("generated_large", "synth_dataset_v2"):
        for row in json.loads(gzip.decompress((DATA / "presidio_synth" / f"{file}.json.gz").read_bytes())):
            spans = [
                (TYPES[span["entity_type"]], span["start_position"], span["end_position"])
                for span in row["spans"]
                if span["entity_type"] in TYPES
            ]
            split = "test" if row["template_id"] % TEST_ONE_IN == 0 else "train"
            yield Row(f"presidio_synth/{file}", split, row["full_text"], spans)
    for file, split in (("wnut17train.conll.gz", "train"), ("emerging.test.annotated.gz", "test")):
        for text, answer, _ in conll(DATA / "wnut17" / file, WNUT17):
            found = json.loads(answer)
            spans = [
                (kind, text.index(value), text.index(value) + len(value))
                for name, kind in (("person", "name"), ("location", "address"))
                for value in found[name]
            ]
            yield Row("wnut17", split, text, spans)


def write(path: Path) -> None:
    """The file for `tierwright dataset import`; a text that is there twice is written once."""
    seen: set[str] = set()
    with path.open("w", encoding="utf-8") as out:
        for row in rows():
            if row.text in seen:
                continue
            seen.add(row.text)
            answer = {
                field: [row.text[start:end] for kind, start, end in row.spans if kind == field] for field in FIELDS
            }
            line = {"text": row.text, "answer": json.dumps(answer, ensure_ascii=False), "split": row.split}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


def score(artifact: str, threshold: float | None) -> dict[str, Any]:
    """Recall of each type on the test texts of each source, and how many findings touch no span of any type."""
    finder = load({"artifact": artifact, "threshold": threshold})
    spans: Counter[tuple[str, str]] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    wrong: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for row in rows():
        if row.split != "test":
            continue
        source = row.source.split("/")[0]
        (findings,) = finder.find([row.text])
        for kind, start, end in row.spans:
            covered = {
                at for one in findings if one.type == kind for at in range(max(one.start, start), min(one.end, end))
            }
            spans[source, kind] += 1
            hits[source, kind] += len(covered) >= COVERED * (end - start)
        for one in findings:
            found[source] += 1
            wrong[source] += not any(one.start < end and start < one.end for _, start, end in row.spans)
    return {
        "detector": finder.version,
        "recall": {
            f"{source}, {kind}": {"hits": hits[source, kind], "spans": n, "interval": _interval(hits[source, kind], n)}
            for (source, kind), n in sorted(spans.items())
        },
        "precision": {source: 1 - wrong[source] / n for source, n in found.items()},
    }


def _interval(hits: int, n: int) -> list[float]:
    rate = wilson(hits, n)
    return [rate.ci_low, rate.ci_high]


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Marked texts for a detector of names, and how well one finds them.")
    parser.add_argument("what", choices=["write", "score"])
    parser.add_argument("path")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.what == "write":
        write(Path(given.path))
        return
    result = score(given.path, given.threshold)
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for name, one in result["recall"].items():
        low, high = one["interval"]
        print(f"{name:26} {one['hits']} of {one['spans']}: {one['hits'] / one['spans']:.3f} [{low:.3f}, {high:.3f}]")
    for source, precision in result["precision"].items():
        print(f"{source:26} findings that touch a span: {precision:.3f}")


if __name__ == "__main__":
    main()
