"""Makes requests that servers may see out of those that they may not.

Owns which conversation a request's tokens belong to, and when what they stand for is kept. Refuses to decide whether
the new bytes may leave: the gate looks at them like at any others. What a server would have to remember (an earlier
answer, a conversation it keeps) never leaves with tokens: nobody here can read it, so that the gate keeps it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tierwright.gateway.conversation import conversation_of
from tierwright.gateway.lenient_json import encoded
from tierwright.privacy.pseudonyms import Pseudonyms
from tierwright.privacy.replacing import replaced
from tierwright.privacy.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.dialects.dialect import Asked
    from tierwright.privacy.replacing import Look, Replaced
    from tierwright.privacy.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Disguised:
    """A request whose values became tokens."""

    #: As its caller made it, and with tokens.
    original: Asked
    asked: Asked
    restorer: Restorer = field(repr=False)
    #: Stretches that became tokens, by type of finding.
    counts: Mapping[str, int]


class PseudonymDesk:
    """The tokens of one gateway's requests."""

    def __init__(self, vault: Vault, look: Look) -> None:
        """`look`: what the detectors find in some texts."""
        self._vault = vault
        self._look = look

    async def disguised(self, asked: Asked, headers: Mapping[bytes, bytes], client_id: str) -> Disguised:
        """The request with tokens in the place of all that is found in it. `headers` are its caller's."""
        conversation = conversation_of(asked, headers, client_id)
        if conversation is None:
            found = await replaced(asked.payload, Pseudonyms(), self._look)
        else:
            found = await self._in_conversation(asked, f"{client_id}\x00{conversation}")
        return Disguised(
            original=asked,
            asked=replace(asked, payload=found.payload, body=encoded(found.payload)),
            restorer=Restorer(found.texts),
            counts=dict(found.counts),
        )

    async def _in_conversation(self, asked: Asked, conversation: str) -> Replaced:
        vault = self._vault
        if not vault.waits:
            pseudonyms = vault.open(conversation)
            found = await replaced(asked.payload, pseudonyms, self._look)
            vault.keep(conversation, pseudonyms)
            return found
        pseudonyms = await asyncio.to_thread(vault.open, conversation)
        found = await replaced(asked.payload, pseudonyms, self._look)
        await asyncio.to_thread(vault.keep, conversation, pseudonyms)
        return found
