"""What the detectors of personal data find, miss and flag wrongly, and how long they take.

    python benchmarks/detectors.py [--json]

- `presidio_synth` by type: a hit is a span of which 90 % of the characters are covered by findings of any type. It is a
  development set: the larger file was looked at while the rules were written, and what was missed in the other has been
  seen since. F2 over the types that are supported: precision counts the findings that touch no span of any type, but
  for people's places and dates, which are not looked for. Published for Presidio on `synth_dataset_v2`, all types: F2
  0.618 as shipped, 0.845 tuned; cards 0.772, phones 0.554 (its recall on these types with patterns only).
- Texts of our own (`detector_texts`), which were not looked at while the rules were mended: the same measures.
- Values by type and country (`detector_values`): valid ones, drawn with a seed; recall with its interval (Wilson).
- Labels by language (`detector_labels`): numbers that only a label in that language gives away.
- False flags: texts of Banking77 and CLINC150 with any finding; the flagged texts are printed to be judged by eye.
- Evasion: fifteen ways of writing a social security number and a card, each with the label before it; thirteen more.
- Milliseconds of processor time per 1,000 characters, median of repeats; and how much longer a megabyte takes than
  100 KB of the same, for strings that almost match each of the rules (10 is linear).
"""

from __future__ import annotations

import argparse
import base64
import csv
import gzip
import io
import itertools
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import phonenumbers

