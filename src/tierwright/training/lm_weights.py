"""Base weights of language models: which are known, under which licence, and how they come here unchanged.

Owns the registry of causal language models, the licence that is shown before anything is fetched, the lock file of sums
that someone chose to trust, and a directory that appears whole or not at all. Refuses to open a model. A repository's
sums are registered, or pinned at the first pull on the user's word; no file is used that does not match one.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tierwright.core.errors import ArtifactError, ServiceError, UsageError, WeightsUnavailable
from tierwright.training.weight_sources import FileSum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwright.training.lm_sources import LmSource

CARD_FILE: Final = "base.json"
CONFIG_FILE: Final = "config.json"
TOKENIZER_FILE: Final = "tokenizer.json"
INDEX_FILE: Final = "model.safetensors.index.json"
#: What a model needs; nothing that could hold code or a pickle.
WANTED: Final = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "LICENSE*",
    "LICENCE*",
    "NOTICE*",
)
#: Licences that allow any use of the weights, SPDX identifiers.
OPEN_LICENCES: Final = frozenset(
    {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense"}
)
_PIECE: Final = 1 << 20


class LmWeights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language model that can be tuned, as the registry describes it."""

    #: Repository on the model hub; empty: it comes from a path only.
    repository: str
    #: Commit of that repository; empty: of a path.
    revision: str
    #: SPDX identifier, or the name its makers gave it.
    licence: str
    #: What the licence asks for, in a sentence; empty: nothing beyond attribution.
    licence_note: str = ""
    #: Billions of weights, for people; None: not stated.
    billions: float | None = None
    #: Sums of all files that are used; empty: not registered, and pinned by whoever trusts the first pull.
    files: dict[str, FileSum] = {}
    #: A directory that has the files; empty: the model hub.
    path: str = ""


class LmCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a directory of pulled weights says about itself."""

    format: int = 1
    name: str
    repository: str
    revision: str
    licence: str
    licence_note: str
    #: Where they came from, in words.
    source: str
    files: dict[str, FileSum]


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sums that a user trusted, in the lock file."""

    repository: str
    revision: str
    files: dict[str, FileSum]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLm:
    """Pulled weights, every file found to be what the card says."""

    directory: Path
    card: LmCard

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the sums of all files."""
        lines = [f"{name} {wanted.sha256}" for name, wanted in sorted(self.card.files.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the user agreed to."""

    #: Whether sums that nobody registered are taken as they come, and pinned.
    trust: bool = False
    #: Name of a licence that was read and accepted; None: none.
    licence: str | None = None


