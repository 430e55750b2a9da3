"""What is sealed can be read by nobody without the key, and what is erased stays erased, on both databases."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.conftest import CONTENT_KEY
from tests.fakes import (
    NOON,
    a_call,
    a_dataset,
    a_request,
    a_response,
    a_score,
    a_task,
    a_version,
    after,
    an_example,
    an_inference,
    some_feedback,
)
from tierwright.core.erasure import Subject
from tierwright.core.errors import Conflict, SettingsError, StoreError, UsageError
from tierwright.core.feedback import ScoreKind
from tierwright.core.ids import DatasetId, DeploymentId, FeedbackId, InferenceId, ScoreId
from tierwright.core.inference import CallRole, Content, Inference
from tierwright.core.privacy import DataClass
from tierwright.core.second import SecondAnswer
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.store.sql import SqlStore

#: What nobody must find once Ada is erased.
SECRET = "the-secret-of-ada"
ADA = Subject(client_id="helpdesk", name="ada@example.org")


def asked_by(
    person: str | None, inference_id: str, *, text: str = SECRET, minutes: int = 0, **changes: object
) -> Inference:
    """A request in which a caller names a person."""
    named = {} if person is None else {"user": person}
    return replace(
        an_inference(
            id=InferenceId(inference_id),
            client_id=ADA.client_id,
            created_at=after(60 * minutes),
            request=a_request(text, **named),
            response=a_response(f"answer to {text}"),
        ),
        **changes,  # type: ignore[arg-type]  # a test names fields that there are
    )


@pytest.fixture(params=["sqlite", "postgres"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Where the content and where the register is."""
    register = f"sqlite:///{tmp_path / 'keys.db'}"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}", register
    # As it is without further settings: the register's tables lie beside the store's.
    url: str = request.getfixturevalue("postgres_url")
    return url, url


@pytest.fixture(params=["sealed", "plain"])
def erasable(request: pytest.FixtureRequest, urls: tuple[str, str]) -> Iterator[SqlStore]:
    """An empty store with a register, with a content key and without one."""
    key = CONTENT_KEY if request.param == "sealed" else None
    store = open_store(urls[0], register_url=urls[1], content_key=key)
    yield store
    store.close()


def fill(store: SqlStore) -> None:
    """Ada's two requests and what came of them; one request of Bob's, and one that names nobody."""
    store.put_task(a_task())
    store.append(
        [
            asked_by(ADA.name, "i1", minutes=1),
            asked_by(ADA.name, "i2", minutes=2),
            asked_by("bob", "i3", text="hello of bob", minutes=3),
            asked_by(None, "i4", text="hello of nobody", minutes=4),
        ]
    )
    store.add_feedback([some_feedback(id=FeedbackId("f1"), inference_id=InferenceId("i1"), output=SECRET)])
    store.add_feedback([some_feedback(id=FeedbackId("f3"), inference_id=InferenceId("i3"), output="right for bob")])
    store.add_scores(
        [
            a_score(
                id=ScoreId("s1"),
                inference_id=InferenceId("i2"),
                kind=ScoreKind.TEXT,
                number=None,
                text=SECRET,
                comment=SECRET,
            )
        ]
    )
    store.add_second_answers(
        [
            SecondAnswer(
                inference_id=InferenceId("i2"),
                call=a_call(role=CallRole.AUDIT, answered=False),
                deployment_id=DeploymentId("d"),
                propensity=0.5,
                confidence=None,
                output=SECRET,
                agrees=True,
            )
        ]
    )
    bobs = an_example(id=InferenceId("i3"), input="hello of bob", sources=(InferenceId("i3"),))
    # Ada asked the same as somebody before her: her request is among the sources, and not the example's name.
    shared = an_example(id=InferenceId("i4"), input=SECRET, sources=(InferenceId("i4"), InferenceId("i1")))
    store.add_dataset(a_dataset(), [bobs, shared])
    store.add_version(a_version())


def test_erasing_a_person_removes_all_of_theirs_and_nothing_else(erasable: SqlStore) -> None:
    """Contents, words, second answers and examples go; other people's stay; the ledger stays; models are named."""
    fill(erasable)
    found = erasable.erase([ADA], [], at=after(600), dry_run=True)
    assert erasable.get(InferenceId("i1")).request is not None
    done = erasable.erase([ADA], [], at=after(600))
    assert replace(done, keys=found.keys) == found
    assert set(done.inferences) == {"i1", "i2"}
    assert (done.contents, done.feedback, done.scores, done.second_answers) == (2, 1, 1, 1)
    assert done.examples == {a_dataset().id: 1}
    assert done.models == (a_version().id,)
    erased = erasable.get(InferenceId("i1"))
    assert (erased.request, erased.response, erased.content, erased.subject) == (None, None, Content.ERASED, None)
    assert erased.calls == asked_by(ADA.name, "i1", minutes=1).calls
    assert erasable.get(InferenceId("i3")).request == a_request("hello of bob", user="bob")
    assert [one.id for one in erasable.examples(a_dataset().id)] == ["i3"]
    assert erasable.dataset(a_dataset().id).erased == 1
    assert set(erasable.feedback_of_task(a_task().id)) <= {"i3"}
    assert erasable.scores_of([InferenceId("i2")]) == []


