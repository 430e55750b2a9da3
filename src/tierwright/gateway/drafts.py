"""What is handed to the capture of one request, as the capture and its journal know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.inference import Inference


class Draft(Protocol):
    """What is to be stored of one request."""

    @property
    def size_bytes(self) -> int:
        """Bytes of content held."""

    @property
    def traceparent(self) -> str | None:
        """The trace context that the request came with; None: none."""

    def record(self) -> Sequence[bytes]:
        """The same as bytes, in parts that belong one behind the other; in microseconds."""

    def without_content(self) -> Draft:
        """The ledger's part of it."""

    def unkept(self) -> Draft:
        """The same where the caller was told of an error instead, because it could not be made durable."""

    def inference(self) -> Inference:
        """The finished inference; may take a while, and is asked for in the writer's thread."""
