"""Text of strangers, on its way to a terminal or a log."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """At most so many characters of a text, the last a mark where some were left out."""
    return text if len(text) <= most else text[: most - 1] + "…"


def printable(text: str, most: int | None = None) -> str:
    """The text in one line, at most so many characters of it, with what a terminal could obey escaped as in Python.

    That is everything `str.isprintable` says no to: control characters of both sets, line ends, marks that turn the
    direction of writing, halves of surrogate pairs.
    """
    cut = text if most is None else shortened(text, most)
    if cut.isprintable():
        return cut
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in cut
    )
