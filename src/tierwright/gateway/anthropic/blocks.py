"""Content blocks of a user, system or tool result as parts of chat messages.

Owns what is said: texts, images, documents, search results. Refuses files that only Anthropic stores and citations,
which only its answers have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.errors import InputError
from tierwright.gateway.anthropic import data_urls
from tierwright.gateway.anthropic.members import a_list, a_text, an_object
from tierwright.gateway.anthropic.needs import note, note_others

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.needs import Needs

#: The name that a PDF gets where the request gives none: chat servers want one.
PDF_NAME = "document.pdf"

#: `cache_control` is left out: it changes what a request costs at Anthropic, and no answer.
_TEXT = frozenset({"type", "text", "cache_control", "citations"})
_IMAGE = frozenset({"type", "source", "cache_control"})
_DOCUMENT = frozenset({"type", "source", "title", "context", "citations", "cache_control"})
_SEARCH_RESULT = frozenset({"type", "source", "title", "content", "citations", "cache_control"})


def blocks_of(content: object, where: str) -> list[Mapping[str, Any]]:
    """The blocks of a content; a text is one block. Raises InputError where it is neither."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = a_list(content, where) if content is not None else []
    return [an_object(block, f"{where}[{place}]") for place, block in enumerate(blocks)]


def chat_parts(block: Mapping[str, Any], where: str, needs: Needs) -> list[dict[str, Any]]:
    """The parts that say what the block says; a block that only Anthropic understands stays as it is."""
    kind = block.get("type")
    if kind == "text":
        note_others(needs, block, _TEXT, where)
        return [text_part(a_text(block.get("text"), f"{where}.text"))]
    if kind == "image":
        note_others(needs, block, _IMAGE, where)
        return _image(block, where, needs)
    if kind == "document":
        note_others(needs, block, _DOCUMENT, where)
        _no_citations(block, where, needs)
        return _document(block, where, needs)
    if kind == "search_result":
        note_others(needs, block, _SEARCH_RESULT, where)
        _no_citations(block, where, needs)
        return [_search_result(block, where)]
    note(needs, f"{where}.type", "is a block that only Anthropic's models understand", "send its content as text")
    return [dict(block)]


def text_part(text: str) -> dict[str, Any]:
    """A part of a chat message that is text."""
    return {"type": "text", "text": text}


def _no_citations(block: Mapping[str, Any], where: str, needs: Needs) -> None:
    citations = block.get("citations")
    if citations is not None and an_object(citations, f"{where}.citations").get("enabled") is True:
        note(needs, f"{where}.citations", "asks for citations, which only Anthropic's answers have", "leave it out")


def _image(block: Mapping[str, Any], where: str, needs: Needs) -> list[dict[str, Any]]:
    source = an_object(block.get("source"), f"{where}.source")
    url = _url(source, f"{where}.source")
    if url is None:
        note(needs, f"{where}.source", "is stored at Anthropic", "send the image as base64 or as a URL")
        return [dict(block)]
    return [{"type": "image_url", "image_url": {"url": url}}]


def _url(source: Mapping[str, Any], where: str) -> str | None:
    """The URL of a source of type base64 or url; None where it is of another type."""
    kind = source.get("type")
    if kind == "url":
        return a_text(source.get("url"), f"{where}.url")
    if kind == "base64":
        media_type = a_text(source.get("media_type"), f"{where}.media_type")
        return data_urls.write(data_urls.Inline(media_type, a_text(source.get("data"), f"{where}.data")))
    return None


def _document(block: Mapping[str, Any], where: str, needs: Needs) -> list[dict[str, Any]]:
    source = an_object(block.get("source"), f"{where}.source")
    said = [block[name] for name in ("title", "context") if isinstance(block.get(name), str) and block[name]]
    kind = source.get("type")
    if kind == "text":
        return [text_part("\n\n".join([*said, a_text(source.get("data"), f"{where}.source.data")]))]
    if kind == "content":
        inner = f"{where}.source.content"
        parts = [text_part("\n\n".join(said))] if said else []
        for place, each in enumerate(blocks_of(source.get("content"), inner)):
            if each.get("type") not in ("text", "image"):
                raise InputError(f"'{inner}[{place}].type' is neither text nor image; send one of these")
            parts += chat_parts(each, f"{inner}[{place}]", needs)
        return parts
    url = _url(source, f"{where}.source")
    if url is None:
        note(needs, f"{where}.source", "is stored at Anthropic", "send the document as base64, text or a URL")
        return [dict(block)]
    title, context = block.get("title"), block.get("context")
    name = title if isinstance(title, str) and title else PDF_NAME
    file = {"type": "file", "file": {"filename": name, "file_data": url}}
    return [text_part(context), file] if isinstance(context, str) and context else [file]


def _search_result(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    title, source = (a_text(block.get(name), f"{where}.{name}") for name in ("title", "source"))
    texts = [
        a_text(each.get("text"), f"{where}.content[{place}].text")
        for place, each in enumerate(blocks_of(block.get("content"), f"{where}.content"))
    ]
    return text_part("\n\n".join([f"{title}\n{source}", *texts]))
