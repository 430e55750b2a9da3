"""What a gateway has loaded before it takes its first request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierwright.app.service import Service
from tierwright.app.settings import parse_settings
from tierwright.app.wiring import open_parts

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.app.settings import Settings

BACKEND = '[[backends]]\nname = "one"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = {models}\n'


def parsed(folder: Path, models: str) -> Settings:
    """Settings with one backend of these models."""
    return parse_settings(BACKEND.format(models=models).encode(), folder / "tierwright.toml", {})


@pytest.mark.parametrize(("models", "vocabularies"), [('["gpt-4o", "llama-3.1-8b"]', 2), ("[]", 1)])
def test_prices_and_vocabularies_are_loaded_before_the_first_request(
    tmp_path: Path, models: str, vocabularies: int
) -> None:
    """Whether its servers list their models or not, no request waits for the price list or a vocabulary."""
    with open_parts(parsed(tmp_path, models)) as parts:
        service = Service(parts)
        assert parts.prices._catalogue.cache_info().currsize == 1
        assert service._counter._encoder.cache_info().currsize == vocabularies
        service.close()


def test_settings_that_are_taken_bring_what_they_need(tmp_path: Path) -> None:
    """The prices and vocabularies of changed settings are loaded before these are in force."""
    with open_parts(parsed(tmp_path, '["gpt-4o"]')) as parts:
        service = Service(parts)
        change = service.prepare(parsed(tmp_path, '["llama-3.1-8b"]'))
        assert change.parts.prices._catalogue.cache_info().currsize == 1
        assert service._counter._encoder.cache_info().currsize == 2
        service.close()
