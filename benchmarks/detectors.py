"""What the detectors of personal data find, miss and flag wrongly, and how long they take.

    python benchmarks/detectors.py [--json]

- `presidio_synth` by type: a hit is a span of which 90 % of the characters are covered by findings of any type. The
  larger file was looked at while the rules were written; `synth_dataset_v2`, whose templates differ, was only scored.
  F2 over the types that are supported: precision counts the findings that touch no span of any type, but for people's
  places and dates, which are not looked for. Published for Presidio on `synth_dataset_v2`, all types: F2 0.618 as
  shipped, 0.845 tuned; cards 0.772, phones 0.554 (its recall on these types with patterns only).
- False flags: texts of Banking77 and CLINC150 with any finding; the flagged texts are printed to be judged by eye.
- Evasion: fifteen ways of writing a social security number and a card, each with the label before it.
- Numbers of states: random ones that python-stdnum calls valid, 100 of each kind, after a label in the country's
  language; recall with its interval (Wilson).
- Milliseconds of processor time per 1,000 characters, median of repeats; and of texts up to a megabyte.
"""

from __future__ import annotations

import argparse
import base64
import csv
import gzip
import io
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from tierwright.privacy.detector import scan
from tierwright.stats.intervals import wilson

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: Types of the set that the detectors look for.
SUPPORTED = ("CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "US_SSN", "PHONE_NUMBER", "IP_ADDRESS")
COVERED = 0.9
#: Kinds of numbers: how many digits, or a form, and a label.
KINDS = {
    "us.ssn": ("9", "social security number"),
    "us.itin": ("9", "ITIN"),
    "us.rtn": ("9", "routing number"),
    "ca.sin": ("9", "social insurance number"),
    "gb.nhs": ("10", "NHS number"),
    "de.idnr": ("11", "Steuer-ID"),
    "fr.nir": ("15", "num\u00e9ro de s\u00e9curit\u00e9 sociale"),
    "es.dni": ("8L", "DNI"),
    "es.nie": ("X7L", "NIE"),
    "it.codicefiscale": ("LLLLLL00L00L000L", "codice fiscale"),
    "nl.bsn": ("9", "BSN"),
    "be.nn": ("11", "rijksregister"),
    "at.vnr": ("10", "Sozialversicherungsnummer"),
    "ch.ssn": ("13", "AHV"),
    "pt.nif": ("9", "NIF"),
    "pl.pesel": ("11", "PESEL"),
    "cz.rc": ("10", "rodn\u00e9 \u010d\u00edslo"),
    "hr.oib": ("11", "OIB"),
    "bg.egn": ("10", "\u0415\u0413\u041d"),
    "ro.cnp": ("13", "CNP"),
    "dk.cpr": ("10", "CPR"),
    "se.personnummer": ("10", "personnummer"),
    "no.fodselsnummer": ("11", "f\u00f8dselsnummer"),
    "fi.hetu": ("6-3L", "hetu"),
    "ee.ik": ("11", "isikukood"),
    "gr.amka": ("11", "AMKA"),
    "tr.tckimlik": ("11", "TC kimlik"),
    "za.idnr": ("13", "ID number"),
    "in_.aadhaar": ("12", "Aadhaar"),
    "in_.pan": ("LLLPL0000L", "PAN"),
    "br.cpf": ("11", "CPF"),
    "mx.curp": ("LLLL000000HLLLLL00", "CURP"),
    "ar.cuit": ("11", "CUIT"),
    "cl.rut": ("9", "RUT"),
    "cn.ric": ("18", "\u8eab\u4efd\u8bc1"),
    "kr.rrn": ("13", "\uc8fc\ubbfc\ub4f1\ub85d\ubc88\ud638"),
    "au.tfn": ("9", "TFN"),
    "il.idnr": ("9", "teudat zehut"),
    "id.nik": ("16", "NIK"),
    "th.pin": ("13", "ID card"),
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


def random_number(form: str, rng: random.Random) -> str:
    """A number of some digits, or of a form: digits for 0, letters for L and themselves else."""
    if form.isdigit() and not form.startswith("0"):
        return "".join(rng.choice("0123456789") for _ in range(int(form)))
    made = (
        form.replace("X7L", rng.choice("XYZ") + "0" * 7 + "L")
        .replace("8L", "0" * 8 + "L")
        .replace("6-3L", "000000-000L")
    )
    swap = {"0": "0123456789", "L": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    return "".join(rng.choice(swap[c]) if c in swap else c for c in made)


def states(count: int = 100, *, seed: int = 1) -> dict[str, list[int]]:
    """Hits and numbers of each kind."""
    result = {}
    for kind, (form, label) in KINDS.items():
        module, rng = import_module(f"stdnum.{kind}"), random.Random(f"{seed}{kind}")
        hits = made = tries = 0
        while made < count and tries < 3_000_000:
            tries += 1
            number = random_number(form, rng)
            try:
                if not module.is_valid(number):
                    continue
            except Exception:  # noqa: BLE001 - some checks fail on random input
                continue
            made += 1
            text = f"Hello, {label}: {number}, thank you"
            start = text.index(number)
            hits += any(one.start <= start and one.end >= start + len(number) for one in scan(text))
        result[kind] = [hits, made]
    return result


def speed() -> dict[str, float]:
    """Milliseconds per 1,000 characters."""
    splits = json.loads(gzip.decompress((DATA / "clinc150" / "data_full.json.gz").read_bytes()))
    prose = " ".join(text for text, _ in splits["train"])
    german = "Die \u00dcbertragung meiner Daten l\u00e4uft nicht, k\u00f6nnen Sie mir bitte weiterhelfen? "
    texts = {
        "ordinary text, 1,000": prose[:1000],
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
    for name, text in texts.items():
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
        "developed on: generated_large": marked("generated_large.json.gz"),
        "scored: synth_dataset_v2": marked("synth_dataset_v2.json.gz"),
        "harmless": harmless(),
        "evasion": evaded(),
        "states": states(),
        "ms per 1,000 characters": speed(),
    }
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one process")
    for name in ("developed on: generated_large", "scored: synth_dataset_v2"):
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
    for kind, (hits, made) in found["states"].items():
        print(f"{kind:18} {hits} of {made}")
    for name, value in found["ms per 1,000 characters"].items():
        print(f"{name:26} {value:.3f} ms per 1,000 characters")


if __name__ == "__main__":
    main()
