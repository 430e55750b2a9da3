"""What every table of the settings file is made of."""

from __future__ import annotations

import msgspec


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the file: an unknown key is an error, and nothing changes once it is read."""