def test_erasing_twice_does_nothing_more(erasable: SqlStore) -> None:
    """An erasure is idempotent."""
    fill(erasable)
    erasable.erase([ADA], [], at=after(600))
    again = erasable.erase([ADA], [], at=after(601))
    assert (again.inferences, again.contents, again.examples, again.models, again.keys) == ((), 0, {}, (), 0)


def test_erasing_a_request_leaves_the_persons_others(erasable: SqlStore) -> None:
    """A request can be erased alone."""
    fill(erasable)
    done = erasable.erase([], [InferenceId("i2")], at=after(600))
    assert done.inferences == ("i2",)
    assert erasable.get(InferenceId("i2")).request is None
    assert erasable.get(InferenceId("i1")).request == a_request(SECRET, user=ADA.name)


def test_what_was_erased_does_not_come_back(erasable: SqlStore) -> None:
    """Old journals and logs bring back a line of the ledger and no content; what is said of it is passed over."""
    fill(erasable)
    erasable.erase([ADA], [InferenceId("not-here-yet")], at=after(600))
    late = asked_by(ADA.name, "i5", minutes=5)
    erasable.append([late, asked_by(None, "not-here-yet", minutes=20)])
    erasable.add_feedback([some_feedback(id=FeedbackId("f9"), inference_id=InferenceId("i1"), output=SECRET)])
    erasable.add_scores([a_score(id=ScoreId("s9"), inference_id=InferenceId("i5"), comment=SECRET)])
    for name in ("i5", "not-here-yet"):
        kept = erasable.get(InferenceId(name))
        assert (kept.request, kept.response, kept.content) == (None, None, Content.ERASED)
    assert erasable.scores_of([InferenceId("i5")]) == []
    assert "i1" not in erasable.feedback_of_task(a_task().id)


def test_a_person_who_comes_back_is_a_customer_like_any_other(erasable: SqlStore) -> None:
    """What is asked after the erasure is kept, under a new key."""
    fill(erasable)
    erasable.erase([ADA], [], at=after(600))
    erasable.append([asked_by(ADA.name, "i6", text="new", minutes=30)])
    assert erasable.get(InferenceId("i6")).request == a_request("new", user=ADA.name)


def test_a_header_names_a_person_too(erasable: SqlStore) -> None:
    """A subject that the request does not name is kept as a hash, and erased by its name."""
    erasable.append([asked_by(None, "i1", subject=ADA.name), asked_by(None, "i2", minutes=1)])
    kept = erasable.get(InferenceId("i1")).subject
    assert kept is not None
    assert ADA.name not in kept
    assert erasable.erase([ADA], [], at=after(600)).inferences == ("i1",)


def test_two_callers_mean_two_people(erasable: SqlStore) -> None:
    """The same name from another caller is somebody else."""
    other = asked_by(ADA.name, "other", minutes=1)
    erasable.append([asked_by(ADA.name, "i1"), replace(other, client_id="sales")])
    assert erasable.clients() == ["helpdesk", "sales"]
    assert erasable.erase([ADA], [], at=after(600)).inferences == ("i1",)


def test_a_dataset_of_what_was_erased_meanwhile_is_refused(erasable: SqlStore) -> None:
    """Examples that were read before an erasure are not kept after it."""
    fill(erasable)
    erasable.erase([ADA], [], at=after(600))
    built = an_example(id=InferenceId("i4"), input=SECRET, sources=(InferenceId("i4"), InferenceId("i1")))
    with pytest.raises(Conflict, match="erased"):
        erasable.add_dataset(a_dataset(id=DatasetId("dataset_later")), [built])


