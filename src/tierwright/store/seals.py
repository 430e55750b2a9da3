"""Content on its way into the database and out of it: sealed where there is a content key, else as it is.

Owns which key seals what. Content of a person's requests is sealed with that person's key, so that destroying one key
erases all of it, in every backup. Content of requests that name nobody is sealed with a key for each caller and day
(UTC), which is destroyed when that day's content has expired: one for each request would make the register as long as
the store. What outlives the content has other keys: examples that are about nobody their dataset's, words on requests
that are about nobody the caller's. Refuses to know tables.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.errors import StoreError
from tierwright.core.inference import Content
from tierwright.core.instants import to_us
from tierwright.privacy.sealing import CannotOpen, Envelope, key_of, seal, unseal
from tierwright.privacy.subjects import subject_in
from tierwright.store.register import DAY_PREFIX, DAY_US
from tierwright.store.rows.scalars import to_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tierwright.core.ids import DatasetId, InferenceId
    from tierwright.core.inference import Inference
    from tierwright.store.register import DataKey, Register

#: The label of the key for what waits for the store, and its place.
_SPOOL = "spool"


class Origin(NamedTuple):
    """Where content comes from, as far as that decides by which key it is sealed."""

    client_id: str
    #: The label of the person it is about; None: nobody is named.
    subject: str | None
    at_us: int

    @property
    def label(self) -> str:
        """The label of the key for what was asked and answered."""
        return self.subject or f"{DAY_PREFIX}{self.at_us // DAY_US}:{to_name(self.client_id)}"

    @property
    def label_of_words(self) -> str:
        """The label of the key for what people said of it, which outlives the content."""
        return self.subject or f"words:{to_name(self.client_id)}"


def dataset_label(dataset_id: DatasetId) -> str:
    """The label of the key for examples that are about nobody."""
    return f"dataset:{dataset_id}"


class Arrivals(NamedTuple):
    """Inferences that may be kept."""

    inferences: list[Inference]
    #: Whom each is about that is about anybody.
    subjects: Mapping[InferenceId, str]


class Seals:
    """What seals and opens; thread-safe. Fails closed: what can't be opened is an error, never garbage."""

    def __init__(self, register: Register | None) -> None:
        """None: nothing is sealed, nothing is known of what was erased, and nobody is named."""
        self.register = register

    @property
    def active(self) -> bool:
        """Whether content is sealed."""
        return self.register is not None and self.register.seals

    def envelope(self) -> Envelope | None:
        """What seals records that wait for the store; its key is kept as the others are. None: nothing is sealed."""
        if not self.active or self.register is None:
            return None
        key = self.register.keys({_SPOOL}, 0)[_SPOOL]
        return Envelope(cipher=key.cipher, key_id=key.id, place=_SPOOL)

    def arriving(self, given: Sequence[Inference]) -> Arrivals:
        """Inferences as they may be kept: whom they are about as a label, and without content where it was erased.

        A request that was made before the person it is about was erased, or that was itself erased, comes again when a
        journal is replayed or a log is imported once more.
        """
        register = self.register
        if register is None:
            return Arrivals(list(given), {})
        labels = {one.id: label for one in given if (label := _label(register, one)) is not None}
        people = register.erased_labels(set(labels.values()))
        requests = register.erased_requests([to_name(one.id) for one in given])
        if not people and not requests:
            return Arrivals(list(given), labels)
        arrived = []
        for one in given:
            label = labels.get(one.id)
            if to_name(one.id) in requests or (label in people and to_us(one.created_at) <= people[label]):
                labels.pop(one.id, None)
                arrived.append(replace(one, request=None, response=None, content=Content.ERASED))
            else:
                arrived.append(one)
        return Arrivals(arrived, labels)

    def closing(self, labels: Collection[str], at_us: int) -> Closer:
        """What seals content under these labels."""
        if self.register is None or not self.register.seals or not labels:
            return Closer({})
        return Closer(self.register.keys(labels, at_us))

    def opening(self, cells: Iterable[bytes | None]) -> Opener:
        """What opens these cells; the keys are read at once."""
        ids = {found for cell in cells if (found := key_of(cell)) is not None}
        if not ids:
            return Opener({}, sealed=False)
        if self.register is None:
            raise StoreError(
                "the content in the store is sealed, and the settings name no privacy.content_key; name the key that "
                "it was sealed with"
            )
        return Opener(self.register.found(ids))


def _label(register: Register, inference: Inference) -> str | None:
    """The label of the person that an inference is about; None: it names nobody."""
    named = inference.subject
    if named is None and inference.request is not None:
        named = subject_in(inference.request)
    return None if named is None else register.label(to_name(inference.client_id), named)


def request_place(inference_id: str) -> str:
    """Where the request of an inference is kept, as sealed bytes are bound to it."""
    return f"contents.request/{inference_id}"


def response_place(inference_id: str) -> str:
    """The same of an answer."""
    return f"contents.response/{inference_id}"


def feedback_place(feedback_id: str) -> str:
    """The same of the right answer in a person's words."""
    return f"feedback.output/{feedback_id}"


def score_place(score_id: str, column: str) -> str:
    """The same of what a score says in words."""
    return f"scores.{column}/{score_id}"


def second_place(inference_id: str, place: int) -> str:
    """The same of another model's answer."""
    return f"second_answers.output/{inference_id}/{place}"


def example_place(dataset_id: str, place: int, column: str) -> str:
    """The same of a text of an example."""
    return f"examples.{column}/{dataset_id}/{place}"


class Closer:
    """Seals content under the labels it was made for; false where it seals nothing."""

    def __init__(self, keys: Mapping[str, DataKey]) -> None:
        self._keys = keys

    def __bool__(self) -> bool:
        """Whether it seals anything."""
        return bool(self._keys)

    def sealed(self, plain: bytes | None, label: str, place: str) -> bytes | None:
        """The bytes as they are stored; None stays None."""
        key = self._keys.get(label)
        if plain is None or key is None:
            return plain
        return seal(plain, cipher=key.cipher, key_id=key.id, place=place)


class Opener:
    """Opens the cells it was made for; false where none of them is sealed."""

    def __init__(self, keys: Mapping[bytes, DataKey | None], *, sealed: bool = True) -> None:
        self._keys, self._sealed = keys, sealed

    def __bool__(self) -> bool:
        """Whether any of the cells is sealed."""
        return self._sealed

    def erased(self, cell: bytes | None) -> bool:
        """Whether the key that a cell was sealed with was destroyed."""
        key_id = key_of(cell)
        return key_id is not None and key_id in self._keys and self._keys[key_id] is None

    def opened(self, cell: bytes | None, place: str) -> bytes | None:
        """What was stored; None where there was nothing, or it was erased.

        Raises StoreError where the key is not in the register, or the bytes were changed or moved.
        """
        key_id = key_of(cell)
        if cell is None or key_id is None:
            return cell
        if key_id not in self._keys:
            raise StoreError(
                f"the key of {place} is not in the register of keys; restore the register that belongs to this store"
            )
        key = self._keys[key_id]
        if key is None:
            return None
        try:
            return unseal(cell, cipher=key.cipher, place=place)
        except CannotOpen as error:
            raise StoreError(
                f"{place} was changed in the database, or moved there from another row; restore it from a backup"
            ) from error
