"""Looks for faults with atheris: python -m tests.fuzz.run NAME [CORPUS] [-max_total_time=300] [libFuzzer's options].

Without a name it says which there are. What it finds it writes into a file `crash-…`; named as an argument, that file
is run again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["tierwright"]):
    from tests.fuzz.catalogue import HARNESSES

from tests.fuzz.mutation import mutated


def main(name: str, options: list[str]) -> None:
    """Runs one harness until its time is over, or it has found something."""
    harness = HARNESSES[name]

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        # What follows coverage goes about in its own way half of the time, and in ours, which knows JSON, the other.
        if random.random() < 0.5:
            return atheris.Mutate(data, most)
        return mutated(data, random, random.choice(harness.seeds))[:most]

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(harness.seeds):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        given = [option for option in options if not option.startswith("-")]
        arguments = [name, *(option for option in options if option.startswith("-")), *(given or [folder])]
        atheris.Setup(arguments, harness.check, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in HARNESSES:
        sys.exit(f"name one of: {', '.join(HARNESSES)}")
    main(sys.argv[1], sys.argv[2:])
