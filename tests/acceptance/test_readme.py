"""What README and docs say is true: the transcript, the settings, the commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import typer

from tierwright.app.cli.main import app
from tierwright.app.settings import SettingsFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.conftest import Cli

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

#: Why product-copy may stay on the frontier model, as `masked` levels it.
_STAYS = (
    (
        "inferior By people's labels of # examples: worse than the incumbent by more than the margin (margin # point); "
        "difference # points [# #], #% answered locally."
    ),
    (
        "keep at confidence # the specialist would answer #% [#%, #%] itself, less than the #% from which it is worth "
        "running: keep the task on gpt#o"
    ),
)


def masked(text: str) -> str:
    """What the text says, with numbers masked and spaces and line breaks levelled.

    Which rung is chosen, whether "no worse" comes out as "better", and for which of two reasons product-copy stays on
    the frontier model, may differ between processors, whose arithmetic differs; times and sizes always do.
    """
    for mark in ("superior", "non_inferior"):
        text = text.replace(mark, "no worse")
    level = re.sub(r"[─\s]+", " ", re.sub(r"[-+$]?\d[\d,.]*", "#", text.replace("←", ""))).strip()
    for reason in _STAYS:
        level = level.replace(f"product-copy {reason}", "product-copy stays")
    return level


def setting_names(section: type[msgspec.Struct]) -> Iterator[str]:
    """Every key of the settings file."""
    for field in msgspec.structs.fields(section):
        nested = [t for t in getattr(field.type, "__args__", (field.type,)) if isinstance(t, type)]
        inner = [t for t in nested if issubclass(t, msgspec.Struct)]
        if inner:
            yield from setting_names(inner[0])
        else:
            yield field.name


def test_every_setting_is_documented() -> None:
    """Each key of the settings file stands in docs/settings.md."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    names = set(setting_names(SettingsFile))
    assert {"base_url", "holdout_share", "input_usd_per_million"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_every_command_is_documented() -> None:
    """Each command stands in docs/commands.md, and each command there exists."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    group = typer.main.get_command(app)
    found = set()
    for noun, command in group.commands.items():
        verbs = getattr(command, "commands", None)
        found |= {f"tierwright {noun} {verb}" for verb in verbs} if verbs else {f"tierwright {noun}"}
    documented = set(re.findall(r"^\| `(tierwright [a-z -]+?)`", text, flags=re.MULTILINE))
    assert documented == found


def test_links_lead_somewhere() -> None:
    """Relative links in README and docs name files that are there."""
    for page in (README, *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_transcript_of_the_demo_is_true(cli: Cli) -> None:
    """The demo prints what the README shows, but for times, sizes and the last digits of figures."""
    shown = re.search(r"<!-- transcript: make demo -->\n```text\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert shown is not None
    ran = cli("demo", timeout_s=590)
    assert ran.code == 0, ran.err
    if "going on without the sentence encoder" in ran.err:
        pytest.skip("the transcript was made with the sentence encoder, which could not be fetched here")
    assert masked(ran.out) == masked(shown[1])