def lm_registry() -> dict[str, LmWeights]:
    """The language models Tierwright knows by name."""
    content = resources.files("tierwright.training").joinpath("base_lms.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, LmWeights])


def pull_lm(
    name: str,
    weights: LmWeights,
    *,
    into: Path,
    lock: Path,
    source: LmSource,
    consent: Consent,
    progress: Callable[[str], None],
) -> Path:
    """Fetches a language model into `into / name`, which is returned; at once where it is there, intact.

    The licence is shown before anything is fetched. Raises UsageError where it is not known or not open and was not
    accepted, where no sums are registered and the user does not trust what comes, or where something else is in the
    way; WeightsUnavailable where a file is missing or is not the one it should be; ServiceError where the disk is full.
    """
    _check_licence(name, weights, consent, progress)
    pins = read_lock(lock)
    expected = expected_sums(name, weights, pins)
    if not expected and not consent.trust:
        raise UsageError(
            f"nobody has registered the SHA-256 sums of {name}: check where it comes from, then say "
            f"`tierwright model pull {name} --trust` to take the files as they come and pin their sums in {lock.name}, "
            "or give the sums in [[training.base_weights]]"
        )
    directory = into / name
    if _is_there(directory, weights, expected):
        progress(f"{name} is there already")
        return directory
    if directory.exists() and not (directory / CARD_FILE).exists():
        raise UsageError(f"{directory} exists and holds no pulled weights: move it away, or choose another place")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=f".{name}-", ignore_cleanup_errors=True) as scratch:
            built = Path(scratch) / "built"
            built.mkdir()
            source.fetch(weights, built, list(expected) or list(WANTED), progress)
            sums = _checked(built, expected, progress)
            _check_complete(built, sums)
            card = LmCard(
                name=name,
                repository=weights.repository,
                revision=weights.revision,
                licence=weights.licence,
                licence_note=weights.licence_note,
                source=source.description,
                files=sums,
            )
            (built / CARD_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
            if directory.exists():
                directory.rename(Path(scratch) / "replaced")
            built.rename(directory)
            if not expected:
                pinned = Pin(repository=weights.repository, revision=weights.revision, files=sums)
                _write_lock(lock, {**pins, name: pinned})
                progress(f"pinned the sums of {len(sums)} files in {lock.name}: keep it with the settings")
    except OSError as error:
        raise ServiceError(f"can't write the weights {name} to {into}: {error.strerror or error}") from error
    progress(f"{name} is ready")
    return directory


def read_lm(directory: Path, *, remedy: str = "pull it again") -> BaseLm:
    """The weights in a directory, after the SHA-256 of every file was found right.

    Raises ArtifactError where the card or a file is missing or damaged, or a file is there that the card does not name.
    """
    try:
        card = msgspec.json.decode((directory / CARD_FILE).read_bytes(), type=LmCard)
    except OSError as error:
        raise ArtifactError(f"no language model at {directory}: {CARD_FILE}: {error.strerror}; {remedy}") from error
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{directory / CARD_FILE} can't be understood: {error}; {remedy}") from error
    there = {path.name for path in directory.iterdir()}
    if there != {CARD_FILE, *card.files}:
        odd = ", ".join(sorted(there ^ {CARD_FILE, *card.files}))
        raise ArtifactError(f"{directory} holds other files than {CARD_FILE} names ({odd}); {remedy}")
    for name, wanted in card.files.items():
        try:
            found = sum_of(directory / name)
        except OSError as error:
            raise ArtifactError(f"{directory / name} can't be read: {error.strerror}; {remedy}") from error
        if found != wanted:
            raise ArtifactError(f"{directory / name} is damaged or was changed: its SHA-256 differs; {remedy}")
    return BaseLm(directory=directory, card=card)


def expected_sums(name: str, weights: LmWeights, pins: Mapping[str, Pin]) -> dict[str, FileSum]:
    """The sums that a model's files must have: the registry's, or the pinned ones of the same revision; or none."""
    if weights.files:
        return weights.files
    pin = pins.get(name)
    same = pin is not None and (pin.repository, pin.revision) == (weights.repository, weights.revision)
    return pin.files if pin is not None and same else {}


def read_lock(lock: Path) -> dict[str, Pin]:
    """The pinned sums, by name; raises ArtifactError where the file is there and can't be read."""
    try:
        return msgspec.json.decode(lock.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactError(f"{lock} can't be read ({error}); restore it: it says which weights you trusted") from error


def is_open(licence: str) -> bool:
    """Whether a licence is known to allow any use."""
    return licence in OPEN_LICENCES


def sum_of(path: Path) -> FileSum:
    """SHA-256 and size of a file of any size."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return FileSum(sha256=digest.hexdigest(), size_bytes=size)


def _check_licence(name: str, weights: LmWeights, consent: Consent, progress: Callable[[str], None]) -> None:
    if not weights.licence.strip() or weights.licence.strip().casefold() in {"unknown", "other", "none"}:
        raise UsageError(
            f"the licence of {name} is not known, so that nobody can say what the weights may be used for; "
            "find it out and name it in [[training.base_weights]] licence"
        )
    progress(f"{name} is under {weights.licence}" + (f": {weights.licence_note}" if weights.licence_note else ""))
    if not is_open(weights.licence) and consent.licence != weights.licence:
        raise UsageError(
            f"{weights.licence} is not known to allow any use: read it where {weights.repository or name} is "
            f"published, then say --accept-licence {json.dumps(weights.licence)}"
        )


def _is_there(directory: Path, weights: LmWeights, expected: Mapping[str, FileSum]) -> bool:
    try:
        found = read_lm(directory)
    except ArtifactError:
        return False
    # Without sums registered or pinned the directory's own card is no evidence.
    return bool(expected) and found.card.files == expected and found.card.revision == weights.revision


def _checked(directory: Path, expected: Mapping[str, FileSum], progress: Callable[[str], None]) -> dict[str, FileSum]:
    progress("computing SHA-256 sums")
    sums = {path.name: sum_of(path) for path in sorted(directory.iterdir()) if path.is_file()}
    for name, wanted in expected.items():
        if name not in sums:
            raise WeightsUnavailable(f"refused: {name} is missing")
        # A size of 0 stands for one that is not known.
        if sums[name].sha256 != wanted.sha256:
            raise WeightsUnavailable(
                f"refused {name}: its SHA-256 is {sums[name].sha256}, and {wanted.sha256} was registered or pinned"
            )
    return {name: found for name, found in sums.items() if not expected or name in expected}


def _check_complete(directory: Path, sums: Mapping[str, FileSum]) -> None:
    """Raises WeightsUnavailable where the files are no whole model."""
    for name in (CONFIG_FILE, TOKENIZER_FILE):
        if name not in sums:
            raise WeightsUnavailable(f"there is no {name} among the files: this is no language model to be tuned")
    shards = {name for name in sums if name.endswith(".safetensors")}
    if not shards:
        raise WeightsUnavailable(
            "there are no .safetensors among the files; other formats can hold code and are not read"
        )
    if INDEX_FILE in sums:
        try:
            listed = set(json.loads((directory / INDEX_FILE).read_bytes())["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise WeightsUnavailable(f"{INDEX_FILE} can't be understood: {error}") from error
        if listed - shards:
            raise WeightsUnavailable(f"shards are missing: {', '.join(sorted(listed - shards))}")


def _write_lock(lock: Path, pins: Mapping[str, Pin]) -> None:
    content = msgspec.json.format(msgspec.json.encode(dict(sorted(pins.items()))), indent=1) + b"\n"
    draft = lock.with_name(f".{lock.name}.draft")
    draft.write_bytes(content)
    draft.replace(lock)
