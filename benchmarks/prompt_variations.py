"""Variations of prompts, made by a seeded generator, for benchmarks of discovery.

Owns what is varied and how: words, lists, examples, places, lengths, label sets. Knows no prompt: everything is done to
whatever text it is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

#: Share of the words of a prompt that rewording changes.
REWORDED = 0.2
#: What a word is reworded to where no other word of the prompt is taken.
_FILLERS = (
    "kindly", "thus", "below", "here", "each", "single", "given", "such", "exact", "relevant", "provided", "strictly",
    "following", "always", "just", "clearly", "one", "any", "whole", "proper", "now", "simply", "please", "also",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]{2,}")
_ITEM_LINE = re.compile(r"[ \t]*(?:[-*•]|\d+[.)])[ \t]+\S.*")
_COMMAS = re.compile(r"[^,:;.\n\"()]+(?:, [^,:;.\n\"()]+){2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The prompt around an input."""

    system: str
    head: str
    tail: str
    #: (user, assistant) turns before the last message.
    turns: tuple[tuple[str, str], ...] = ()
    #: Whether the input stands in the system message, at its end, and the user message is fixed.
    in_system: bool = False

    def messages(self, given: str) -> list[dict[str, str]]:
        """The messages of a request with this input."""
        if self.in_system:
            return [
                {"role": "system", "content": f"{self.system}{self.head}{given}"},
                {"role": "user", "content": self.tail},
            ]
        told = [{"role": "system", "content": self.system}] if self.system else []
        for asked, said in self.turns:
            told += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        return [*told, {"role": "user", "content": f"{self.head}{given}{self.tail}"}]


#: An input with its answer.
Pair = tuple[str, str]
#: Makes another wording of one; the pairs are there to make examples from.
Vary = "Callable[[Wording, Sequence[Pair], random.Random], Wording]"


def wording_of(messages: Sequence[Sequence[Mapping[str, str]]]) -> tuple[Wording, list[str]]:
    """The prompt that requests of one task and version share, and the input of each."""
    system = messages[0][0]["content"] if messages[0][0]["role"] == "system" else ""
    asked = [found[-1]["content"] for found in messages]
    head = _beginning(asked)
    tail = _beginning([text[::-1] for text in asked])[::-1]
    if head.startswith("{") or not _WORD.search(head):  # a JSON document is an input as a whole
        head, tail = "", ("" if head.startswith("{") else tail)
    if not (_WORD.search(tail) or "\n" in tail):
        tail = ""
    return Wording(system=system, head=head, tail=tail), [t[len(head) : len(t) - len(tail)] for t in asked]


def _beginning(texts: Sequence[str]) -> str:
    """What all the texts begin with."""
    first, last = min(texts), max(texts)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def reworded(wording: Wording, _pairs: Sequence[Pair], rng: random.Random, share: float = REWORDED) -> Wording:
    """A share of the words, over all pieces, dropped, replaced or followed by another word."""
    pieces = [wording.system, wording.head, wording.tail]
    places = [(n, m.start(), m.end()) for n, piece in enumerate(pieces) for m in _WORD.finditer(piece)]
    chosen = rng.sample(places, int(share * len(places)))
    for n, start, end in sorted(chosen, reverse=True):
        word, kind = pieces[n][start:end], rng.randrange(3)
        new = ("", rng.choice(_FILLERS), f"{word} {rng.choice(_FILLERS)}")[kind]
        pieces[n] = pieces[n][:start] + new + pieces[n][end:]
    return replace(wording, system=pieces[0], head=pieces[1], tail=pieces[2])


def reordered(wording: Wording, _pairs: Sequence[Pair], rng: random.Random) -> Wording:
    """Lists, one item a line or between commas, in another order."""

    def shuffled(text: str) -> str:
        lines, result, block = text.split("\n"), [], []
        for line in [*lines, ""]:
            if _ITEM_LINE.fullmatch(line):
                block.append(line)
                continue
            marks = [re.match(r"[ \t]*\S+[ \t]+", item)[0] for item in block]  # type: ignore[index]  # they all match
            bodies = [item[len(mark) :] for mark, item in zip(marks, block, strict=True)]
            rng.shuffle(bodies)
            result += [mark + body for mark, body in zip(marks, bodies, strict=True)]
            block = []
            result.append(line)
        text = "\n".join(result[:-1])
        return _COMMAS.sub(lambda found: _mixed(found[0], rng), text)

    return replace(wording, system=shuffled(wording.system), head=shuffled(wording.head), tail=shuffled(wording.tail))


