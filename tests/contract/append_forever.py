"""Appends batches to a store until it is killed; says on standard output which ones were acknowledged."""

from __future__ import annotations

import itertools
import sys

from tests.fakes import inferences
from tierwright.store.connection import open_store

#: Inferences in a batch.
BATCH = 40


def main(url: str) -> None:
    """Prints a batch's number as soon as its append has returned."""
    store = open_store(url)
    for number in itertools.count():
        store.append(inferences(BATCH, prefix=f"{number:06d}"))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
