"""What the settings become."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.fakes import a_call, an_inference
from tierwright.app.settings import load_settings
from tierwright.app.wiring import open_parts
from tierwright.core.chat import Usage
from tierwright.core.errors import NotEnoughData, SettingsError
from tierwright.core.ids import InferenceId, TaskId

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 1, tzinfo=UTC)
PRICE = '[[economics.prices]]\nmodel = "house"\ninput_usd_per_million = "2"\noutput_usd_per_million = "8"\n'
USAGE = Usage(
    prompt_tokens=1_000,
    completion_tokens=100,
    cached_tokens=100,
    cache_write_tokens=200,
    audio_prompt_tokens=50,
    audio_completion_tokens=10,
    reasoning_tokens=40,
    service_tier="batch",
)


def settings_file(tmp_path: Path, text: str) -> Path:
    """A settings file of that text."""
    path = tmp_path / "tierwright.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_price_of_the_settings_counts(tmp_path: Path) -> None:
    """Each kind of token and each multiplier in `[[economics.prices]]` reaches the bill."""
    text = PRICE + (
        'cached_input_usd_per_million = "1"\ncache_write_usd_per_million = "3"\naudio_input_usd_per_million = "20"\n'
        'audio_output_usd_per_million = "40"\nreasoning_usd_per_million = "5"\nbatch_multiplier = "0.5"\n'
        'flex_multiplier = "0.25"\npriority_multiplier = "2"\n'
    )
    with open_parts(load_settings(settings_file(tmp_path, text), {})) as parts:
        found = parts.price("house", USAGE, AT)
    whole = Decimal(100 * 1 + 200 * 3 + 50 * 20 + 650 * 2 + 10 * 40 + 40 * 5 + 50 * 8) / 1_000_000
    assert found == whole / 2


@pytest.mark.parametrize("member", ["reasoning_usd_per_million", "batch_multiplier"])
def test_a_price_that_is_none_is_refused(tmp_path: Path, member: str) -> None:
    """A word instead of a number names the model it was for."""
    settings = load_settings(settings_file(tmp_path, PRICE + f'{member} = "half"\n'), {})
    with pytest.raises(SettingsError, match=f"price of 'house': {member}"), open_parts(settings):
        pass


def test_estimated_tokens_teach_no_rates(tmp_path: Path) -> None:
    """What an incumbent would have used is measured on its provider's own counts alone."""
    guessed = [
        an_inference(id=InferenceId(f"i{place}"), task_id=TaskId("t"), calls=(a_call(usage_estimated=place < 2),))
        for place in range(3)
    ]
    with open_parts(load_settings(settings_file(tmp_path, ""), {})) as parts:
        parts.store.append(guessed)
        with pytest.raises(NotEnoughData, match=r"^1 answered requests"):
            parts.token_rates(TaskId("t"))
