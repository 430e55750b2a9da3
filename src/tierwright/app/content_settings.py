"""Where content lies and by which key it is sealed, as the settings say.

Owns where the register of keys is unless it is said; refuses to open anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tierwright.app.references import REFERENCES, referred
from tierwright.core.errors import SettingsError
from tierwright.privacy.sealing import content_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.app.settings import Settings

_SQLITE = "sqlite:///"


def register_url(settings: Settings) -> str | None:
    """Of the register of keys and erasures; None: there is no table [privacy], and none is kept.

    Beside a store on SQLite it is a file of its own; beside one on PostgreSQL, which several machines may share, it is
    in the same database unless `privacy.key_store` names another.
    """
    if settings.privacy is None:
        return None
    if settings.privacy.key_store:
        return settings.privacy.key_store
    url = settings.store_url
    if not url.startswith(_SQLITE):
        return url
    path = Path(url.removeprefix(_SQLITE))
    return f"{_SQLITE}{path.with_name(f'{path.stem}-keys{path.suffix}')}"


def content_key_of(settings: Settings) -> bytes | None:
    """The key that wraps the keys of content; None: content is kept as it is. Raises SettingsError."""
    if settings.privacy is None or settings.privacy.content_key is None:
        return None
    return content_key(settings.privacy.content_key.reveal(), f"{settings.path}: what privacy.content_key names")


def content_key_at(reference: str, path: Path, environment: Mapping[str, str]) -> bytes:
    """The key that a reference names; raises SettingsError where it names none."""
    if not reference.startswith(REFERENCES):
        raise SettingsError("the new content key must be given as env:NAME or file:PATH, so that no shell remembers it")
    where = "the new content key"
    return content_key(referred(reference, where, "its value", path, environment), where)
