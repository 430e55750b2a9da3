"""Named lists of terms in a file: TOML or JSON (names with lists of terms), or text.

Owns the three forms; refuses to know what the terms are for. In a text file each line is `name: term, term` or one term
that is its own list; blank lines and lines that begin with `#` don't count.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError
from tierwright.curation.tables import read_lines

if TYPE_CHECKING:
    from pathlib import Path


def read_terms(path: Path) -> dict[str, list[str]]:
    """The lists, by name. Raises InputError where the file can't be read, has another form or holds none."""
    text = "\n".join(read_lines(path))
    suffix = path.suffix.casefold()
    found = _lines(text) if suffix not in {".toml", ".json"} else _document(path, text, toml=suffix == ".toml")
    if not found:
        raise InputError(f"{path} holds no terms; write lines like `women: woman, women`")
    return found


def _document(path: Path, text: str, *, toml: bool) -> dict[str, list[str]]:
    try:
        found = tomllib.loads(text) if toml else json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is no {'TOML' if toml else 'JSON'} ({error}); mend it") from error
    if isinstance(found, dict) and list(found) == ["terms"] and isinstance(found["terms"], dict):
        found = found["terms"]
    if not isinstance(found, dict) or not all(
        isinstance(terms, list) and all(isinstance(term, str) for term in terms) for terms in found.values()
    ):
        raise InputError(f"{path} is to hold names with lists of terms, like women = ['woman', 'women']")
    return {str(name): list(terms) for name, terms in found.items()}


def _lines(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, terms = line.partition(":")
        found.setdefault(name.strip(), []).extend(
            [term.strip() for term in terms.split(",") if term.strip()] if colon else [name.strip()]
        )
    return found
