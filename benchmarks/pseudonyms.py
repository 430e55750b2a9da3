"""What it takes to put tokens in the place of values, and values in the place of tokens.

    python benchmarks/pseudonyms.py [--repeat 5] [--json]

Ordinary English words with addresses and cards strewn among them, as the one message of a chat; one process, one
thread. Times are the best of all repeats: looking (the detectors, as often as a text is looked at), all the rest of
replacing, and restoring a whole answer and one that arrives in pieces of four characters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from tierwright.privacy.detector import scan
from tierwright.privacy.pseudonyms import Pseudonyms
from tierwright.privacy.replacing import replaced
from tierwright.privacy.restoring import Channel, Restorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.privacy import Found

#: Characters of a text, and values in it.
SIZES: Final = ((1_000, 3), (10_000, 20), (100_000, 200), (100_000, 1_000), (1_000_000, 1_000))
_SENTENCE: Final = "the order was sent to our customer who asked about a refund and the delivery date"
_PIECE: Final = 4


def text_of(characters: int, values: int, random: Random) -> str:
    """Words with so many values among them."""
    known = _SENTENCE.split()
    words = [random.choice(known) for _ in range(characters // 6)]
    for number in range(values):
        value = f"user{number}@example{number % 7}.com" if number % 2 else f"card 4111 1111 1111 {number:04d}"
        words[random.randrange(len(words))] = value
    return " ".join(words)


def measured(text: str) -> dict[str, float]:
    """Milliseconds of each step, and how many values became tokens."""
    looking = 0.0

    async def look(texts: Sequence[str]) -> list[list[Found]]:
        nonlocal looking
        began = time.perf_counter()
        found = [scan(one) for one in texts]
        looking += time.perf_counter() - began
        return found

    began = time.perf_counter()
    result = asyncio.run(replaced({"messages": [{"role": "user", "content": text}]}, Pseudonyms(), look))
    replacing = time.perf_counter() - began - looking
    answer = result.payload["messages"][0]["content"]
    began = time.perf_counter()
    whole = Restorer(result.texts).text(answer)
    restoring = time.perf_counter() - began
    channel = Channel(Restorer(result.texts))
    began = time.perf_counter()
    pieces = [channel.feed(answer[at : at + _PIECE]) for at in range(0, len(answer), _PIECE)]
    streaming = time.perf_counter() - began
    assert "".join([*pieces, channel.close()]) == whole
    return {
        "values": len(result.texts),
        "looking_ms": looking * 1e3,
        "replacing_ms": replacing * 1e3,
        "restoring_ms": restoring * 1e3,
        "streaming_ms": streaming * 1e3,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    scan("warm up: alice@example.com")
    rows = []
    for characters, values in SIZES:
        text = text_of(characters, values, Random(1))
        runs = [measured(text) for _ in range(options.repeat)]
        rows.append({"characters": len(text)} | {name: round(min(run[name] for run in runs), 3) for name in runs[0]})
        if not options.json:
            print(" ".join(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
