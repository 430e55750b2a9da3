"""How well jobs that are put in free words are found in a long tail, and how often a group is seen where there is none.

    python benchmarks/groups.py [--data DIRECTORY] [--encoder DIRECTORY] [--seeds 3] [--json]

The long tail is what the data kit has of it: instructions of `self_instruct` and role prompts of `awesome_prompts`.
Jobs are planted in it without any prompt, each alone and all at once: Banking77 questions answered with their intent;
CLINC150 requests, from ten domains, answered with theirs; tweets answered with one of three labels; passages of legal
documents with twelve ways of asking for a summary, answered freely. *Precision*: share of the requests in groups that
belong to their group's commonest job; a group of the long tail counts as wrong whole. *Recall*: share of the planted
requests that are in a group of their own job. Intervals are Clopper and Pearson's at 95 % over requests of all seeds,
which are not independent: they say how few requests there were, not how other data would do.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rig.classified import banking77, clinc150
from tierwright.core.chat import ChatRequest, Message
from tierwright.core.ids import InferenceId
from tierwright.curation.groups import find_groups
from tierwright.curation.observation import Observation
from tierwright.specialists.encoder import Encoder
from tierwright.stats.intervals import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
TAIL = "long tail"
Rows = list[tuple[str, str]]
ASKED = (
    "Summarise this for me: {}",
    "tl;dr please - {}",
    "{}\n\nWhat does that mean in plain English?",
    "Could you explain this clause? {}",
    "Give me the short version of {}",
    "In one sentence: {}",
    "What am I agreeing to here? {}",
    "{} -- shorten that",
    "I don't get this, help: {}",
    "Explain like I'm five: {}",
    "{}\nsimple words please",
    "Boil it down: {}",
)


def long_tail(data: Path) -> Rows:
    """Requests that have nothing in common; role prompts have no answers, and get one placeholder."""
    found: Rows = []
    for name in ("seed_tasks", "user_oriented_instructions"):
        with gzip.open(data / "self_instruct" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                given = row["instances"][0]
                found.append((f"{row['instruction']}\n{given['input']}".strip(), given["output"]))
    with gzip.open(data / "awesome_prompts" / "prompts.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        found += [(row["prompt"], "(no answer)") for row in csv.DictReader(lines)]
    return found


def jobs(data: Path, rng: random.Random) -> dict[str, Rows]:
    """The planted jobs."""
    with gzip.open(data / "davidson_hate" / "labeled_data.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        tweets = [(row["tweet"], ("hate", "offensive", "neither")[int(row["class"])]) for row in csv.DictReader(lines)]
    passages: Rows = []
    for path in sorted((data / "legal_summarization").glob("*.json*")):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            passages += [(row["original_text"], row["reference_summary"]) for row in json.load(file).values()]
    return {
        "Banking77": rng.sample(banking77(data).train, 200),
        "CLINC150": rng.sample(clinc150(data, taught=False).train, 200),
        "tweets": rng.sample(tweets, 100),
        "summaries": [(rng.choice(ASKED).replace("{}", text), said) for text, said in rng.sample(passages, 90)],
    }


def asked(rows: Rows) -> list[Observation]:
    """The rows as bare requests; the id says which row it was."""
    return [
        Observation(
            id=InferenceId(str(number)),
            at=float(number),
            request=ChatRequest(model="m", messages=(Message(role="user", text=text),)),
            answer=answer,
        )
        for number, (text, answer) in enumerate(rows)
    ]


class Remembering:
    """An encoder that is asked once for each text."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The embeddings."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        if missing:
            self._known.update(zip(missing, self._encoder.embed(missing), strict=True))
        return np.stack([self._known[text] for text in texts])


def measure(tail: Rows, planted: dict[str, Rows], embed: Remembering | None, seed: int) -> dict[str, Counter[str]]:
    """Requests in groups of the right job, in groups in all, and planted, by job."""
    names = [TAIL] * len(tail) + [name for name, rows in planted.items() for _ in rows]
    observations = asked([*tail, *(row for rows in planted.values() for row in rows)])
    right: Counter[str] = Counter()
    grouped: Counter[str] = Counter()
    for group in find_groups(observations, seed=seed, embed=embed):
        held = Counter(names[int(member.id)] for member in group.members)
        name, count = held.most_common(1)[0]
        grouped[name] += len(group.members)
        right[name] += 0 if name == TAIL else count
    return {"right": right, "grouped": grouped, "planted": Counter(names)}


def share(hits: int, n: int) -> dict[str, Any] | None:
    """A share with its interval."""
    if not n:
        return None
    found = clopper_pearson(hits, n)
    return {"value": found.value, "ci_low": found.ci_low, "ci_high": found.ci_high, "n": n}


def table(data: Path, embed: Remembering | None, seeds: int) -> Iterator[dict[str, Any]]:
    """One row for each planted job alone, for none, and for all at once."""
    tail = long_tail(data)
    names = list(jobs(data, random.Random(0)))
    for label, wanted in (("none", []), *((name, [name]) for name in names), ("all at once", names)):
        total = {key: Counter[str]() for key in ("right", "grouped", "planted")}
        for seed in range(1, seeds + 1):
            drawn = jobs(data, random.Random(seed))
            for key, found in measure(tail, {name: drawn[name] for name in wanted}, embed, seed).items():
                total[key].update(found)
        right = sum(total["right"].values())
        yield {
            "planted": label,
            "precision": share(right, sum(total["grouped"].values())),
            "recall": share(right, sum(total["planted"][name] for name in wanted)),
            "long_tail_in_own_groups": share(total["grouped"][TAIL], total["planted"][TAIL]),
        }


def told(found: dict[str, Any] | None) -> str:
    """A share as it is printed."""
    if found is None:
        return f"{'-':>26}"
    text = f"{100 * found['value']:.1f} [{100 * found['ci_low']:.1f}, {100 * found['ci_high']:.1f}] n={found['n']}"
    return f"{text:>26}"


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="How well jobs in free words are found.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", type=Path, default=Path.home() / ".cache/tierwright/weights/all-MiniLM-L6-v2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not (given.data / "self_instruct").is_dir():
        sys.exit(f"skipped: {given.data} holds no data kit; set TIERWRIGHT_DATA or give --data")
    ways: dict[str, Remembering | None] = {"n-grams": None}
    if (given.encoder / "encoder.json").exists():
        ways["embeddings"] = Remembering(Encoder.load(given.encoder, threads=2))
    found: dict[str, list[dict[str, Any]]] = {}
    for name, embed in ways.items():
        found[name] = []
        if not given.json:
            print(f"{name}: % [95 % interval], {given.seeds} seeds")
            print(f"{'planted':<12}{'precision':>26}{'recall':>26}{'long tail in own groups':>26}", flush=True)
        for row in table(given.data, embed, given.seeds):
            found[name].append(row)
            if not given.json:
                shown = (told(row[key]) for key in ("precision", "recall", "long_tail_in_own_groups"))
                print(f"{row['planted']:<12}{''.join(shown)}", flush=True)
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