def test_a_restored_backup_loses_what_was_erased_once_more(urls: tuple[str, str], tmp_path: Path) -> None:
    """The register outlives the store: what was erased is removed again, by one command."""
    if not urls[0].startswith("sqlite"):
        pytest.skip("the copy of a file stands for a backup")
    store = open_store(urls[0], register_url=urls[1])
    fill(store)
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(tmp_path / "store.db")) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)
    store.erase([ADA], [], at=after(600))
    store.close()
    restored = open_store(f"sqlite:///{backup}", register_url=urls[1])
    assert restored.get(InferenceId("i1")).request is not None
    assert set(restored.erase_again(at=after(700)).inferences) == {"i1", "i2"}
    assert restored.get(InferenceId("i1")).request is None
    restored.close()


def test_without_a_register_nothing_is_erased(store_url: str) -> None:
    """An erasure that could not be remembered is refused."""
    with closing(open_store(store_url)) as store, pytest.raises(UsageError, match=r"\[privacy\]"):
        store.erase([ADA], [], at=NOON)


class TestSealed:
    """With a content key."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqlStore]:
        """A sealed store with Ada's and Bob's requests in it."""
        with closing(opened(tmp_path)) as store:
            fill(store)
            yield store

    def test_no_byte_of_content_is_in_the_files(self, store: SqlStore, tmp_path: Path) -> None:
        """What is sealed can be read in no file, the write-ahead log among them."""
        assert store.get(InferenceId("i1")).request == a_request(SECRET, user=ADA.name)
        store.close()
        for file in tmp_path.iterdir():
            held = file.read_bytes()
            assert SECRET.encode() not in held, file.name
            assert ADA.name.encode() not in held, file.name

    def test_a_backup_cannot_be_read_once_the_key_is_destroyed(self, store: SqlStore, tmp_path: Path) -> None:
        """A copy of the store made before the erasure holds the ciphertext, and nobody can open it."""
        backup = tmp_path / "backup.db"
        with closing(sqlite3.connect(tmp_path / "store.db")) as live, closing(sqlite3.connect(backup)) as copy:
            live.backup(copy)
        assert store.erase([ADA], [], at=after(600)).keys == 1
        with closing(opened(tmp_path, name="backup.db")) as restored:
            erased = restored.get(InferenceId("i1"))
            assert (erased.request, erased.content) == (None, Content.ERASED)
            assert restored.get(InferenceId("i3")).request == a_request("hello of bob", user="bob")
            assert [one.id for one in restored.scan()] == ["i1", "i2", "i3", "i4"]
            assert [kept.id for kept in restored.contents([InferenceId("i1"), InferenceId("i3")])] == ["i3"]
            assert "i1" not in restored.feedback_of_task(a_task().id)

    def test_the_wrapped_key_is_in_no_file_after_the_erasure(self, store: SqlStore, tmp_path: Path) -> None:
        """What the content key could unwrap is overwritten, in the register and in its log."""
        with closing(sqlite3.connect(tmp_path / "keys.db")) as register:
            rows = register.execute("SELECT wrapped FROM content_keys WHERE label LIKE 'subject:%'").fetchall()
        store.erase([ADA], [], at=after(600))
        held = [file.read_bytes() for file in tmp_path.glob("keys.db*")]
        gone = [wrapped for (wrapped,) in rows if not any(wrapped in bytes_ for bytes_ in held)]
        assert len(gone) == 1

    def test_another_key_is_an_error_and_never_garbage(self, store: SqlStore, tmp_path: Path) -> None:
        """The wrong key, or none, says what is wrong."""
        store.close()
        with pytest.raises(SettingsError, match="content_key is not the key"):
            opened(tmp_path, key=bytes(32))
        with pytest.raises(SettingsError, match="content_key is empty"):
            opened(tmp_path, key=None)
        with (
            closing(open_store(f"sqlite:///{tmp_path / 'store.db'}")) as bare,
            pytest.raises(StoreError, match="sealed"),
        ):
            bare.get(InferenceId("i1"))

    def test_a_lost_register_is_an_error(self, store: SqlStore, tmp_path: Path) -> None:
        """Content whose key nobody knows is not taken for erased."""
        store.close()
        with (
            closing(opened(tmp_path, register="other.db")) as other,
            pytest.raises(StoreError, match="not in the register"),
        ):
            other.get(InferenceId("i1"))

    def test_content_is_bound_to_its_row(self, store: SqlStore, tmp_path: Path) -> None:
        """Ciphertext that was moved to another row of the same person is refused, and so is a flipped bit."""
        with closing(sqlite3.connect(tmp_path / "store.db")) as raw, raw:
            raw.execute("UPDATE contents SET request = (SELECT request FROM contents WHERE inference_id = 'i1')")
        assert store.get(InferenceId("i1")).request is not None
        with pytest.raises(StoreError, match=r"contents\.request/i2 was changed"):
            store.get(InferenceId("i2"))

    def test_what_was_kept_before_there_was_a_key_stays_readable(self, tmp_path: Path) -> None:
        """A store can be sealed from some day on; erasure finds people in what was kept before."""
        with closing(open_store(f"sqlite:///{tmp_path / 'store.db'}")) as before:
            before.append([asked_by(ADA.name, "old"), asked_by("bob", "bobs", text="hello", minutes=1)])
        with closing(opened(tmp_path)) as store:
            store.append([asked_by(ADA.name, "new", minutes=2)])
            assert [one.request is not None for one in store.scan()] == [True, True, True]
            assert set(store.erase([ADA], [], at=after(600)).inferences) == {"old", "new"}
            store.close()
            assert SECRET.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())

    def test_a_new_content_key_opens_all_that_the_old_one_did(self, store: SqlStore, tmp_path: Path) -> None:
        """Rotation wraps keys anew and leaves content as it is; the old key is good for nothing afterwards."""
        new = bytes(reversed(range(32)))
        assert store.rotate_content_key(new) >= 3
        assert store.get(InferenceId("i1")).request is not None
        store.close()
        with closing(opened(tmp_path, key=new)) as again:
            assert again.get(InferenceId("i1")).request == a_request(SECRET, user=ADA.name)
            assert again.erase([ADA], [], at=after(600)).contents == 2
        with pytest.raises(SettingsError):
            opened(tmp_path)

    def test_the_keys_of_days_are_destroyed_when_their_content_has_expired(
        self, store: SqlStore, tmp_path: Path
    ) -> None:
        """What names nobody can't be read in backups that are older than the retention."""
        backup = tmp_path / "backup.db"
        with closing(sqlite3.connect(tmp_path / "store.db")) as live, closing(sqlite3.connect(backup)) as copy:
            live.backup(copy)
        later = after(3 * 24 * 3600)
        assert store.expire_keys(after(0)) == 0
        assert store.expire_content(later) == 4
        assert store.expire_keys(later) == 1
        with closing(opened(tmp_path, name="backup.db")) as restored:
            assert restored.get(InferenceId("i4")).request is None
            # Bob's is his own, and is destroyed with an erasure.
            assert restored.get(InferenceId("i3")).request is not None


