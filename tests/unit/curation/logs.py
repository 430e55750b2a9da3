"""Small logs for tests of curation, made from word lists, the same every time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tierwright.core.chat import ChatRequest, Message
from tierwright.core.ids import InferenceId
from tierwright.curation.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable

TOPICS = {
    "billing": ["invoice", "charged twice", "refund", "payment", "price on my bill", "direct debit"],
    "delivery": ["parcel", "courier", "tracking number", "not arrived", "shipping date", "doorstep"],
    "account": ["password", "login", "two factor code", "profile", "locked out", "e-mail address"],
    "returns": ["send back", "wrong size", "return label", "exchange", "broken on arrival", "warranty"],
}
OPENERS = ["hello", "hi there", "good morning", "quick question", "please help", "sorry to bother you", "urgent"]
CLOSERS = ["thanks", "what now", "can you check", "since monday", "for order", "it is the third time", "any idea"]


def tickets(count: int, seed: int) -> list[tuple[str, str]]:
    """(text, topic) of that many different customer messages."""
    rng = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        topic = rng.choice(sorted(TOPICS))
        phrases = rng.sample(TOPICS[topic], 2)
        number = rng.randrange(10_000)
        text = f"{rng.choice(OPENERS)} {phrases[0]} and {phrases[1]} {rng.choice(CLOSERS)} {number}"
        found[text] = topic
    return list(found.items())


def seen(
    pairs: list[tuple[str, str]],
    *,
    system: str | Callable[[int], str] = "",
    user: str = "{}",
    start: int = 0,
    prefix: str = "r",
    response_format: str | None = None,
) -> list[Observation]:
    """Observations of (input, answer) pairs in a frame; `system` may be a function of the request's number."""
    result = []
    for number, (text, answer) in enumerate(pairs):
        said = system if isinstance(system, str) else system(number)
        messages = [Message(role="system", text=said)] if said else []
        messages.append(Message(role="user", text=user.replace("{}", text)))
        request = ChatRequest(model="gpt-4o", messages=tuple(messages), response_format=response_format)
        result.append(
            Observation(id=InferenceId(f"{prefix}{number}"), at=float(start + number), request=request, answer=answer)
        )
    return result
