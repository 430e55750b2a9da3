"""A report's sections as text and as one HTML file."""

from __future__ import annotations

from html.parser import HTMLParser

from tierwright.app.pages import page_html, page_text
from tierwright.evals.dossier import Section

SECTIONS = [
    Section(title="Verdict", lines=("Superior <b>& sure</b>.",)),
    Section(title="Numbers", columns=("", ">value"), rows=(("candidate", "9.5"), ("a <model>", "10.25"))),
]


class _Seen(HTMLParser):
    """Names of the elements, texts, and whatever would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.texts: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element."""
        self.elements.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "href", "srcset"}]

    def handle_data(self, data: str) -> None:
        """Notes a text."""
        self.texts.append(data)


def test_text_aligns_numbers_to_the_right() -> None:
    """Columns line up, numbers by their end."""
    lines = page_text("T", SECTIONS).splitlines()
    assert lines[:2] == ["T", "="]
    assert lines[-2:] == ["candidate    9.5", "a <model>  10.25"]


def test_html_is_one_file_and_runs_nothing() -> None:
    """What people named is text in it, no element; nothing is fetched and there is no script."""
    seen = _Seen()
    seen.feed(page_html("A <script>alert(1)</script>", SECTIONS))
    assert "script" not in seen.elements
    assert "b" not in seen.elements
    assert seen.fetched == []
    assert "Superior <b>& sure</b>." in seen.texts
    assert seen.elements.count("tr") == 3