def test_retention_by_class_removes_no_other(erasable: SqlStore) -> None:
    """Content of some classes expires earlier, and what has no class counts where it is said to."""
    by_class = {"p": DataClass.PUBLIC, "r": DataClass.RESTRICTED, "n": None}
    erasable.append([asked_by(None, name, data_class=data_class) for name, data_class in by_class.items()])
    assert erasable.expire_content(after(60), classes={DataClass.RESTRICTED}) == 1
    assert erasable.expire_content(after(60), classes={DataClass.RESTRICTED}) == 0
    assert {one.id: one.content for one in erasable.scan()} == {
        "p": Content.KEPT,
        "r": Content.EXPIRED,
        "n": Content.KEPT,
    }
    assert erasable.expire_content(after(60), classes={DataClass.INTERNAL, None}) == 1
    assert erasable.get(InferenceId("n")).content is Content.EXPIRED


def opened(
    folder: Path, *, name: str = "store.db", register: str = "keys.db", key: bytes | None = CONTENT_KEY
) -> SqlStore:
    """The sealed store in a folder."""
    return open_store(f"sqlite:///{folder / name}", register_url=f"sqlite:///{folder / register}", content_key=key)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    owners=st.lists(st.sampled_from(["ada", "bob", "eve", None]), min_size=1, max_size=30),
    sealed=st.booleans(),
)
def test_after_an_erasure_no_byte_of_the_persons_content_is_in_any_file(
    tmp_path_factory: pytest.TempPathFactory, owners: list[str | None], *, sealed: bool
) -> None:
    """Whatever lies beside it: deleted rows are overwritten, the write-ahead log is emptied, others' stay."""
    folder = tmp_path_factory.mktemp("erased")
    with closing(opened(folder, key=CONTENT_KEY if sealed else None)) as store:
        for number, owner in enumerate(owners):
            # Long enough for pages of its own, now and then.
            text = f"{owner}-said-this " * (1 + 200 * (number % 3))
            store.append([asked_by(owner, f"i{number}", text=text, minutes=number)])
        store.erase([Subject(client_id=ADA.client_id, name="ada")], [], at=after(24 * 3600))
        held = b"".join(file.read_bytes() for file in folder.iterdir())
        assert b"ada-said-this" not in held
        kept = [one for one in store.scan() if one.request is not None]
        assert len(kept) == sum(owner != "ada" for owner in owners)
    shutil.rmtree(folder)
