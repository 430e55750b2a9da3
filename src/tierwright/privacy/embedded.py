"""What is written inside of bytes and texts: the JSON of a body, data: URIs, files as base64.

Owns when something is taken for one of these, and its text. Refuses to know where in a request it stands (`fields`),
and what an encoding inside of ordinary text hides (`views`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

import msgspec

#: From so many characters on a text of base64 alone is a file, not a word.
_SHORTEST_FILE = 512
#: Characters of the lines in which base64 is written, at least.
_SHORTEST_LINE = 40
_BASE64 = re.compile(r"[A-Za-z0-9+/_\r\n-]+={0,2}\s*")
_DATA_URI = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),(.*)", re.DOTALL | re.IGNORECASE)
#: Files that are written in ASCII and say something else than they show.
_NOT_TEXT = (b"%PDF", b"{\\rtf", b"%!PS")


class DataUri(NamedTuple):
    """The parts of a data: URI (RFC 2397)."""

    #: Of the content, as IANA names it; may be empty.
    media_type: str
    #: With the semicolons before them.
    parameters: str
    content: str

    @property
    def is_base64(self) -> bool:
        """Whether the content is written as base64."""
        return ";base64" in self.parameters.lower()


def json_of(body: bytes, payload: object = None) -> object:
    """The JSON in a body; raises ValueError where it is none, or says a member twice.

    `payload` is what somebody has decoded of the body, if anybody has; that it says the same is seen to.
    """
    try:
        if payload is None:
            payload = msgspec.json.decode(body)
        # Most clients write JSON so, or with blanks; nothing was lost then, and this is quicker than the careful way.
        again = msgspec.json.encode(payload)
        if again == body or again == msgspec.json.format(body, indent=-1):
            return payload
    except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError):
        pass
    return _JSON.decode(body.decode("utf-8"))


def data_uri(text: str) -> DataUri | None:
    """The parts of a text that is a data: URI; None: it is none."""
    if text[:5].lower() != "data:" or (found := _DATA_URI.match(text)) is None:
        return None
    return DataUri(found[1], found[2], found[3])


def is_file(text: str) -> bool:
    """Whether a text is long, and base64 as files are written in it, and no list of words."""
    if len(text) < _SHORTEST_FILE or _BASE64.fullmatch(text) is None:  # as a rule at the first space
        return False
    *lines, _last = text.split("\n")
    return min(map(len, lines), default=_SHORTEST_LINE) >= _SHORTEST_LINE


def file_text(content: str) -> str | None:
    """The text in base64; None: it is no base64, or there is no text in it."""
    if _BASE64.fullmatch(content) is None:
        return None
    compact = "".join(content.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
        text = data.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return None if "\0" in text or data.startswith(_NOT_TEXT) else text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; raises ValueError where it says a member twice: whoever reads it may take either."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member is there twice")
    return found


_JSON = json.JSONDecoder(object_pairs_hook=_once)
