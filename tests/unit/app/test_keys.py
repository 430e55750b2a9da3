"""A new key is made of all the randomness it is given."""

from __future__ import annotations

import hashlib
import re

import pytest

from tests.fakes import NOON
from tierwright.app.keys import new_key
from tierwright.core.caller import Limits


def test_a_key_has_its_form_and_is_kept_as_its_hash() -> None:
    """The id stands in the key, so that people find it again; nothing that is kept holds the secret."""
    plain, kept = new_key("shop", entropy=bytes(range(36)), at=NOON, limits=Limits(requests_per_minute=3))
    assert re.fullmatch(r"tw_live_00010203_[A-Za-z0-9_-]{43}", plain)
    assert (kept.id, kept.prefix, kept.client_id) == ("00010203", "tw_live_00010203", "shop")
    assert kept.sha256 == hashlib.sha256(plain.encode()).hexdigest()
    assert kept.limits == Limits(requests_per_minute=3)
    assert plain[17:] not in repr(kept)


def test_every_random_byte_makes_another_key() -> None:
    """Changing any one of the bytes changes the key, and too few are refused."""
    entropy = bytes(range(36))
    keys = {
        new_key("shop", entropy=entropy[:place] + b"\xff" + entropy[place + 1 :], at=NOON, limits=Limits())[0]
        for place in range(36)
    }
    assert len(keys) == 36
    with pytest.raises(ValueError, match="36 random bytes"):
        new_key("shop", entropy=entropy[:35], at=NOON, limits=Limits())