import detector_values as values
from detector_labels import sentences
from detector_texts import texts
from tierwright.privacy.detector import scan
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.core.privacy import Found

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: Types of the set that the detectors look for.
SUPPORTED = ("CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "US_SSN", "PHONE_NUMBER", "IP_ADDRESS")
COVERED = 0.9
#: Values of each kind.
DRAWN = 50
#: Texts of our own.
TEXTS = 2_000
#: Strings that almost match: of each rule, and of the views.
HOSTILE = {
    "digits": "7",
    "single digits": "1 ",
    "pairs": "12 34 ",
    "groups of four": "4111 1111 1111 1112 ",
    "groups of three and four": "212 555 0142 ",
    "digits and lines": "12345\n",
    "plus signs": "+1",
    "brackets": "(12) ",
    "letters and digits": "A1",
    "parts": "A1-A1/",
    "IBAN beginnings": "DE89",
    "IBAN in groups": "DE89 3704 ",
    "@": "@",
    "address without end": "a@b.",
    "address with (at)": "a (at) b",
    "colons": "a:",
    "hexadecimal colons": "12:",
    "dots": "1.1.1.",
    "degrees": "48.858N",
    "percent": "%41",
    "percent signs": "%",
    "backslashes": "\\u00",
    "entities": "&#52;",
    "base64": "NDExMSAx",
    "hexadecimal": "34 31 ",
    "number words": "one ",
    "labels": "card ",
    "labels and numbers": "card 123456 ",
    "assignments": "password: ",
    "zero-width": "4\u200b",
    "marks": "a\u0301",
    "lookalikes": "a\u0430",
    "full-width": "\uff14",
    "CJK": "\u53f7\u7801",
}


def marked(name: str) -> dict[str, Any]:
    """Recall by type and F2 on one file of the marked texts."""
    rows = json.loads(gzip.decompress((DATA / "presidio_synth" / name).read_bytes()))
    hits: Counter[str] = Counter()
    spans: Counter[str] = Counter()
    wrong = right = 0
    for row in rows:
        found = scan(row["full_text"])
        for span in row["spans"]:
            if span["entity_type"] in SUPPORTED:
                start, end = span["start_position"], span["end_position"]
                covered = {at for one in found for at in range(max(one.start, start), min(one.end, end))}
                spans[span["entity_type"]] += 1
                hits[span["entity_type"]] += len(covered) >= COVERED * (end - start)
        for one in found:
            touched = {
                s["entity_type"]
                for s in row["spans"]
                if one.start < s["end_position"] and s["start_position"] < one.end
            }
            right += bool(touched & {*SUPPORTED, "US_DRIVER_LICENSE"})
            wrong += not touched & {*SUPPORTED, "US_DRIVER_LICENSE"}
    precision, recall = right / (right + wrong), sum(hits.values()) / sum(spans.values())
    return {
        "texts": len(rows),
        "recall": {kind: {"hits": hits[kind], "spans": spans[kind]} for kind in SUPPORTED},
        "precision": precision,
        "f2": 5 * precision * recall / (4 * precision + recall),
        "wrong": wrong,
    }


def harmless() -> dict[str, Any]:
    """Texts of ordinary requests with any finding."""
    texts: list[str] = []
    for part in ("train", "test"):
        raw = gzip.decompress((DATA / "banking77" / f"{part}.csv.gz").read_bytes()).decode()
        texts += [row["text"] for row in csv.DictReader(io.StringIO(raw))]
    splits = json.loads(gzip.decompress((DATA / "clinc150" / "data_full.json.gz").read_bytes()))
    texts += [text for rows in splits.values() for text, _ in rows]
    flagged = [text for text in texts if scan(text)]
    rate = wilson(len(flagged), len(texts))
    return {"texts": len(texts), "flagged": flagged, "rate": [rate.value, rate.ci_low, rate.ci_high]}


def evasions(value: str) -> dict[str, str]:
    """Fifteen ways of writing a number."""
    digits = [character for character in value if character.isdigit()]
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return {
        "plain": value,
        "full-width": "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in value),
        "Arabic-Indic": "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in value),
        "zero-width": "\u200b".join(value),
        "non-breaking": value.replace("-", "\u2011").replace(" ", "\u00a0"),
        "newline": f"{value[: len(value) // 2]}\n{value[len(value) // 2 :]}",
        "spaced": " ".join(digits),
        "dots or slashes": value.replace("-", ".").replace(" ", "/"),
        "underscores": value.replace("-", "_").replace(" ", "_"),
        "JSON escapes": "".join(f"\\u{ord(c):04x}" for c in value),
        "URL-encoded": "".join(f"%{ord(c):02x}" for c in value),
        "base64": base64.b64encode(value.encode()).decode(),
        "number words": " ".join(names[int(c)] for c in digits),
        "unlabelled": "".join(digits),
        "glued": f"x{''.join(digits)}y",
    }


def evaded() -> dict[str, Any]:
    """How many of the fifteen are seen, and which are not."""
    result = {}
    for name, value, label in (("ssn", "536-90-4399", "my ssn is "), ("card", "4111 1111 1111 1111", "my card is ")):
        seen = {
            how: bool(scan(f"{'' if how == 'unlabelled' else label}{written} thanks"))
            for how, written in evasions(value).items()
        }
        result[name] = {
            "seen": sum(seen.values()),
            "of": len(seen),
            "missed": [how for how, hit in seen.items() if not hit],
        }
    return result


def more_evasions(value: str) -> dict[str, str]:
    """More ways of writing a value."""
    cyrillic = str.maketrans(
        "aeopcxyABEKMHOPCTX",
        "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425",
    )
    greek = str.maketrans(
        "ABEZHIKMNOPTYXov",
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03bd",
    )
    return {
        "Cyrillic letters": value.translate(cyrillic),
        "Greek letters": value.translate(greek),
        "combining strokes": "".join(c + "\u0336" for c in value),
        "combining accents": "".join(c + "\u0301" for c in value),
        "enclosing circles": "".join(c + "\u20dd" for c in value),
        "right-to-left marks": "\u200f".join(value),
        "joiners": "\u200d".join(value),
        "joiners and Cyrillic": "\u200d".join(value.translate(cyrillic)),
        "fillers": "\u3164".join(value),
        "tags": "\U000e0041".join(value),
        "mathematical digits": "".join(chr(0x1D7CE + int(c)) if c.isdigit() else c for c in value),
        "Devanagari digits": "".join(chr(0x966 + int(c)) if c.isdigit() else c for c in value),
        "code points": "".join(f"\\u{{{ord(c):x}}}" for c in value),
    }


def evaded_more() -> dict[str, list[str]]:
    """By kind of value, the further ways that hide it."""
    samples = {
        "card": "4111 1111 1111 1111",
        "iban": "DE89 3704 0044 0532 0130 00",
        "email": "jo.doe@mail.example.org",
        "us_ssn": "536-90-4399",
    }
    return {
        kind: [
            how
            for how, written in more_evasions(value).items()
            if kind not in {one.type for one in scan(f"please use {written} for it")}
        ]
        for kind, value in samples.items()
    }


def sources(rng: random.Random) -> Iterator[tuple[str, str, Iterator[str]]]:
    """(kind, label before the value, values) of everything that is looked for, by type and country or issuer."""
    for scheme in values.SCHEMES:
        yield f"card, {scheme}", "", values.cards(rng, scheme)
    for country in values.iban_countries():
        yield f"IBAN, {country}", "", values.ibans(rng, country)
    for kind, (_, label) in values.STATES.items():
        yield f"number of a state, {kind}", f"{label}: ", values.state_numbers(rng, kind)
    for country, (forms, label) in values.PASSPORTS.items():
        for form in forms:
            yield f"passport, {country} {form}", f"{label} ", (values.filled(form, rng) for _ in range(DRAWN))
    yield "health, NPI", "NPI ", values.npis(rng)
    yield "health, DEA", "", values.deas(rng)
    yield "health, MBI", "", values.mbis(rng)
    yield "health, MRN", "MRN ", (values.filled("00000000", rng) for _ in range(DRAWN))
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for form, number, labelled in values.phones(region):
            yield f"phone {form}, {region}", "my phone is " if labelled else "", iter([number])
    yield "e-mail", "", values.emails(rng)
    yield "IPv4", "", values.addresses(rng, 4)
    yield "IPv6", "", values.addresses(rng, 6)
    yield "coordinates", "", values.coordinates(rng)
    for issuer in values.SECRETS:
        yield f"secret, {issuer}", "", values.secrets(rng, issuer)


def by_value(*, seed: int = 1) -> dict[str, list[int]]:
    """Hits and values of each kind."""
    result: dict[str, list[int]] = {}
    for kind, label, drawn in sources(random.Random(seed)):
        hits = made = 0
        for value in itertools.islice(drawn, DRAWN):
            text = f"Hello, {label}{value} thank you"
            start = text.index(value, len("Hello, ") + len(label))
            made += 1
            hits += is_covered(scan(text), start, start + len(value))
        result[kind] = [hits, made]
    return result


def is_covered(found: list[Found], start: int, end: int) -> bool:
    """Whether nine tenths of a span are in findings."""
    covered = {at for one in found for at in range(max(one.start, start), min(one.end, end))}
    return len(covered) >= COVERED * (end - start)


def by_language() -> dict[str, list[int]]:
    """Hits and sentences of each language."""
    result: dict[str, list[int]] = {}
    for language, text, number in sentences():
        start = text.index(number)
        counts = result.setdefault(language, [0, 0])
        counts[0] += is_covered(scan(text), start, start + len(number))
        counts[1] += 1
    return result


def own_texts() -> dict[str, Any]:
    """Recall by type, and the share of findings that touch a value, on the texts that were not looked at."""
    hits: Counter[str] = Counter()
    spans: Counter[str] = Counter()
    right = wrong = 0
    looked_for = ("card", "iban", "email", "phone", "ssn", "ip")
    for text, marks in texts(TEXTS):
        found = scan(text)
        marks_found = [mark for mark in marks if mark[0] in looked_for]
        for kind, start, end in marks_found:
            spans[kind] += 1
            hits[kind] += is_covered(found, start, end)
        for one in found:
            touched = any(one.start < end and start < one.end for _, start, end in marks_found)
            right, wrong = right + touched, wrong + (not touched)
    precision, recall = right / (right + wrong), sum(hits.values()) / sum(spans.values())
    return {
        "texts": TEXTS,
        "recall": {kind: {"hits": hits[kind], "spans": spans[kind]} for kind in looked_for},
        "precision": precision,
        "f2": 5 * precision * recall / (4 * precision + recall),
    }


def growth() -> dict[str, float]:
    """How much longer a megabyte takes than 100 KB, in processor time; the better of two runs of each."""
    result = {}
    for name, unit in HOSTILE.items():
        taken = []
        for size in (100_000, 1_000_000):
            text = (unit * (size // len(unit) + 1))[:size]
            runs = []
            for _ in range(2):
                begun = time.process_time()
                scan(text)
                runs.append(time.process_time() - begun)
            taken.append(min(runs))
        result[name] = taken[1] / taken[0]
    return result


def speed() -> dict[str, float]:
    """Milliseconds per 1,000 characters."""
    splits = json.loads(gzip.decompress((DATA / "clinc150" / "data_full.json.gz").read_bytes()))
    prose = " ".join(text for text, _ in splits["train"])
    german = "Die \u00dcbertragung meiner Daten l\u00e4uft nicht, k\u00f6nnen Sie mir bitte weiterhelfen? "
    with gzip.open(DATA / "traffic" / "support_30d.jsonl.gz", "rt", encoding="utf-8") as lines:
        logged = [json.loads(line)["request"]["messages"] for line in itertools.islice(lines, 400)]
    prompts = "\n".join(str(message["content"]) for messages in logged for message in messages)
    samples = {
        "ordinary text, 1,000": prose[:1000],
        "prompts of the traffic log, 500,000": prompts[:500_000],
        "ordinary text, 10,000": prose[:10_000],
        "ordinary text, 600,000": prose[:600_000],
        "German, 1,000": (german * 20)[:1000],
        "text with numbers, 1,000": ("call 555-0199 about order 99381 of 2024-05-01, card 4111 1111 1111 1112; " * 20)[
            :1000
        ],
        "pairs of digits, 1,000": ("12 34 56 78 " * 90)[:1000],
        "groups of four, 1,000": ("4111 1111 1111 1112 " * 60)[:1000],
        "groups of four, 100,000": ("4111 1111 1111 1112 " * 6000)[:100_000],
        "single digits, 1,000": ("1 2 3 4 5 6 7 8 9 0 " * 60)[:1000],
        "letters and digits, 1,000": ("a1b2c3d4e5f6 " * 90)[:1000],
        "@, 100,000": "@" * 100_000,
        "colons, 100,000": "a:" * 50_000,
    }
    result = {}
    for name, text in samples.items():
        scan(text)
        times = []
        for _ in range(max(5, 20_000 // len(text))):
            begun = time.process_time()
            scan(text)
            times.append(time.process_time() - begun)
        result[name] = statistics.median(times) * 1e6 / len(text)
    return result


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="What the detectors find, miss and take.")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not (DATA / "presidio_synth").exists():
        sys.exit(f"skipped: {DATA / 'presidio_synth'} is not there; set TIERWRIGHT_DATA")
    found = {
        "development: generated_large": marked("generated_large.json.gz"),
        "development: synth_dataset_v2": marked("synth_dataset_v2.json.gz"),
        "own texts": own_texts(),
        "values": by_value(),
        "labels": by_language(),
        "harmless": harmless(),
        "evasion": evaded(),
        "more evasion, missed": evaded_more(),
        "ms per 1,000 characters": speed(),
        "1 MB to 100 KB": growth(),
    }
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one process")
    for name in ("development: generated_large", "development: synth_dataset_v2", "own texts"):
        part = found[name]
        recalls = ", ".join(f"{kind} {r['hits']}/{r['spans']}" for kind, r in part["recall"].items())
        print(f"{name}, n={part['texts']:,}: {recalls}; precision {part['precision']:.3f}, F2 {part['f2']:.3f}")
    rate = found["harmless"]["rate"]
    print(
        f"false flags: {100 * rate[0]:.3f} % [{100 * rate[1]:.3f}, {100 * rate[2]:.3f}], "
        f"n={found['harmless']['texts']:,}"
    )
    for text in found["harmless"]["flagged"][:20]:
        print(f"  {text}")
    for name, part in found["evasion"].items():
        print(f"evasion, {name}: {part['seen']} of {part['of']}, missed: {', '.join(part['missed']) or 'none'}")
    for kind, missed in found["more evasion, missed"].items():
        print(f"evasion, {kind}: {len(more_evasions('1')) - len(missed)} of {len(more_evasions('1'))} more, {missed}")
    for language, (hits, made) in found["labels"].items():
        print(f"labels, {language:12} {hits} of {made}")
    _print_values(found["values"])
    for name, value in found["ms per 1,000 characters"].items():
        print(f"{name:26} {value:.3f} ms per 1,000 characters")
    for name, value in found["1 MB to 100 KB"].items():
        print(f"{name:26} a megabyte takes {value:.1f} times what 100 KB takes")


def _print_values(by_kind: dict[str, list[int]]) -> None:
    """A line for each kind with countries or issuers together, and one for each that is not found whole."""
    together: dict[str, list[list[int]]] = {}
    for kind, counts in by_kind.items():
        together.setdefault(kind.split(",")[0] if "labelled," not in kind else kind.rsplit(",", 1)[0], []).append(
            counts
        )
    for kind, parts in together.items():
        hits, made = sum(hits for hits, _ in parts), sum(made for _, made in parts)
        rate = wilson(hits, made)
        print(
            f"{kind:30} {hits:5} of {made:5} in {len(parts):3} kinds: {rate.value:.3f} "
            f"[{rate.ci_low:.3f}, {rate.ci_high:.3f}]"
        )
    for kind, (hits, made) in by_kind.items():
        if hits < made:
            print(f"  {kind}: {hits} of {made}")


if __name__ == "__main__":
    main()
