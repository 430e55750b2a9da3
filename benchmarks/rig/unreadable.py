"""Requests with a picture or with sound in them, in the shapes of the APIs that the gateway speaks; all made up.

Owns the shapes; refuses to know who reads them.
"""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PNG, _JPEG, _WAV = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x24\x08\x00\x00WAVE"


def _encoded(rng: random.Random, head: bytes) -> str:
    return base64.b64encode(head + rng.randbytes(rng.randint(20, 2000))).decode()


def _said(part: dict[str, Any]) -> dict[str, Any]:
    """A message with a text and one more part."""
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Who is this?"}, part]}]}


def _input(part: dict[str, Any]) -> dict[str, Any]:
    """The same, as Responses have it."""
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Who is this?"}, part]}]}


_PICTURES: tuple[Callable[[random.Random], dict[str, Any]], ...] = (
    lambda rng: _said({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_encoded(rng, _PNG)}"}}),
    lambda rng: _said(
        {"type": "image_url", "image_url": {"url": f"https://pictures.example/{rng.getrandbits(32)}.jpg"}}
    ),
    lambda rng: _said(
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": _encoded(rng, _JPEG)}}
    ),
    lambda rng: _said(
        {"type": "image", "source": {"type": "url", "url": f"https://pictures.example/{rng.getrandbits(32)}.png"}}
    ),
    lambda rng: _input({"type": "input_image", "image_url": f"data:image/jpeg;base64,{_encoded(rng, _JPEG)}"}),
    lambda rng: _input({"type": "input_image", "file_id": f"file-{rng.getrandbits(64):x}"}),
)
_SOUNDS: tuple[Callable[[random.Random], dict[str, Any]], ...] = (
    lambda rng: _said({"type": "input_audio", "input_audio": {"data": _encoded(rng, _WAV), "format": "wav"}}),
    lambda rng: _input({"type": "input_audio", "input_audio": {"data": _encoded(rng, _WAV), "format": "wav"}}),
    lambda rng: _said(
        {"type": "file", "file": {"file_data": f"data:audio/wav;base64,{_encoded(rng, _WAV)}", "filename": "note.wav"}}
    ),
)
#: By the letter of the rule and what the table calls it.
SHAPES = {"P sound in requests": _SOUNDS, "Q pictures in requests": _PICTURES}


def requests(subject: str, count: int, *, seed: int) -> Iterator[dict[str, Any]]:
    """So many requests of all shapes in turn; the same for the same seed."""
    rng, shapes = random.Random(f"{seed} {subject}"), SHAPES[subject]
    for at in range(count):
        yield shapes[at % len(shapes)](rng)
