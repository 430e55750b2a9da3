r"""A small text grammar, which lets a page of phrases stand for a very large number of different sentences.

Owns the notation of `phrases/*.txt` and its expansion. Refuses to know what the phrases mean.

Notation: `[name]` opens a section, each further line is one alternative of it, a line that starts with `# ` none.
`[name, 1.2]` makes the alternatives less frequent the further down they stand, by the given power of their rank.
In a line `(a|b|)` is a choice, nested at will, `<name>` an alternative of that section or a bound value, `\d` a digit,
`\z` a digit that is not zero, `\n` a line break.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

_TOKEN = re.compile(r"\\[dzn]|<[A-Za-z0-9_.]+>|[(|)]|[^\\<(|)]+")
_HEADER = re.compile(r"\[([A-Za-z0-9_.]+)(?:, ([0-9.]+))?\]")
_SPACES = re.compile(r"[ \t]+")
_LOOSE_PUNCTUATION = re.compile(r"[ \t]+([,.!?;:])")
_DOUBLED = re.compile(r"([?!])[.,;]")
_DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[tuple[_Node, ...], ...]


_Node = str | _Slot | _Choice
_Rule = tuple[_Node, ...]


class GrammarError(ValueError):
    """A phrase file is malformed: says which file and line, and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """One sentence of the grammar, tidy: single spaces, none before punctuation."""

    #: The sentence.
    text: str
    #: (section, text) of every `<section>` that was expanded or bound on the way, in order of appearance.
    slots: tuple[tuple[str, str], ...]


class Grammar:
    """Sections of alternatives, parsed once, expanded as often as wanted."""

    def __init__(self, sections: Mapping[str, tuple[_Rule, ...]], skews: Mapping[str, float]) -> None:
        """Take parsed sections and their powers; `read` and `load` are the ways to get them."""
        self._sections = dict(sections)
        self._weights = {name: _weights(len(rules), skews.get(name, 0.0)) for name, rules in sections.items()}

    @classmethod
    def read(cls, *texts: tuple[str, str]) -> Grammar:
        """Parse (name, text) pairs in the notation above as one grammar; later texts add to earlier sections.

        Raises:
            GrammarError: with name and line, for an alternative outside a section or unbalanced brackets.

        """
        sections: dict[str, list[_Rule]] = {}
        skews: dict[str, float] = {}
        for name, text in texts:
            current: list[_Rule] | None = None
            for number, raw in enumerate(text.splitlines(), start=1):
                line = raw.strip()
                if not line or line.startswith("# ") or line == "#":
                    continue
                if header := _HEADER.fullmatch(line):
                    current = sections.setdefault(header[1], [])
                    skews[header[1]] = float(header[2] or 0.0)
                elif current is None:
                    raise GrammarError(f"{name}, line {number}: an alternative outside any [section]")
                else:
                    current.append(_parse(line, f"{name}, line {number}"))
        return cls({key: tuple(rules) for key, rules in sections.items()}, skews)

    @classmethod
    def load(cls, *names: str) -> Grammar:
        """Parse the named files of the package's `phrases` folder as one grammar."""
        folder = files("tierwright.app.demo").joinpath("phrases")
        return cls.read(*((f"{name}.txt", folder.joinpath(f"{name}.txt").read_text("utf-8")) for name in names))

    def sections(self, prefix: str = "") -> tuple[str, ...]:
        """Names of the sections that start with `prefix`, in the order of the file."""
        return tuple(name for name in self._sections if name.startswith(prefix))

    def undefined(self, *, bound: frozenset[str] = frozenset()) -> frozenset[str]:
        """Names of `<slots>` that are neither a section nor in `bound`: expanding them would fail."""
        wanted: set[str] = set()
        for rules in self._sections.values():
            for rule in rules:
                _collect(rule, wanted)
        return frozenset(wanted - self._sections.keys() - bound)

    def expand(self, section: str, rng: Random, bound: Mapping[str, str] | None = None) -> Expansion:
        """Draw one alternative of `section` and everything in it; `<name>` in `bound` gives the bound text.

        Raises:
            KeyError: a slot is neither a section nor bound.

        """
        pieces: list[str] = []
        slots: list[tuple[str, str]] = []
        self._write(self._draw(section, rng), rng, bound or {}, pieces, slots)
        return Expansion(text=tidy("".join(pieces)), slots=tuple((name, tidy(text)) for name, text in slots))

    def phrase(self, section: str, rng: Random, bound: Mapping[str, str] | None = None) -> str:
        """The text of `expand`."""
        return self.expand(section, rng, bound).text

    def _draw(self, section: str, rng: Random) -> _Rule:
        return rng.choices(self._sections[section], cum_weights=self._weights[section])[0]

    def _write(
        self, rule: _Rule, rng: Random, bound: Mapping[str, str], pieces: list[str], slots: list[tuple[str, str]]
    ) -> None:
        for node in rule:
            if isinstance(node, _Choice):
                self._write(rng.choice(node.options), rng, bound, pieces, slots)
            elif isinstance(node, _Slot):
                place, start = len(slots), len(pieces)
                slots.append((node.name, ""))
                if node.name in bound:
                    pieces.append(bound[node.name])
                else:
                    self._write(self._draw(node.name, rng), rng, bound, pieces, slots)
                slots[place] = (node.name, "".join(pieces[start:]))
            elif node == "\\d":
                pieces.append(rng.choice(_DIGITS))
            elif node == "\\z":
                pieces.append(rng.choice(_DIGITS[1:]))
            else:
                pieces.append(node)


def _weights(count: int, skew: float) -> tuple[float, ...]:
    return tuple(accumulate(rank**-skew for rank in range(1, count + 1)))


def tidy(text: str) -> str:
    """Give single spaces, none before punctuation, none at the ends; line breaks are kept."""
    return _DOUBLED.sub(r"\1", _LOOSE_PUNCTUATION.sub(r"\1", _SPACES.sub(" ", text))).strip()


def sentence(text: str) -> str:
    """`text` with a capital first letter and a full stop, unless it ends in punctuation already."""
    capital = text[:1].upper() + text[1:]
    return capital if capital.endswith((".", "!", "?", ",", ":")) else capital + "."


def _parse(line: str, where: str) -> _Rule:
    tokens = _TOKEN.findall(line)
    if "".join(tokens) != line:
        raise GrammarError(f"{where}: a stray backslash or <; write \\d, \\z, \\n or <section>")
    rule, rest = _sequence(tokens, 0, where)
    if rest != len(tokens):
        raise GrammarError(f"{where}: `{tokens[rest]}` without an opening bracket")
    return rule


def _sequence(tokens: list[str], at: int, where: str) -> tuple[_Rule, int]:
    nodes: list[_Node] = []
    while at < len(tokens) and tokens[at] not in ("|", ")"):
        match tokens[at]:
            case "(":
                options: list[_Rule] = []
                while at < len(tokens) and tokens[at] in ("(", "|"):
                    option, at = _sequence(tokens, at + 1, where)
                    options.append(option)
                if at == len(tokens):
                    raise GrammarError(f"{where}: a bracket is not closed")
                nodes.append(_Choice(tuple(options)))
            case "\\n":
                nodes.append("\n")
            case token:
                nodes.append(_Slot(token[1:-1]) if token.startswith("<") else token)
        at += 1
    return tuple(nodes), at


def _collect(rule: _Rule, into: set[str]) -> None:
    for node in rule:
        if isinstance(node, _Slot):
            into.add(node.name)
        elif isinstance(node, _Choice):
            for option in node.options:
                _collect(option, into)
