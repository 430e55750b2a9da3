"""Content that travels inside of a request: `data:` URLs (RFC 2397) and Anthropic's sources of type base64.

Owns reading and writing them; refuses to fetch anything, and to look into the content.
"""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_SCHEME = "data:"
#: What some clients call a kind of content, and what its name is (RFC 2046).
_NAMES = {"": "text/plain", "image/jpg": "image/jpeg"}


class Inline(NamedTuple):
    """Content and its kind."""

    #: Such as image/png.
    media_type: str
    #: The content as base64.
    data: str


def read(url: str) -> Inline | None:
    """The content of a `data:` URL; None where the URL is none."""
    if url[: len(_SCHEME)].lower() != _SCHEME:
        return None
    head, comma, data = url[len(_SCHEME) :].partition(",")
    if not comma:
        return None
    media_type, *parameters = head.split(";")
    if not any(parameter.strip().lower() == "base64" for parameter in parameters):
        data = base64.b64encode(unquote_to_bytes(data)).decode("ascii")
    name = media_type.strip().lower()
    return Inline(media_type=_NAMES.get(name, name), data=data)


def write(content: Inline) -> str:
    """The `data:` URL of the content."""
    return f"{_SCHEME}{content.media_type};base64,{content.data}"
