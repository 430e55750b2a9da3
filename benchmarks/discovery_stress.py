"""Discovery on prompts unlike the shared log's: other languages, notations and data, generic system messages.

    python benchmarks/discovery_stress.py [--seeds 1 2] [--requests 300] [--explain] [--json]

Ten tasks of the data kit's other sets (xsid in Danish and English, arbanking77, textclass in Spanish and Chinese,
e2e_nlg, wnut17, gitbugs of VS Code) and a long tail (self_instruct), every task with a prompt in a style of its own:
two tasks behind one generic system message in Danish, two behind one application's shared prompt, Arabic, Spanish and
Chinese, XML tags, the input inside JSON. `--requests` is the number of each task. Prints the same figures as
discovery_variations.py.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import sys
from typing import TYPE_CHECKING, Any

from discovery_variations import DATA, LONG_TAIL, score

if TYPE_CHECKING:
    from collections.abc import Callable

Pair = tuple[str, str]
_DANISH = "Du er en hjælpsom assistent. Svar kort og venligt på dansk."
_TRACKER = (
    "You are part of the automation behind an issue tracker. The maintainers read what you say; be brief and exact."
)


def _rows(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as lines:
        csv.field_size_limit(1 << 24)
        return list(csv.DictReader(io.StringIO(lines.read())))


def _lines(name: str) -> list[str]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        return lines.read().splitlines()


def _xsid(language: str) -> list[Pair]:
    stem = {"da": "xsid/da_mt_train", "en": "xsid/en_train"}[language]
    texts, labels = _lines(f"{stem}_text.txt.gz"), _lines(f"{stem}_label.txt.gz")
    return [(text, label.split()[-1]) for text, label in zip(texts, labels, strict=False) if text and label]


def _entities() -> list[Pair]:
    pairs, words, found = [], [], []
    for line in [*_lines("wnut17/wnut17train.conll.gz"), ""]:
        token, _, tag = line.partition("\t")
        if not token.strip():
            if words:
                pairs.append((" ".join(words), json.dumps([" ".join(span) for span in found], ensure_ascii=False)))
            words, found = [], []
            continue
        words.append(token)
        if tag.startswith("B"):
            found.append([token])
        elif tag.startswith("I") and found:
            found[-1].append(token)
    return pairs


def _issues(label: Callable[[dict[str, str]], str]) -> list[Pair]:
    rows = _rows("gitbugs/multilingual_vscode_translated.csv.gz")
    return [(f"{row['title']}\n{row['body'][:800]}", label(row)) for row in rows if row["title"]]


def tasks() -> dict[str, tuple[list[Pair], Callable[[str], list[tuple[str, str]]]]]:
    """Of each task: inputs with answers, and what makes messages of an input."""
    danish, english = _xsid("da"), _xsid("en")
    arabic = [(row["text"], row["label"]) for row in _rows("arbanking77/Banking77_Arabized_MSA_PAL_train.csv.gz")]
    toxic = {name: _rows(f"textclass/toxicity_{name}__train.csv.gz") for name in ("ES", "ZH")}
    prose = [(row["mr"], row["ref"]) for row in _rows("e2e_nlg/devset.csv.gz")]
    return {
        "hensigt": (
            danish,
            lambda x: [("system", _DANISH), ("user", f"Hvilken hensigt har brugeren med denne besked?\n\n{x}")],
        ),
        "reminder": (
            [(text, "ja" if "reminder" in label or "alarm" in label else "nej") for text, label in danish],
            lambda x: [("system", _DANISH), ("user", f"{x}\n\nHandler det om en alarm eller påmindelse? ja/nej")],
        ),
        "command": (
            english,
            lambda x: [("user", f"<intents>weather alarm reminder</intents>\n<utterance>{x}</utterance>")],
        ),
        "arabic": (
            arabic,
            lambda x: [
                ("system", "أنت مساعد مفيد. أجب بإيجاز ودقة."),
                ("user", f"ما هي نية عميل البنك في الرسالة التالية؟\n{x}"),
            ],
        ),
        "toxic-es": (
            [(row["text"], ("no", "sí")[row["gold"] == "1"]) for row in toxic["ES"]],
            lambda x: [("user", f"¿Es tóxico este comentario? Responde sí o no.\n{x}")],
        ),
        "toxic-zh": (
            [(row["text"], ("否", "是")[row["gold"] == "1"]) for row in toxic["ZH"]],
            lambda x: [("user", f"判断下面的评论是否有毒,只回答是或否。\n评论:{x}")],
        ),
        "restaurant": (
            prose,
            lambda x: [("user", f"## Task\nDescribe the restaurant in one or two sentences.\n## Facts\n{x}")],
        ),
        "entities": (
            _entities(),
            lambda x: [("user", json.dumps({"do": "list the named entities as a JSON array", "post": x}))],
        ),
        "language": (
            _issues(lambda row: row["src_lang"] or "unknown"),
            lambda x: [("system", _TRACKER), ("user", f"Language code of this report:\n{x}")],
        ),
        "open-closed": (
            _issues(lambda row: row["state_reason"] or row["state"]),
            lambda x: [("system", _TRACKER), ("user", f"Report:\n{x}\n\nHow will it be closed? One word.")],
        ),
    }


def log(size: int, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """(task, record) of that many requests of each task, mixed, and the long tail."""
    rng = random.Random(seed)
    made: list[tuple[str, list[tuple[str, str]], str]] = []
    for name, (pairs, messages) in tasks().items():
        distinct = list({text: (text, answer) for text, answer in pairs}.values())
        made += [(name, messages(text), said) for text, said in rng.sample(distinct, min(size, len(distinct)))]
    for line in _lines("self_instruct/seed_tasks.jsonl.gz"):
        row = json.loads(line)
        case = row["instances"][0]
        system = [("system", _DANISH)] if rng.random() < 1 / 3 else []
        asked = f"{row['instruction']}\n{case['input']}".strip()
        made.append((LONG_TAIL, [*system, ("user", asked)], case["output"] or "-"))
    rng.shuffle(made)
    return [
        (
            name,
            {
                "timestamp": 1756684940.0 + 60 * number,
                "client_id": "c",
                "request": {"model": "gpt-4o", "messages": [{"role": r, "content": text} for r, text in messages]},
                "response": {
                    "id": f"chatcmpl-{number}",
                    "object": "chat.completion",
                    "model": "gpt-4o",
                    "choices": [
                        {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
                    ],
                },
            },
        )
        for number, (name, messages, said) in enumerate(made)
    ]


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Discovery on prompts of other kinds.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--explain", action="store_true", help="say which tasks are in several parts")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not (DATA / "xsid").exists():
        sys.exit(f"skipped: {DATA} is not there; set TIERWRIGHT_DATA")
    rows = [{"seed": seed, **score(log(given.requests, seed), explain=given.explain)} for seed in given.seeds]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"seed {row['seed']} n={row['requests']:,} tasks={row['tasks']} ARI={row['adjusted_rand_index']:.4f} "
            f"homogeneity={row['homogeneity']:.4f} completeness={row['completeness']:.4f} "
            f"long tail assigned={row['long_tail_assigned']}"
        )
        for line in row.get("parts", ()):
            print(f"    {line}")


if __name__ == "__main__":
    main()
