"""How it is said that a member of a Messages request is something only a model served by Anthropic can honour."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tierwright.gateway.needs import Needs

_ELSEWHERE = "or ask for a model served by Anthropic"


def note(needs: Needs, where: str, what: str, instead: str) -> None:
    """As `Needs.note`, of the member at `where`; `instead` is what the caller can do."""
    needs.note(f"'{where}' {what}; {instead}, {_ELSEWHERE}")


def note_others(needs: Needs, members: Mapping[str, object], known: Collection[str], where: str) -> None:
    """`note` for a member of unknown name that says something: nobody can tell what it would change."""
    for name, value in members.items():
        if name not in known and value is not None:
            note(needs, f"{where}.{name[:60]}", "has no equal in chat.completions", "leave it out")
            return
