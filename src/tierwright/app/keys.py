"""New API keys: made of random bytes, shown once, kept as a hash."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from tierwright.core.caller import CallerKey, Limits
from tierwright.core.ids import CallerKeyId

if TYPE_CHECKING:
    from datetime import datetime

#: Random bytes of the id, which tells keys apart, and of the secret, which nobody can guess (256 bits).
ID_BYTES = 4
SECRET_BYTES = 32
_BEGINNING = "tw_live_"


def new_key(client_id: str, *, entropy: bytes, at: datetime, limits: Limits) -> tuple[str, CallerKey]:
    """A key as its caller sends it, `tw_live_<8 hex digits>_<43 characters>`, and as it is kept.

    `entropy` holds `ID_BYTES + SECRET_BYTES` bytes of a cryptographic generator. A hash without salt or stretching
    is enough for a secret of 256 random bits (NIST SP 800-63B, section 5.1.2.2).
    """
    if len(entropy) < ID_BYTES + SECRET_BYTES:
        raise ValueError(f"a key is made of {ID_BYTES + SECRET_BYTES} random bytes, not {len(entropy)}")
    name = entropy[:ID_BYTES].hex()
    secret = base64.urlsafe_b64encode(entropy[ID_BYTES : ID_BYTES + SECRET_BYTES]).rstrip(b"=").decode("ascii")
    prefix = f"{_BEGINNING}{name}"
    plain = f"{prefix}_{secret}"
    kept = CallerKey(
        id=CallerKeyId(name),
        client_id=client_id,
        prefix=prefix,
        sha256=hashlib.sha256(plain.encode("ascii")).hexdigest(),
        created_at=at,
        limits=limits,
    )
    return plain, kept
