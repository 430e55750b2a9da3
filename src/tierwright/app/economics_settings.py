"""The tables `[economics]`, `[economics.assumptions]` and `[[economics.prices]]`: what things cost.

Owns their keys and defaults, and which assumptions there may be. Refuses to compute anything from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tierwright.app.section import Section
from tierwright.core.errors import InputError, SettingsError
from tierwright.economics.assumptions import read

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.economics.assumptions import Assumption


class PriceSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[[economics.prices]]`: a model's price where the built-in list is wrong or silent."""

    model: str
    #: Of all amounts of the table; only "USD" is possible.
    currency: str = "USD"
    #: US dollars for a million tokens, as text, for example "2.50".
    input_usd_per_million: str
    output_usd_per_million: str
    #: Empty: as input.
    cached_input_usd_per_million: str = ""
    #: Empty: as input.
    cache_write_usd_per_million: str = ""
    #: Empty: calls with sound are unpriced.
    audio_input_usd_per_million: str = ""
    audio_output_usd_per_million: str = ""
    #: Empty: as output.
    reasoning_usd_per_million: str = ""
    #: Share of the price that a batched call costs, as text; empty: all of it.
    batch_multiplier: str = ""
    #: Empty: as batch.
    flex_multiplier: str = ""
    #: Empty: calls of a dearer class are unpriced.
    priority_multiplier: str = ""


class EconomicsSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[economics]`."""

    #: US dollars that an hour of the machine that runs the specialists costs, as text.
    machine_usd_per_hour: str = "0.10"
    #: The same of the machine that trains them, as text; empty: it is the same machine.
    training_usd_per_hour: str = ""
    #: Share of that hour in which it really answers.
    utilisation: float = 0.3
    #: By name, what `report breakeven` assumes, as text: "0.02", or with its range "0.01 .. 0.02 .. 0.05".
    assumptions: dict[str, str] = msgspec.field(default_factory=dict)
    prices: tuple[PriceSection, ...] = ()


def stated_assumptions(found: EconomicsSection, path: Path) -> dict[str, Assumption]:
    """What the file states of self-hosting, by name; raises SettingsError for a name or a value that can't be."""
    try:
        return {name: read(name, text, str(path)) for name, text in found.assumptions.items()}
    except InputError as error:
        raise SettingsError(f"{path}: [economics.assumptions]: {error}") from error
