"""Which plug-in each table `[[privacy.detectors]]` becomes, and what a trained tagger finds as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tierwright.app.detectors import DetectorSection, plugin_detectors, plugin_environment
from tierwright.app.span_detector import SpecialistFinder, type_of
from tierwright.core.errors import SettingsError
from tierwright.specialists.spans.answers import FoundString

if TYPE_CHECKING:
    from tierwright.privacy.plugins.process import PluginSpec

SETTINGS = Path("/etc/tierwright/tierwright.toml")


def specs(*tables: dict[str, Any]) -> list[PluginSpec]:
    """What the tables become."""
    sections = tuple(msgspec.convert(table, DetectorSection) for table in tables)
    found = plugin_detectors(
        sections,
        settings_path=SETTINGS,
        environment={},
        timeout_ms=250,
        artifact_of=lambda name: (Path("/models") / name, Path("/weights")),
    )
    return [one._spec for one in found]


def test_each_kind_has_its_factory_and_what_it_needs() -> None:
    """A function with its folder, an analyzer with its model, a tagger with its artifact and encoder."""
    python, presidio, specialist = specs(
        {"kind": "python", "call": "plates:find", "types": ["plate"], "folder": "detectors", "timeout_ms": 40},
        {"kind": "presidio", "model": "en_core_web_lg", "threshold": 0.5, "memory_mb": 4096},
        {"kind": "specialist", "name": "names", "task": "names-and-places", "threshold": 0.2},
    )
    assert python.options == {"call": "plates:find", "types": ["plate"]}
    assert (python.folders, python.deadline_s) == (("/etc/tierwright/detectors",), 0.04)
    assert presidio.options == {"model": "en_core_web_lg", "language": "en", "threshold": 0.5}
    assert (presidio.name, presidio.folders, presidio.memory_bytes) == ("presidio", (), 4096 * 1024 * 1024)
    assert (specialist.name, specialist.deadline_s) == ("names", 0.25)
    assert specialist.options == {
        "artifact": "/models/names-and-places",
        "encoder": "/weights",
        "types": {},
        "threshold": 0.2,
    }


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([{"kind": "python", "call": "plates", "types": ["plate"]}], "module:function"),
        ([{"kind": "python", "call": "plates:find"}], "types"),
        ([{"kind": "presidio"}], "spaCy model"),
        ([{"kind": "specialist"}], "task or artifact"),
        ([{"kind": "specialist", "task": "a", "artifact": "b"}], "task or artifact"),
        ([{"kind": "presidio", "model": "a"}, {"kind": "presidio", "model": "b"}], "name of its own"),
    ],
)
def test_what_is_wrong_is_said_with_its_table(tables: list[dict[str, Any]], says: str) -> None:
    """A table that lacks something, or two of one name."""
    with pytest.raises(SettingsError, match=says) as caught:
        specs(*tables)
    assert f"table {len(tables)} of [[privacy.detectors]]" in str(caught.value)


def test_a_plug_in_sees_no_secret() -> None:
    """Of the environment only what finds programs and modules goes on."""
    seen = plugin_environment({"PATH": "/bin", "OPENAI_API_KEY": "sk-x", "AWS_SECRET_ACCESS_KEY": "y", "LANG": "C"})
    assert (seen["PATH"], seen["LANG"]) == ("/bin", "C")
    assert not {"OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"} & set(seen)


@pytest.mark.parametrize(
    ("field", "given", "wanted"),
    [
        ("person", {}, "name"),
        ("LOC", {}, "address"),
        ("plate-number", {}, "plate_number"),
        ("person", {"person": "patient"}, "patient"),
        ("Kfz Kennzeichen!", {}, "other"),
        ("", {}, "other"),
    ],
)
def test_types_of_fields(field: str, given: dict[str, str], wanted: str) -> None:
    """As given, else the usual one, else the field's own name if it can be one."""
    assert type_of(field, given) == wanted


def test_every_place_of_a_string_is_a_finding() -> None:
    """A name that stands twice and was answered once is found twice; nothing is found for an empty string."""

    class Tagger:
        """Finds one name, and an empty place."""

        def locate(self, text: str, *, threshold: float | None = None) -> list[list[FoundString]]:
            """The name's first place."""
            assert threshold == 0.1
            at = text.index("Ann")
            return [[FoundString(text="Ann", start=at, end=at + 3)], [FoundString(text="", start=0, end=0)]]

    finder = SpecialistFinder(Tagger(), ["name", "address"], "abc", threshold=0.1)  # type: ignore[arg-type] # a fake
    assert [(one.type, one.start, one.end) for one in finder.find(["so Ann, dear Ann"])[0]] == [
        ("name", 3, 6),
        ("name", 13, 16),
    ]
    assert finder.version == "abc:0.1"