def _mixed(items: str, rng: random.Random) -> str:
    found = items.split(", ")
    first = re.match(r"\s*", found[0])
    lead = first[0] if first else ""
    found[0] = found[0][len(lead) :]
    rng.shuffle(found)
    return lead + ", ".join(found)


def with_examples(wording: Wording, pairs: Sequence[Pair], rng: random.Random) -> Wording:
    """One to five examples, behind the instructions or as turns of the conversation."""
    chosen = rng.sample(list(pairs), min(len(pairs), rng.randint(1, 5)))
    place = rng.choice(("instructions", "turns", "user")) if wording.system else rng.choice(("user", "turns"))
    if place == "turns":
        return replace(wording, turns=tuple((f"{wording.head}{a}{wording.tail}", b) for a, b in chosen))
    form = rng.choice(("Input: {}\nOutput: {}", "Q: {}\nA: {}", '"{}" -> {}', "<example>\n{}\n=> {}\n</example>"))
    text = "Examples:\n" + "\n\n".join(form.format(*pair) for pair in chosen)
    if place == "instructions":
        return replace(wording, system=f"{wording.system}\n\n{text}")
    return replace(wording, head=f"{text}\n\n{wording.head or 'Now this one:' + chr(10)}")


def moved(wording: Wording, _pairs: Sequence[Pair], rng: random.Random) -> Wording:
    """The input before, behind or amid the instructions, these in the system or the user message."""
    told = "\n\n".join(piece.strip("\n") for piece in (wording.system, wording.head, wording.tail) if piece.strip())
    lines = told.split("\n")
    half = rng.randint(1, max(1, len(lines) - 1))
    first, second = "\n".join(lines[:half]), "\n".join(lines[half:])
    label = rng.choice(("Input:\n", "Text: ", "###\n", '"""\n', ""))
    layouts = (
        Wording(system="", head=f"{told}\n\n{label}", tail=""),
        Wording(system="", head=label, tail=f"\n\n{told}"),
        Wording(system="", head=f"{first}\n\n{label}", tail=f"\n\n{second}"),
        Wording(system=told, head=label, tail=""),
        Wording(system=told, head="", tail="\n\nAnswer:"),
        Wording(system=first, head=f"{second}\n\n{label}", tail=""),
        Wording(system=f"{told}\n\n", head=label or "Input:\n", tail="Answer now.", in_system=True),
    )
    return rng.choice(layouts)


def truncated(wording: Wording, _pairs: Sequence[Pair], rng: random.Random) -> Wording:
    """The longest piece cut to 50 to 90 %, at its end or its beginning."""
    name = max(("system", "head", "tail"), key=lambda one: len(getattr(wording, one)))
    text = getattr(wording, name)
    size = int(len(text) * rng.uniform(0.5, 0.9))
    at_end = rng.random() < 0.7
    cut = text[:size] if at_end else text[-size:]
    return replace(wording, **{name: cut + "\n" if name == "head" and at_end else cut})


def several(wording: Wording, pairs: Sequence[Pair], rng: random.Random) -> Wording:
    """Two or three of the variations, one after another."""
    for vary in rng.sample([moved, reworded, reordered, truncated], rng.randint(2, 3)):
        wording = vary(wording, pairs, rng)
    return with_examples(wording, pairs, rng) if rng.random() < 0.3 and not wording.in_system else wording


VARIATIONS = {
    "reworded": reworded,
    "reordered": reordered,
    "examples": with_examples,
    "moved": moved,
    "truncated": truncated,
    "several": several,
}


def renamed_labels(labels: Sequence[str], rng: random.Random, share: float) -> dict[str, str]:
    """Other names for a share of the labels."""
    chosen = rng.sample(sorted(labels), max(1, round(share * len(labels))))
    syllables = ["ka", "lo", "mi", "ru", "te", "so", "va", "ne", "pi", "du"]
    return {label: "".join(rng.choices(syllables, k=3)) + f" {n}" for n, label in enumerate(chosen)}


def replaced(text: str, names: Mapping[str, str]) -> str:
    """The text with names replaced, where they are no part of a longer word."""
    if not names:
        return text
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])(?:{alternatives})(?![\w-])", lambda found: names[found[0]], text)
