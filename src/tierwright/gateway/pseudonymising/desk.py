"""Makes requests that servers may see out of those that they may not.

Owns which conversation a request's tokens belong to, and when what they stand for is kept. Refuses to decide whether
the new bytes may leave: the gate looks at them like at any others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tierwright.gateway.conversation import conversation_of
from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.wire import text_or_none
from tierwright.privacy.replacing import replaced
from tierwright.privacy.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.dialects.dialect import Asked
    from tierwright.privacy.pseudonyms import Pseudonyms
    from tierwright.privacy.replacing import Look
    from tierwright.privacy.vault import Vault

#: Members of a request that stand for something its model's server remembers.
_REMEMBERED: Final = ("previous_response_id", "conversation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disguised:
    """A request whose values became tokens."""

    #: The request as its caller made it, and with tokens.
    original: Asked
    asked: Asked
    restorer: Restorer = field(repr=False)
    #: Stretches that became tokens, by type of finding.
    counts: Mapping[str, int]
    pseudonyms: Pseudonyms = field(repr=False)
    #: Whether the model's server may be referred to this answer later.
    can_go_on: bool
    client_id: str


class PseudonymDesk:
    """The tokens of one gateway's requests."""

    def __init__(self, vault: Vault, look: Look) -> None:
        """`look`: what the detectors find in some texts."""
        self._vault = vault
        self._look = look
        #: Stretches that became tokens, by type of finding; grows only.
        self.replaced: Counter[str] = Counter()

    async def disguised(self, asked: Asked, headers: Mapping[bytes, bytes], client_id: str) -> Disguised:
        """The request with tokens in the place of all that is found in it."""
        remembered = any(asked.payload.get(name) for name in _REMEMBERED)
        conversation = conversation_of(asked, headers, client_id)
        previous = text_or_none(asked.payload.get("previous_response_id"))
        if previous is not None:
            # What its server remembers is that answer's conversation, whatever a header says.
            conversation = _answer_name(previous, client_id)
        pseudonyms = await self._open(conversation, remembered=remembered)
        found = await replaced(asked.payload, pseudonyms, self._look)
        await self._keep(conversation, pseudonyms)
        self.replaced.update(found.counts)
        known = {one.token: one.text for one in pseudonyms.named()} if remembered else found.texts
        return Disguised(
            original=asked,
            asked=replace(asked, payload=found.payload, body=encoded(found.payload)),
            restorer=Restorer(known),
            counts=dict(found.counts),
            pseudonyms=pseudonyms,
            can_go_on=_is_remembered(asked.payload),
            client_id=client_id,
        )

    def answered(self, disguised: Disguised, upstream_id: str) -> None:
        """Takes note of the id under which a server may remember the answer, so that its tokens are known then."""
        if not disguised.can_go_on:
            return
        name = _answer_name(upstream_id, disguised.client_id)
        self._vault.remember(name, disguised.pseudonyms)
        if self._vault.waits:
            # Nobody waits: it is known in this process already.
            asyncio.get_running_loop().run_in_executor(None, self._vault.keep, name, disguised.pseudonyms)

    async def _open(self, conversation: str | None, *, remembered: bool) -> Pseudonyms:
        if self._vault.waits:
            return await asyncio.to_thread(self._vault.open, conversation, remembered=remembered)
        return self._vault.open(conversation, remembered=remembered)

    async def _keep(self, conversation: str | None, pseudonyms: Pseudonyms) -> None:
        if self._vault.waits:
            await asyncio.to_thread(self._vault.keep, conversation, pseudonyms)
        else:
            self._vault.keep(conversation, pseudonyms)


def _answer_name(answer_id: str, client_id: str) -> str:
    return f"{client_id}\x00answer\x00{answer_id}"


def _is_remembered(payload: Mapping[str, Any]) -> bool:
    """Whether a server of the Responses API keeps the answer, for a later request to refer to."""
    return "input" in payload and "messages" not in payload and payload.get("store") is not False
