"""Content of chat messages as content blocks.

Owns what is said: texts, images, files. Refuses what Anthropic's models don't take (sound, film, files stored
elsewhere). Texts that are empty or blank are left out, since Anthropic refuses them.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from tierwright.core.errors import InputError
from tierwright.gateway.anthropic import data_urls
from tierwright.gateway.anthropic.blocks import PDF_NAME
from tierwright.gateway.anthropic.members import a_list, a_text, an_object

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Hints on caching are OpenAI's (`prompt_cache_breakpoint`) or Anthropic's, which OpenRouter takes too.
_TEXT = frozenset({"type", "text", "cache_control", "prompt_cache_breakpoint", "annotations"})
#: `detail` trades cost for sharpness; Anthropic's models have one way to look.
_IMAGE = frozenset({"type", "image_url", "cache_control", "prompt_cache_breakpoint"})
_FILE = frozenset({"type", "file", "cache_control", "prompt_cache_breakpoint"})


def text_blocks(content: object, where: str) -> list[dict[str, Any]]:
    """The blocks of a content that can hold nothing but text: of a system message, or of an assistant's."""
    found: list[dict[str, Any]] = []
    for place, part in enumerate(_parts(content, where)):
        at = f"{where}[{place}]"
        if part.get("type") == "refusal":
            found += _text(a_text(part.get("refusal"), f"{at}.refusal"), part)
        elif part.get("type") == "text":
            _known(part, _TEXT, at)
            found += _text(a_text(part.get("text"), f"{at}.text"), part)
        elif part.get("type") not in ("thinking", "reasoning"):
            # What a model of another provider thought has no signature, without which Anthropic refuses it.
            raise InputError(f"'{at}.type' is not text; send text parts, or a string")
    return found


def user_blocks(content: object, where: str) -> list[dict[str, Any]]:
    """The blocks of a content that can hold everything a user can send."""
    return [block for place, part in enumerate(_parts(content, where)) for block in _block(part, f"{where}[{place}]")]


def _parts(content: object, where: str) -> list[Mapping[str, Any]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [an_object(part, f"{where}[{place}]") for place, part in enumerate(a_list(content, where))]


def _block(part: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    kind = part.get("type")
    if kind == "text":
        _known(part, _TEXT, where)
        return _text(a_text(part.get("text"), f"{where}.text"), part)
    if kind == "image_url":
        _known(part, _IMAGE, where)
        image = part.get("image_url")
        # Some callers write the URL where OpenAI wants an object that holds it.
        url = image if isinstance(image, str) else an_object(image, f"{where}.image_url").get("url")
        return [_cached({"type": "image", "source": _source(a_text(url, f"{where}.image_url.url"))}, part)]
    if kind == "file":
        _known(part, _FILE, where)
        return [_cached(_document(an_object(part.get("file"), f"{where}.file"), f"{where}.file"), part)]
    raise InputError(f"'{where}.type' is nothing that Anthropic's models take; send text, images or files")


def _text(text: str, part: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_cached({"type": "text", "text": text}, part)] if text.strip() else []


def _cached(block: dict[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("cache_control") is not None:
        block["cache_control"] = part["cache_control"]
    return block


def _known(part: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name, value in part.items():
        if name not in known and value is not None:
            raise InputError(f"'{where}.{name[:60]}' is nothing that Anthropic's API can say; leave it out")


def _source(url: str) -> dict[str, Any]:
    inline = data_urls.read(url)
    if inline is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": inline.media_type, "data": inline.data}


def _document(file: Mapping[str, Any], where: str) -> dict[str, Any]:
    if file.get("file_id") is not None:
        raise InputError(
            f"'{where}.file_id' is a file that is not stored at Anthropic; send its content as 'file_data'"
        )
    source = _source(a_text(file.get("file_data"), f"{where}.file_data"))
    if source.get("media_type", "").startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _decoded(source["data"], f"{where}.file_data")}
    document: dict[str, Any] = {"type": "document", "source": source}
    name = file.get("filename")
    if isinstance(name, str) and name and name != PDF_NAME:
        document["title"] = name
    return document


def _decoded(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise InputError(f"'{where}' is not UTF-8 text in base64; encode it so, or send a PDF") from None
