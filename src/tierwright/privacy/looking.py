"""Looks at the fields of a request with the rules and with every further detector.

Owns the time they may take, what their failing means, and the memory of texts that were seen before. Fails closed: a
detector that raises, hangs or answers something else is a reason to take the request for restricted. Refuses to know
which text is of which request, and keeps none: what it remembers is a keyed digest and the findings.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from tierwright.core.privacy import DataClass, Found, Seen
from tierwright.privacy import detector as rules
from tierwright.privacy.fields import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tierwright.core.protocols import Detector
    from tierwright.privacy.fields import Fields, Piece
    from tierwright.privacy.seams import Seam

_LOG = logging.getLogger(__name__)
#: The rules' name beside those of further detectors.
RULES: Final = "rules"
#: Changes whenever the same request may give other texts.
FIELDS_VERSION: Final = "2"
#: What looks where there is no further detector, with its versions.
RULES_VERSIONS: Final = f"{RULES}/{rules.VERSION} fields/{FIELDS_VERSION}"
#: Characters that are looked at on the event loop at most; more would hold up every other request.
_INLINE = 16 * 1024
#: Threads for longer ones.
_THREADS = 2
#: Seconds for each character that the rules may take, besides the deadline: many times what they need.
_S_PER_CHARACTER = 5e-6
#: Texts whose findings are remembered.
_REMEMBERED = 32_768
#: Findings in one text that are remembered; one with more is looked at again.
_MOST_FINDINGS = 64
_DIGEST_BYTES = 16
#: What can be found in a name that a program drew: the rest is chance, once in some dozen of them.
_IN_DRAWN: Final = frozenset({"card", "email", "iban", "secret"})
#: What is in most requests.
_NOTHING: Final = Seen()


class Looked(NamedTuple):
    """What was found in some texts."""

    #: For each text, in order.
    findings: tuple[tuple[Found, ...], ...]
    #: Names of the detectors that could not tell.
    failed: tuple[str, ...]


class Located(NamedTuple):
    """A finding, and in which member of the request it stands."""

    #: Names and places that lead to the member.
    keys: tuple[str | int, ...]
    #: Its places are those of the member's text.
    found: Found


class Looker:
    """Looks at texts. On one event loop."""

    def __init__(
        self,
        detectors: Sequence[Detector] = (),
        *,
        timeout_s: float,
        secret: bytes,
    ) -> None:
        """`secret` keys the memory of texts, 16 to 64 bytes.

        `timeout_s` is what each detector has for the texts of one request; the rules have more for long ones.
        """
        self._detectors = tuple(detectors)
        self._timeout_s = timeout_s
        self._secret = secret
        #: The versions that are hashed before each text, and the state of the hash after them.
        self._hashed = ("", blake2b(key=secret, digest_size=_DIGEST_BYTES))
        self._memory: OrderedDict[bytes, tuple[Found, ...]] = OrderedDict()
        self._threads: ThreadPoolExecutor | None = None

    @property
    def versions(self) -> str:
        """The versions of everything that looks, as one line."""
        if not self._detectors:
            return RULES_VERSIONS
        return " ".join((RULES_VERSIONS, *(f"{one.name}/{one.version}" for one in self._detectors)))

    async def see(self, fields: Fields, class_of: Callable[[Iterable[str]], DataClass]) -> Seen:
        """What is in the fields of a request: types and counts. Never raises.

        `class_of` says what types of findings make of a request; nothing that is remembered depends on it.
        """
        texts = [piece.text for piece in fields.pieces]
        looked = await self.look([*texts, *(seam.text for seam in fields.seams)])
        if not (any(looked.findings) or looked.failed or fields.unread):
            return _NOTHING
        counts = _counts(fields, looked.findings)
        data_class = class_of(counts)
        if fields.unread or looked.failed:
            data_class = DataClass.RESTRICTED
        return Seen(data_class=data_class, counts=counts, unread=fields.unread, failed=looked.failed)

    async def locate(self, fields: Fields) -> tuple[list[Located], tuple[str, ...]]:
        """The findings that stand in a member as it is written, with their places there; who could not tell.

        What is found only across parts, in names, or in another reading has no such place.
        """
        looked = await self.look([piece.text for piece in fields.pieces])
        located = []
        for piece, findings in zip(fields.pieces, looked.findings, strict=True):
            located += _located(piece, findings)
        return located, looked.failed

    async def look(self, texts: Sequence[str]) -> Looked:
        """What is in each of some texts. Never raises for what is in them or in the detectors' hands."""
        begin, memory = self._begun().copy, self._memory
        keys: list[bytes] = []
        findings: list[tuple[Found, ...]] = []
        fresh: dict[bytes, str] = {}
        failed: tuple[str, ...] = ()
        for text in texts:
            digest = begin()
            digest.update(text.encode("utf-8", "surrogatepass"))
            key = digest.digest()
            found = memory.get(key)
            if found is None:
                fresh[key], found = text, ()
            else:
                memory.move_to_end(key)
            keys.append(key)
            findings.append(found)
        if fresh:
            known, failed = await self._fresh(fresh)
            findings = [known.get(key, found) for key, found in zip(keys, findings, strict=True)]
        return Looked(tuple(findings), failed)

    async def _fresh(self, texts: Mapping[bytes, str]) -> tuple[dict[bytes, tuple[Found, ...]], tuple[str, ...]]:
        """What is in texts that nobody remembers, by their digests; who failed. What all could tell is remembered."""
        findings, failed = await self._all(list(texts.values()))
        memory, found = self._memory, dict(zip(texts, findings, strict=True))
        if not failed:
            memory.update((digest, one) for digest, one in found.items() if len(one) <= _MOST_FINDINGS)
            while len(memory) > _REMEMBERED:
                memory.popitem(last=False)
        return found, failed

    async def aclose(self) -> None:
        """Ends the threads and the detectors."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        for one in self._detectors:
            await one.aclose()

    def _begun(self) -> blake2b:
        """The hash of a text that names it, under the versions of now, in the memory; before the text."""
        versions = self.versions
        if self._hashed[0] != versions:
            self._hashed = (versions, blake2b(versions.encode(), key=self._secret, digest_size=_DIGEST_BYTES))
        return self._hashed[1]

    async def _all(self, texts: list[str]) -> tuple[list[tuple[Found, ...]], tuple[str, ...]]:
        """What the rules and every further detector find in texts, and who of them failed."""
        found, failed = await self._by_rules(texts)
        if not self._detectors:
            return found, failed
        answers = await self._by_others(texts)
        for one, answer in zip(self._detectors, answers, strict=True):
            if answer is None:
                failed = (*failed, one.name)
            else:
                found = [(*before, *more) for before, more in zip(found, answer, strict=True)]
        return found, failed

    async def _by_others(self, texts: list[str]) -> list[list[tuple[Found, ...]] | None]:
        """What each further detector finds; None: it can't tell, or not in time."""
        tasks = [asyncio.create_task(_asked(one, texts), name=f"tierwright-{one.name}") for one in self._detectors]
        try:
            # Not by cancelling: one that hangs may not heed it.
            done, _ = await asyncio.wait(tasks, timeout=self._timeout_s)
        finally:
            for task in tasks:
                task.cancel()
        for one, task in zip(self._detectors, tasks, strict=True):
            if task not in done:
                _failed(one.name, "no answer in time")
        return [task.result() if task in done else None for task in tasks]

    async def _by_rules(self, texts: list[str]) -> tuple[list[tuple[Found, ...]], tuple[str, ...]]:
        characters = sum(map(len, texts))
        try:
            if characters <= _INLINE:
                return _scanned(texts), ()
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tierwright-look")
            looking = asyncio.get_running_loop().run_in_executor(self._threads, _scanned, texts)
            async with asyncio.timeout(self._timeout_s + characters * _S_PER_CHARACTER):
                return await looking, ()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a detector, nothing was shown to be harmless
            _failed(RULES, error.__class__.__name__)
            return [() for _ in texts], (RULES,)


