"""The OpenAPI document names every address and every error code, and is the one that is published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierwright.gateway.openapi import document, document_bytes
from tierwright.gateway.server import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parents[3] / "docs"
#: Answers to what is no operation.
ELSEWHERE = {"unknown_url", "method_not_allowed"}


def inside(value: Any, name: str) -> Iterator[Any]:
    """Whatever stands under a name, anywhere in a JSON value."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        value = list(value.values())
    for member in value if isinstance(value, list) else ():
        yield from inside(member, name)


def test_the_published_document_is_this_one() -> None:
    """docs/openapi.json; write it again with: python -m tierwright.gateway.openapi > docs/openapi.json."""
    assert (DOCS / "openapi.json").read_bytes() == document_bytes()


def test_references_lead_somewhere() -> None:
    """Every reference has a target, and everything that can be referred to is."""
    found = document()
    references = set(inside(found, "$ref"))
    assert references == {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in found["components"][kind]
    }


def test_every_address_is_in_it() -> None:
    """What models answer at, feedback, the listing and health."""
    assert set(document()["paths"]) == {
        *DIALECTS,
        "/v1/feedback",
        "/v1/models",
        "/v1/models/{model}",
        "/health/liveliness",
        "/health/readiness",
    }


def test_codes_are_those_of_the_table_of_errors() -> None:
    """For each status the codes in the document are those in docs/gateway.md."""
    rows = re.findall(r"^\| (\d{3}) \| (.+) \|$", (DOCS / "gateway.md").read_text(encoding="utf-8"), re.MULTILINE)
    told = {int(status): set(re.findall(r"`([a-z_]+)`", codes)) - ELSEWHERE for status, codes in rows}
    said: dict[int, set[str]] = {}
    for name, response in document()["components"]["responses"].items():
        codes = said.setdefault(int(name[-3:]), set())
        codes.update(*(code["enum"] for code in inside(response, "code") if "enum" in code))
    assert said == {status: codes for status, codes in told.items() if codes}


def test_what_is_asked_is_left_open() -> None:
    """Members that the gateway does not know are the model server's: no request body is closed."""
    found = document()
    assert not [closed for closed in inside(found, "additionalProperties") if closed is not True]
