"""Values that the settings file does not hold itself: secrets in variables and files, data in databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: What stands before the name of an environment variable, and of a file, that holds a secret.
REFERENCES = ("env:", "file:")


def header_value(text: str, where: str, name: str, path: Path, environment: Mapping[str, str]) -> str:
    """The value of a header, which may stand elsewhere; as `referred`."""
    if not text.startswith(REFERENCES):
        return text
    return referred(text, where, f"the header {name}", path, environment)


def referred(text: str, where: str, what: str, path: Path, environment: Mapping[str, str]) -> str:
    """What an environment variable or a file holds; a file is read anew whenever the settings are.

    Raises SettingsError, which says where it is needed and what for, where there is nothing of the kind.
    """
    kind, _, name = text.partition(":")
    if kind == "env":
        if not name or not environment.get(name):
            raise SettingsError(
                f"{where} takes {what} from the environment variable {name or '(none)'}, which is not set; "
                "set it, or take the entry out if the server wants none"
            )
        return environment[name]
    try:
        found = (path.resolve().parent / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{where} takes {what} from the file {name}, which can't be read: {why}") from error
    if not found or not found.isprintable():
        raise SettingsError(f"{where} takes {what} from the file {name}, which must hold one line and nothing else")
    return found


def store_url(url: str, folder: Path) -> str:
    """A database's URL; a relative path of SQLite's is relative to the folder."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(f"{prefix}/") and url != f"{prefix}:memory:":
        return f"{prefix}{folder / url[len(prefix) :]}"
    return url