async def _asked(one: Detector, texts: list[str]) -> list[tuple[Found, ...]] | None:
    """What a further detector finds; None: it can't tell."""
    try:
        answer = [tuple(findings) for findings in await one.find(texts)]
        sound = len(answer) == len(texts) and all(map(_sound, texts, answer))
    except Exception as error:  # noqa: BLE001 - as above
        _failed(one.name, error.__class__.__name__)
        return None
    if not sound:
        _failed(one.name, "its findings are none of these texts")
    return answer if sound else None


def _scanned(texts: list[str]) -> list[tuple[Found, ...]]:
    return [tuple(rules.scan(text)) for text in texts]


def _sound(text: str, findings: Sequence[Found]) -> bool:
    return all(isinstance(one, Found) and one.type and 0 <= one.start < one.end <= len(text) for one in findings)


def _failed(name: str, why: str) -> None:
    _LOG.error("the detector %s can't tell (%s): what it should have seen is restricted", name, why)


def _counts(fields: Fields, findings: Sequence[tuple[Found, ...]]) -> dict[str, int]:
    """Findings by type: each that stands in a member as it is written, and one of those that do not."""
    counts: dict[str, int] = {}
    later: set[str] = set()
    for piece, found in zip(fields.pieces, findings, strict=False):
        if piece.drawn:
            later.update(one.type for one in found if one.type in _IN_DRAWN)
        elif piece.again:
            later.update(one.type for one in found)
        else:
            for one in found:
                counts[one.type] = counts.get(one.type, 0) + 1
    for seam, found in zip(fields.seams, findings[len(fields.pieces) :], strict=True):
        later.update(one.type for one in found if _is_whole(one, seam))
    for kind in later:
        counts.setdefault(kind, 1)
    return counts


def _is_whole(one: Found, seam: Seam) -> bool:
    """Whether a finding near a seam is one: it lies across, or away from the ends at which the text was cut."""
    across = any(one.start < bound < one.end for bound in seam.bounds)
    return across or (one.start > seam.low and one.end < seam.high)


def _located(piece: Piece, findings: Sequence[Found]) -> list[Located]:
    if piece.shift is None or not findings:
        return []
    shift, where = piece.shift, keys(piece.trail)
    return [
        Located(
            where,
            Found(
                type=one.type,
                start=max(0, one.start - shift),
                end=one.end - shift,
                detector=one.detector,
                validated=one.validated,
            ),
        )
        for one in findings
        if one.end > shift and (not piece.drawn or one.type in _IN_DRAWN)
    ]
