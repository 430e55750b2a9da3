"""What every store promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from sqlalchemy import event

from tests.fakes import (
    NOON,
    a_call,
    a_certificate,
    a_contract,
    a_dataset,
    a_deployment,
    a_frame,
    a_key,
    a_registration,
    a_score,
    a_task,
    a_version,
    after,
    an_estimate,
    an_evaluation,
    an_example,
    an_inference,
    an_outcome,
    inferences,
    some_feedback,
)
from tierwright.core.caller import Limits, Period
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import Split
from tierwright.core.deployment import Stage
from tierwright.core.errors import Conflict, NotFound, StoreError
from tierwright.core.expense import Expense, ExpenseKind, ExpenseSum
from tierwright.core.experiment import SliceFinding
from tierwright.core.feedback import ScoreKind
from tierwright.core.ids import (
    CallerKeyId,
    CertificateId,
    DatasetId,
    DeploymentId,
    EvaluationId,
    ExperimentId,
    FeedbackId,
    InferenceId,
    ModelVersionId,
    ScoreId,
    TaskId,
)
from tierwright.core.inference import CallRole, Content, Inference, Route, RouteReason, Wanted
from tierwright.core.ledger import ModelGap
from tierwright.core.task import Template
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierwright.core.protocols import Store
    from tierwright.store.sql import SqlStore

#: Text no database's text type takes as it is.
STRANGE = "NUL \x00, half a pair \ud83d, both halves \U0001f600, quote ' \" \\ % _ \n"


def escalated(inference_id: str, **changes: Any) -> Inference:
    """An inference answered by the second of two calls."""
    specialist = a_call(
        backend="specialist", model="intent", cost_usd=Decimal("0.000001"), answered=False, prompt_tokens=7
    )
    frontier = a_call(role=CallRole.ESCALATION, cost_usd=Decimal("0.0003"))
    route = Route(
        reason=RouteReason.LOW_CONFIDENCE,
        propensity=0.99,
        deployment_id=DeploymentId("deployment-1"),
        confidence=0.41,
        threshold=0.8,
    )
    return an_inference(id=InferenceId(inference_id), route=route, calls=(specialist, frontier), **changes)


def test_the_sql_store_is_a_store(store: SqlStore) -> None:
    """The class keeps every Protocol at once; the type checker proves it here."""
    united: Store = store
    assert united.count() == 0


class TestInferences:
    """The `InferenceStore` protocol."""

    def test_what_is_appended_comes_back_equal(self, store: SqlStore) -> None:
        """Every field survives, those that are None and those that are not."""
        full = escalated(
            "full",
            workload_id="nightly",
            task_id=TaskId("task-1"),
            error_code="upstream_timeout",
            status=504,
            streamed=True,
            created_at=datetime(2025, 9, 1, 12, 0, 0, 123457, tzinfo=UTC),
        )
        bare = an_inference(
            id=InferenceId("bare"), calls=(), latency_ms=None, overhead_ms=None, request=None, response=None
        )
        sparse = an_inference(
            id=InferenceId("sparse"),
            response=None,
            calls=(
                a_call(
                    upstream_id=None,
                    latency_ms=None,
                    status=None,
                    error_code="refused",
                    prompt_tokens=None,
                    completion_tokens=None,
                    cached_tokens=None,
                    cost_usd=None,
                    answered=False,
                    model_version_id=ModelVersionId("abc"),
                ),
            ),
        )
        assert store.append([full, bare, sparse]) == 3
        assert [store.get(InferenceId(name)) for name in ("full", "bare", "sparse")] == [full, bare, sparse]
        assert list(store.scan()) == [bare, sparse, full]

    def test_contents_come_back_to_the_byte(self, store: SqlStore) -> None:
        """A body is kept as sent, whatever bytes it has, empty ones too."""
        body = bytes(range(256)) * 3
        store.append([an_inference(request=body, response=b"")])
        found = store.get(InferenceId("chatcmpl-1"))
        assert (found.request, found.response) == (body, b"")

    def test_instants_come_back_in_utc(self, store: SqlStore) -> None:
        """An instant given in another zone is the same instant in UTC."""
        zone = timezone(timedelta(hours=5, minutes=30))
        store.append([an_inference(created_at=NOON.astimezone(zone))])
        found = store.get(InferenceId("chatcmpl-1")).created_at
        assert (found, found.utcoffset()) == (NOON, timedelta(0))

    def test_a_known_id_is_left_as_it_is(self, store: SqlStore) -> None:
        """A second append of an id counts nothing and changes neither ledger, calls nor content."""
        first = an_inference()
        other = an_inference(client_id="other", request=b"{}", calls=(a_call(), a_call(role=CallRole.FALLBACK)))
        assert store.append([first]) == 1
        assert store.append([other, an_inference(id=InferenceId("new"))]) == 1
        assert store.get(first.id) == first
        assert store.count() == 2

    def test_a_known_id_gets_no_content_later(self, store: SqlStore) -> None:
        """Content that was not kept at first is not added by a repetition."""
        bare = an_inference(request=None, response=None)
        store.append([bare])
        assert store.append([an_inference()]) == 0
        assert store.get(bare.id) == bare

    def test_an_id_twice_in_one_call_is_the_first(self, store: SqlStore) -> None:
        """Of two with one id in a batch the first is kept."""
        first = an_inference(client_id="first")
        assert store.append([first, an_inference(client_id="second")]) == 1
        assert store.get(first.id) == first

    def test_an_empty_append_is_nothing(self, store: SqlStore) -> None:
        """No inferences, none new."""
        assert store.append([]) == 0

    def test_a_batch_with_an_impossible_value_is_not_kept_at_all(self, store: SqlStore) -> None:
        """All or none: a number of more than 64 bits in the last call undoes the whole batch."""
        bad = an_inference(id=InferenceId("z"), calls=(a_call(prompt_tokens=2**70),))
        with pytest.raises(StoreError, match="64 bits"):
            store.append([*inferences(5), bad])
        assert store.count() == 0
        assert store.append(inferences(5)) == 5

    def test_names_no_database_can_hold_cost_no_batch(self, store: SqlStore) -> None:
        """A caller's strange name is kept with what can't be held replaced, and found by its own id."""
        strange = an_inference(
            id=InferenceId("id\x00"), client_id="a\x00b", workload_id="\ud800", model="é\U0001f600\t'"
        )
        assert store.append([strange, an_inference()]) == 2
        found = store.get(InferenceId("id\x00"))
        assert (found.client_id, found.workload_id, found.model) == ("a�b", "�", "é\U0001f600\t'")

    def test_more_than_one_page_of_a_statement(self, store: SqlStore) -> None:
        """A call with thousands of inferences is one transaction like any other."""
        assert store.append(inferences(3000)) == 3000
        assert store.append(inferences(3001)) == 1

    def test_owners_are_told_of_those_that_there_are(self, store: SqlStore) -> None:
        """By id; what is unknown is left out, and asking for nothing or for many is fine."""
        store.append([*inferences(2, client_id="shop"), *inferences(1, prefix="j", client_id="desk")])
        asked = [InferenceId(name) for name in ("i-000000", "i-000001", "j-000000", "x")]
        assert store.owners(asked) == {"i-000000": "shop", "i-000001": "shop", "j-000000": "desk"}
        assert store.known(asked) == set(asked[:3])
        assert store.owners([]) == {}
        assert len(store.owners([*asked, *(InferenceId(f"n-{number}") for number in range(40_000))])) == 3

    def test_those_there_are_come_whole(self, store: SqlStore) -> None:
        """By id, with calls and content; what is unknown is left out."""
        kept = [*inferences(2), an_inference(request=None, response=None)]
        store.append(kept)
        asked = [*(inference.id for inference in kept), InferenceId("nowhere")]
        assert store.found(asked) == {inference.id: inference for inference in kept}
        assert store.found([]) == {}

    def test_an_unknown_id_is_not_found(self, store: SqlStore) -> None:
        """The message names the id."""
        with pytest.raises(NotFound, match="nowhere"):
            store.get(InferenceId("nowhere"))

    @pytest.mark.parametrize("batch", [1, 2, 3, 7, 100, 1_000_000])
    def test_scan_finds_each_once_in_order(self, store: SqlStore, batch: int) -> None:
        """Whatever the size of a page, also where many share one instant across page boundaries."""
        at_once = [an_inference(id=InferenceId(name)) for name in ("b", "Z", "a", "é", "_", "-", "10", "9")]
        later = inferences(6)
        store.append(list(reversed(later)) + at_once)
        expected = sorted(at_once + later, key=lambda inference: (inference.created_at, inference.id))
        assert list(store.scan(batch=batch)) == expected

    def test_scan_holds_to_its_limits(self, store: SqlStore) -> None:
        """`since` is included, `until` is not, and a task leaves the others out."""
        found = inferences(6)
        store.append(found)
        store.assign([(found[2].id, TaskId("t")), (found[5].id, TaskId("t"))])
        assert [i.id for i in store.scan(since=after(2), until=after(4), batch=1)] == [found[2].id, found[3].id]
        assert [i.id for i in store.scan(task_id=TaskId("t"), batch=1)] == [found[2].id, found[5].id]
        assert [i.id for i in store.scan(task_id=TaskId("t"), since=after(3))] == [found[5].id]
        assert list(store.scan(task_id=TaskId("u"))) == []

    def test_scan_reads_a_page_in_two_queries(self, store: SqlStore) -> None:
        """However many inferences and calls: no query for each row."""
        store.append([escalated(f"e{number}") for number in range(40)])
        with Statements(store) as statements:
            assert len(list(store.scan(batch=20))) == 40
        # Two full pages and the look behind the last one.
        assert len(statements.reads) <= 2 * 2 + 1

    def test_scan_holds_no_transaction_while_it_is_looked_at(self, store: SqlStore) -> None:
        """A consumer may write while it scans, and what it appends further on is found."""
        store.append(inferences(4))
        seen = []
        for inference in store.scan(batch=2):
            seen.append(inference.id)
            if len(seen) == 1:
                store.append([an_inference(id=InferenceId("late"), created_at=after(100))])
                store.assign([(inference.id, TaskId("t"))])
        assert len(seen) == 5
        assert seen[-1] == "late"

    def test_a_batch_of_none_is_refused(self, store: SqlStore) -> None:
        """At once, not at the first inference."""
        with pytest.raises(ValueError, match="at least one"):
            store.scan(batch=0)

    def test_latest_gives_the_newest_first(self, store: SqlStore) -> None:
        """By time, then id; no more than were asked for, with their calls and, unless wanted, without content."""
        one, two = (escalated(name, created_at=after(9)) for name in ("a", "b"))
        store.append([one, *inferences(3), two])
        assert [found.id for found in store.latest(3)] == ["b", "a", "i-000002"]
        assert store.latest(2) == [replace(found, request=None, response=None) for found in (two, one)]
        assert store.latest(2, content=True) == [two, one]
        assert len(store.latest(100)) == 5

    def test_latest_finds_what_is_wanted(self, store: SqlStore) -> None:
        """By task, caller, model and whether it went wrong, alone and together."""
        store.append(
            [
                an_inference(id=InferenceId("task"), task_id=TaskId("t")),
                an_inference(id=InferenceId("client"), client_id=STRANGE),
                an_inference(id=InferenceId("model"), model="o3"),
                an_inference(id=InferenceId("refused"), status=429, model="o3"),
                an_inference(id=InferenceId("cut"), error_code="upstream_lost"),
            ]
        )
        for wanted, expected in (
            (Wanted(task_id=TaskId("t")), {"task"}),
            (Wanted(client_id=STRANGE), {"client"}),
            (Wanted(model="o3"), {"model", "refused"}),
            (Wanted(errors=True), {"refused", "cut"}),
            (Wanted(errors=True, model="o3"), {"refused"}),
            (Wanted(task_id=TaskId("t"), errors=True), set()),
        ):
            assert {found.id for found in store.latest(10, wanted=wanted)} == expected

    def test_latest_holds_to_its_instants(self, store: SqlStore) -> None:
        """`since` is about the beginning and `ended_since` about the end; both are included."""
        store.append(
            [
                an_inference(id=InferenceId("long"), created_at=after(0), latency_ms=60_000.0),
                an_inference(id=InferenceId("short"), created_at=after(30), latency_ms=1_000.0),
                an_inference(id=InferenceId("unknown"), created_at=after(61), latency_ms=None),
            ]
        )

        def found(**limits: datetime) -> list[str]:
            return [inference.id for inference in store.latest(10, **limits)]

        assert found(since=after(30)) == ["unknown", "short"]
        assert found(ended_since=after(60)) == ["unknown", "long"]
        assert found(since=after(1), ended_since=after(60)) == ["unknown"]
        assert found(ended_since=after(60) + timedelta(milliseconds=1)) == ["unknown"]
        assert found(ended_since=after(62)) == []

    def test_latest_of_none_is_refused(self, store: SqlStore) -> None:
        """Zero and less are mistakes of a program."""
        with pytest.raises(ValueError, match="at least one"):
            store.latest(0)

    @pytest.mark.parametrize(
        ("wanted", "index"),
        [
            (Wanted(), "ix_inferences_created_at_us_id"),
            (Wanted(client_id="a", errors=True), "ix_inferences_created_at_us_id"),
            (Wanted(task_id=TaskId("t")), "ix_inferences_task_id_created_at_us_id"),
        ],
    )
    def test_latest_goes_by_an_index(self, tmp_path: Path, wanted: Wanted, index: str) -> None:
        """SQLite says that it walks an index and sorts nothing, so that the newest are there at once."""
        store = open_store(f"sqlite:///{tmp_path / 'plan.db'}")
        with Statements(store) as statements:
            store.latest(10, wanted=wanted, since=NOON, ended_since=NOON)
        (statement,) = statements.reads
        plan = planned(store, statement)
        store.close()
        assert index in plan
        assert "TEMP B-TREE" not in plan

    def test_assign_sets_replaces_and_clears(self, store: SqlStore) -> None:
        """The last word on an inference counts, None takes it out, an unknown one is passed over."""
        store.append(inferences(3))
        first, second, third = (InferenceId(f"i-{number:06d}") for number in range(3))
        store.assign([(first, TaskId("a")), (second, TaskId("a")), (InferenceId("nowhere"), TaskId("a"))])
        store.assign(iter([(second, TaskId("b")), (first, None), (third, TaskId("a")), (third, TaskId("b"))]))
        assert [i.task_id for i in store.scan()] == [None, "b", "b"]

    def test_assign_takes_more_than_one_batch(self, store: SqlStore) -> None:
        """An endless supply is taken in parts and nothing is missed."""
        store.append(inferences(4500))
        store.assign((InferenceId(f"i-{number:06d}"), TaskId("t")) for number in range(4500))
        assert sum(1 for _ in store.scan(task_id=TaskId("t"))) == 4500

    def test_two_threads_append_at_once(self, store: SqlStore) -> None:
        """Overlapping batches from two threads: each inference is kept once and counted as new once."""
        everything = inferences(600)
        new: list[int] = []
        errors: list[BaseException] = []

        def write(batches: Iterable[list[Inference]]) -> None:
            try:
                new.extend(store.append(batch) for batch in batches)
            except BaseException as error:  # noqa: BLE001 - handed to the test
                errors.append(error)

        forwards = [everything[start : start + 20] for start in range(0, 600, 20)]
        backwards = [list(reversed(batch)) for batch in reversed(forwards)]
        threads = [threading.Thread(target=write, args=(batches,)) for batches in (forwards, backwards)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert sum(new) == 600
        assert list(store.scan()) == everything


class TestFeedback:
    """The `FeedbackStore` protocol."""

    def test_feedback_may_precede_its_inference(self, store: SqlStore) -> None:
        """It is kept, belongs to no task yet, and is found once the inference is there and assigned."""
        word = some_feedback(output=STRANGE)
        assert store.add_feedback([word]) == 1
        assert store.feedback_of_task(TaskId("task-1")) == {}
        store.append([an_inference(task_id=TaskId("task-1"))])
        assert store.feedback_of_task(TaskId("task-1")) == {word.inference_id: word}

    def test_the_same_word_counts_once(self, store: SqlStore) -> None:
        """By its id, within one call and across calls."""
        word, other = some_feedback(), some_feedback(id=FeedbackId("feedback-2"), author=None)
        assert store.add_feedback([word, word]) == 1
        assert store.add_feedback([word, other]) == 1
        assert store.add_feedback([]) == 0

    def test_the_newest_word_on_an_inference_counts(self, store: SqlStore) -> None:
        """By when it was said, not by when it was added."""
        store.append([an_inference(task_id=TaskId("t")), an_inference(id=InferenceId("x"), task_id=TaskId("t"))])
        new = some_feedback(id=FeedbackId("n"), output="new", created_at=after(60))
        old = some_feedback(id=FeedbackId("o"), output="old", created_at=after(30))
        store.add_feedback([new])
        store.add_feedback([old])
        assert store.feedback_of_task(TaskId("t")) == {new.inference_id: new}

    def test_every_kind_of_score_comes_back_equal(self, store: SqlStore) -> None:
        """A number, a yes, a class and a remark keep value, comment and author, the oldest first."""
        kinds = [
            a_score(id=ScoreId("d"), number=-0.125, comment=STRANGE),
            a_score(id=ScoreId("c"), kind=ScoreKind.BOOLEAN, number=1.0, author=None, created_at=after(1)),
            a_score(id=ScoreId("b"), kind=ScoreKind.CATEGORICAL, number=None, text="good", created_at=after(2)),
            a_score(id=ScoreId("a"), kind=ScoreKind.TEXT, number=None, text=STRANGE, created_at=after(3)),
        ]
        assert store.add_scores(kinds[::-1]) == 4
        assert store.scores_of([InferenceId("chatcmpl-1")]) == kinds
        assert store.scores_of([InferenceId("other")]) == store.scores_of([]) == []

    def test_the_same_score_counts_once(self, store: SqlStore) -> None:
        """By its id, within one call and across calls; the first is kept."""
        score = a_score()
        assert store.add_scores([score, a_score(number=0.0)]) == 1
        assert store.add_scores([a_score(number=0.1), a_score(id=ScoreId("other"))]) == 1
        assert store.add_scores([]) == 0
        assert [found.number for found in store.scores_of([score.inference_id, score.inference_id])] == [0.75, 0.75]

    def test_scores_may_precede_their_inference(self, store: SqlStore) -> None:
        """They are kept, and belong to the task once the inference is there and assigned."""
        score = a_score()
        store.add_scores([score, a_score(id=ScoreId("x"), inference_id=InferenceId("x"))])
        assert store.scores_of_task(TaskId("t")) == []
        store.append([an_inference(task_id=TaskId("t"))])
        assert store.scores_of_task(TaskId("t")) == [score]

    def test_scores_of_many_inferences(self, store: SqlStore) -> None:
        """More ids than a statement may have parameters are asked for in parts."""
        many = [
            a_score(id=ScoreId(f"s{number:04d}"), inference_id=InferenceId(f"i{number}"), created_at=after(number))
            for number in range(1_100)
        ]
        store.add_scores(many)
        assert store.scores_of([score.inference_id for score in many]) == many


class TestTasks:
    """The `TaskStore` protocol and the revision."""

    def test_a_task_comes_back_equal(self, store: SqlStore) -> None:
        """With every kind of contract and literals no text column could hold."""
        style = JsonStyle(item_separator=",", indent=2, prefix="```json\n", suffix="\n```")
        fields = (FieldSpec(name="intent", values=("a", 1, 2.5, True, None, "1")), FieldSpec(name="spans", many=True))
        full = a_task(
            name="fields",
            contract=OutputContract(kind=ContractKind.FIELDS, fields=fields, style=style),
            frames=(
                a_frame(),
                a_frame(user=Template(literals=(STRANGE, "", "end")), tools=("t",), response_format="{}"),
            ),
            named_by_person=True,
        )
        store.put_task(full)
        found = store.task("fields")
        assert found == full
        assert [type(value) for value in found.contract.fields[0].values] == [str, int, float, bool, type(None), str]

    def test_putting_replaces(self, store: SqlStore) -> None:
        """The same id is the same task, with its new content."""
        store.put_task(a_task())
        renamed = a_task(name="renamed", contract=a_contract("x", "y"))
        store.put_task(renamed)
        assert store.tasks() == [renamed]

    def test_a_name_belongs_to_one_task(self, store: SqlStore) -> None:
        """Another task of that name is a Conflict, and nothing has changed."""
        store.put_task(a_task())
        before = store.revision()
        with pytest.raises(Conflict, match="card-intent"):
            store.put_task(a_task(id=TaskId("task-2")))
        assert (len(store.tasks()), store.revision()) == (1, before)

    def test_tasks_are_listed_by_name(self, store: SqlStore) -> None:
        """In the order of code points, on every database."""
        for number, name in enumerate(["b", "a", "B", "é"]):
            store.put_task(a_task(id=TaskId(f"t{number}"), name=name))
        assert [task.name for task in store.tasks()] == ["B", "a", "b", "é"]

    def test_an_id_is_meant_before_a_name(self, store: SqlStore) -> None:
        """Where one task is named as another's id, the id wins."""
        store.put_task(a_task(id=TaskId("x"), name="first"))
        store.put_task(a_task(id=TaskId("y"), name="x"))
        assert store.task("x").name == "first"
        assert store.task("first").id == "x"

    def test_an_unknown_task_is_not_found(self, store: SqlStore) -> None:
        """The message names what was asked for."""
        with pytest.raises(NotFound, match="nothing-such"):
            store.task("nothing-such")

    def test_a_removed_task_leaves_its_inferences(self, store: SqlStore) -> None:
        """They belong to no task then."""
        store.put_task(a_task())
        store.append([an_inference(task_id=TaskId("task-1"))])
        store.remove_task(TaskId("task-1"))
        assert store.tasks() == []
        assert store.get(InferenceId("chatcmpl-1")).task_id is None

    def test_a_task_something_was_built_for_stays(self, store: SqlStore) -> None:
        """Removing it is a Conflict that says what there is."""
        store.put_task(a_task())
        store.add_dataset(a_dataset(), [])
        with pytest.raises(Conflict, match="datasets"):
            store.remove_task(TaskId("task-1"))
        assert store.tasks() == [a_task()]

    def test_the_revision_grows_with_tasks_and_deployments_only(self, store: SqlStore) -> None:
        """Each change of what a gateway must know is seen; traffic is not."""
        revisions = [store.revision()]
        ring(store)
        revisions.append(store.revision())
        store.append(inferences(3))
        store.add_feedback([some_feedback()])
        store.assign([(InferenceId("i-000000"), TaskId("task-1"))])
        assert store.revision() == revisions[-1]
        store.add_deployment(a_deployment())
        revisions.append(store.revision())
        store.put_task(a_task(id=TaskId("task-2"), name="other"))
        revisions.append(store.revision())
        store.remove_task(TaskId("task-2"))
        revisions.append(store.revision())
        assert revisions == sorted(set(revisions))


def ring(store: SqlStore) -> None:
    """Keeps what a deployment rests on: task, dataset, model version, evaluation."""
    store.put_task(a_task())
    store.add_dataset(a_dataset(), [an_example()])
    store.add_version(a_version())
    store.add_evaluation(an_evaluation())


class TestEvidence:
    """The `DatasetStore`, `ModelStore`, `EvaluationStore` and `DeploymentStore` protocols."""

    def test_datasets_come_back_equal(self, store: SqlStore) -> None:
        """With their examples in order, whatever their text."""
        store.put_task(a_task())
        examples = [
            an_example(id=InferenceId("z"), input=STRANGE, output="é", occurrences=3),
            an_example(id=InferenceId("a"), split=Split.TEST, incumbent_output=None),
            an_example(id=InferenceId("m"), group=STRANGE.replace("\x00", "").replace("\ud83d", "")),
        ]
        store.add_dataset(a_dataset(), examples)
        assert store.dataset(DatasetId("dataset-1")) == a_dataset()
        assert store.examples(DatasetId("dataset-1")) == examples
        assert store.examples(DatasetId("dataset-1"), Split.TEST) == [examples[1]]
        assert store.examples(DatasetId("nothing")) == []

    def test_a_dataset_never_changes(self, store: SqlStore) -> None:
        """Added again under its id, with whatever content, it stays what it was."""
        store.put_task(a_task())
        store.add_dataset(a_dataset(), [an_example()])
        store.add_dataset(a_dataset(seed=8), [an_example(input="x"), an_example(input="y")])
        assert store.datasets() == [a_dataset()]
        assert store.examples(DatasetId("dataset-1")) == [an_example()]

    def test_a_dataset_and_its_task_are_kept_together(self, store: SqlStore) -> None:
        """Both or neither: where the task's name is taken, there is no dataset either."""
        store.add_dataset(a_dataset(), [an_example()] * 3, task=a_task())
        assert (store.tasks(), store.datasets()) == ([a_task()], [a_dataset()])
        assert store.examples(DatasetId("dataset-1")) == [an_example()] * 3
        other = a_task(id=TaskId("task-2"))
        with pytest.raises(Conflict, match="belongs to task task-1"):
            store.add_dataset(a_dataset(id=DatasetId("dataset-2"), task_id=other.id), [an_example()], task=other)
        assert (store.tasks(), store.datasets()) == ([a_task()], [a_dataset()])

    def test_lists_are_newest_first_and_by_task(self, store: SqlStore) -> None:
        """Datasets, versions, evaluations and deployments alike."""
        ring(store)
        store.put_task(a_task(id=TaskId("task-2"), name="other"))
        other: dict[str, Any] = {"task_id": TaskId("task-2"), "created_at": after(60)}
        datasets = [a_dataset(id=DatasetId("dataset-2"), **other), a_dataset()]
        versions = [a_version(id=ModelVersionId("def"), **other), a_version()]
        evaluations = [an_evaluation(id=EvaluationId("evaluation-2"), **other), an_evaluation()]
        store.add_dataset(datasets[0], [])
        store.add_version(versions[0])
        store.add_evaluation(evaluations[0])
        assert (store.datasets(), store.datasets(TaskId("task-2"))) == (datasets, datasets[:1])
        assert (store.versions(), store.versions(TaskId("task-2"))) == (versions, versions[:1])
        assert (store.evaluations(), store.evaluations(TaskId("task-2"))) == (evaluations, evaluations[:1])
        deployments = [a_deployment(id=DeploymentId("second"), **other), a_deployment()]
        for deployment in reversed(deployments):
            store.add_deployment(deployment)
        assert (store.deployments(), store.deployments(TaskId("task-2"))) == (deployments, deployments[:1])

    def test_a_version_is_found_by_an_unambiguous_prefix(self, store: SqlStore) -> None:
        """A whole id wins over a longer one; letters are told from capitals; nothing is a wildcard."""
        ring(store)
        for name in ("abd", "ab", "zz%"):
            store.add_version(a_version(id=ModelVersionId(name)))
        assert store.version(ModelVersionId("abc")).id == "abc123"
        assert store.version(ModelVersionId("ab")).id == "ab"
        with pytest.raises(NotFound, match=r"abc123.*abd|more digits"):
            store.version(ModelVersionId("a"))
        for absent in ("AB", "z_", "%", "", "abc1234"):
            with pytest.raises(NotFound, match="no model version"):
                store.version(ModelVersionId(absent))

    def test_versions_come_back_equal(self, store: SqlStore) -> None:
        """One that never answers and needs an encoder, with its lineage and metrics."""
        ring(store)
        version = a_version(
            id=ModelVersionId("x"), threshold=None, encoder="fp", metrics={}, path=Path("/a/é"), size_bytes=2**40
        )
        store.add_version(version)
        store.add_version(replace(version, recipe="other"))
        assert store.version(version.id) == version

    def test_evaluations_come_back_equal(self, store: SqlStore) -> None:
        """With all estimates, to the last bit of a float, and without the one there may not be."""
        ring(store)
        odd = an_evaluation(id=EvaluationId("odd"), local_score=None, difference=an_estimate(0.1 + 0.2))
        store.add_evaluation(odd)
        store.add_evaluation(odd)
        assert store.evaluation(EvaluationId("odd")) == odd
        assert store.evaluation(EvaluationId("evaluation-1")) == an_evaluation()
        with pytest.raises(NotFound, match="nothing"):
            store.evaluation(EvaluationId("nothing"))
        with pytest.raises(NotFound, match="nothing"):
            store.dataset(DatasetId("nothing"))

    def test_experiments_come_back_equal(self, store: SqlStore) -> None:
        """With candidates, plans and numbers to the last bit; what is there already stays as it is."""
        ring(store)
        first = a_registration(margin=0.1 + 0.2, slot_margin=0.05, implicit=True)
        later = a_registration(id=ExperimentId("later"), created_at=after(0.000001), plans=())
        for registration in (first, later, replace(first, margin=0.5)):
            store.add_experiment(registration)
        assert store.experiment(ExperimentId("experiment-1")) == first
        assert (store.experiments(), store.experiments(TaskId("other"))) == ([later, first], [])
        with pytest.raises(NotFound, match="nothing"):
            store.experiment(ExperimentId("nothing"))

    def test_outcomes_are_kept_with_their_evaluation(self, store: SqlStore) -> None:
        """In order, with slices; the same evaluation again adds none, and an old one has none."""
        ring(store)
        found = [
            an_outcome(1, confidence=0.1 + 0.2, slices={}),
            an_outcome(0, local=False, candidate=(1.0, 2.5), baseline=(0.0, 3.0), candidate_slots=(1.0, 4.0)),
        ]
        finding = SliceFinding(
            dimension="label",
            value="é",
            candidate_score=an_estimate(),
            baseline_score=an_estimate(0.8),
            difference=an_estimate(0.1),
        )
        evaluation = an_evaluation(
            id=EvaluationId("whole"),
            experiment_id=ExperimentId("experiment-1"),
            slot_difference=an_estimate(0.0),
            slices=(finding,),
        )
        store.add_evaluation(evaluation, found)
        store.add_evaluation(evaluation, found)
        assert store.evaluation(EvaluationId("whole")) == evaluation
        assert store.outcomes(EvaluationId("whole")) == found
        assert store.outcomes(EvaluationId("evaluation-1")) == []

    def test_certificates_come_back_equal(self, store: SqlStore) -> None:
        """Granted and refused ones, newest first and by task; another under a known id is a Conflict."""
        ring(store)
        refused = a_certificate(
            id=CertificateId("refused"),
            created_at=after(60),
            threshold=None,
            coverage=None,
            realised_risk=None,
            labels_needed=None,
            level=0.1 + 0.2,
        )
        for certificate in (a_certificate(), refused, refused):
            store.add_certificate(certificate)
        assert store.certificates() == store.certificates(TaskId("task-1")) == [refused, a_certificate()]
        assert store.certificates(TaskId("task-2")) == []
        with pytest.raises(Conflict, match="certificate-1"):
            store.add_certificate(a_certificate(level=0.5))
        with pytest.raises(NotFound, match="add that one first"):
            store.add_certificate(a_certificate(id=CertificateId("x"), model_version_id=ModelVersionId("none")))

    def test_evidence_is_never_replaced(self, store: SqlStore) -> None:
        """Another evaluation or deployment under a known id is a Conflict."""
        ring(store)
        store.add_deployment(a_deployment())
        store.add_deployment(a_deployment())
        with pytest.raises(Conflict, match="evaluation-1"):
            store.add_evaluation(an_evaluation(margin=0.5))
        with pytest.raises(Conflict, match="deployment-1"):
            store.add_deployment(a_deployment(share=0.5))
        assert (store.evaluations(), store.deployments()) == ([an_evaluation()], [a_deployment()])

    def test_the_newest_decision_is_in_force(self, store: SqlStore) -> None:
        """Newest is what was decided last, whatever the clock of who decided; retired ones are told too."""
        ring(store)
        store.put_task(a_task(id=TaskId("task-2"), name="other"))
        first = a_deployment(created_at=after(60))
        second = a_deployment(id=DeploymentId("b"), stage=Stage.RETIRED, evaluation_id=None, approver=None, reason="")
        third = a_deployment(id=DeploymentId("a"), task_id=TaskId("task-2"))
        assert store.deployments_in_force() == []
        for deployment in (first, second, third):
            store.add_deployment(deployment)
        assert store.deployments_in_force() == [second, third]
        assert store.deployments() == [third, second, first]

    def test_what_rests_on_nothing_is_refused(self, store: SqlStore) -> None:
        """Evidence names rows that are there: the message says to add them first."""
        with pytest.raises(NotFound, match="add that one first"):
            store.add_dataset(a_dataset(), [an_example()])
        store.put_task(a_task())
        with pytest.raises(NotFound, match="add that one first"):
            store.add_version(a_version())
        with pytest.raises(NotFound, match="add that one first"):
            store.add_evaluation(an_evaluation())
        before = store.revision()
        with pytest.raises(NotFound, match="add that one first"):
            store.add_deployment(a_deployment())
        assert store.revision() == before


class TestExpenses:
    """The `ExpenseStore` protocol."""

    def test_each_is_kept_once_and_summed_by_task(self, store: SqlStore) -> None:
        """The same call told twice is paid once; what has no price is counted; limits are those of scan."""
        task = TaskId("t")
        given = [
            Expense(id="a", kind=ExpenseKind.JUDGE, at=after(0), task_id=task, cost_usd=Decimal("0.000000000001")),
            Expense(id="b", kind=ExpenseKind.JUDGE, at=after(1), task_id=task, cost_usd=Decimal(9_000_000)),
            Expense(id="c", kind=ExpenseKind.JUDGE, at=after(2), task_id=task, cost_usd=None),
            Expense(id="d", kind=ExpenseKind.JUDGE, at=after(3), task_id=None, cost_usd=Decimal("0.5")),
        ]
        store.add_expenses(given[:2])
        store.add_expenses([replace(given[0], cost_usd=Decimal(7)), *given])
        store.add_expenses([])
        total = ExpenseSum(
            kind=ExpenseKind.JUDGE, task_id=task, calls=3, cost_usd=Decimal("9000000.000000000001"), unpriced_calls=1
        )
        other = ExpenseSum(kind=ExpenseKind.JUDGE, task_id=None, calls=1, cost_usd=Decimal("0.5"), unpriced_calls=0)
        assert store.expense_sums() == [total, other]
        (some,) = store.expense_sums(since=after(1), until=after(3))
        assert (some.calls, some.cost_usd, some.unpriced_calls) == (2, Decimal(9_000_000), 1)


class TestLedger:
    """The `LedgerStore` protocol."""

    def test_an_empty_store_has_no_lines(self, store: SqlStore) -> None:
        """Nothing was done."""
        assert store.ledger() == []

    def test_all_calls_cost_and_the_answering_one_counts_its_tokens(self, store: SqlStore) -> None:
        """One line for each task, answering backend and model, and reason; what has no price is counted."""
        failed = a_call(answered=False, cost_usd=None, prompt_tokens=None, completion_tokens=None)
        store.append(
            [
                escalated("e1", task_id=TaskId("t")),
                escalated("e2", task_id=TaskId("t"), created_at=after(1)),
                an_inference(id=InferenceId("plain"), task_id=TaskId("t")),
                an_inference(id=InferenceId("unpriced"), calls=(failed, a_call(cost_usd=None, completion_tokens=None))),
                an_inference(id=InferenceId("nobody"), calls=(failed,)),
                an_inference(id=InferenceId("refused"), calls=()),
            ]
        )
        lines = {(line.task_id, line.backend, line.reason): line for line in store.ledger()}
        assert len(lines) == len(store.ledger()) == 4
        raised = lines[(TaskId("t"), "openai", RouteReason.LOW_CONFIDENCE)]
        assert (raised.requests, raised.cost_usd, raised.unpriced_calls) == (2, Decimal("0.000602"), 0)
        assert (raised.prompt_tokens, raised.completion_tokens, raised.model) == (200, 10, "gpt-4o")
        unpriced = lines[(None, "openai", RouteReason.REQUESTED)]
        assert (unpriced.requests, unpriced.cost_usd, unpriced.unpriced_calls) == (1, Decimal(0), 2)
        assert (unpriced.prompt_tokens, unpriced.completion_tokens) == (100, 0)
        nobody = lines[(None, None, RouteReason.REQUESTED)]
        assert (nobody.requests, nobody.unpriced_calls, nobody.model) == (2, 1, None)
        assert sum(line.requests for line in lines.values()) == store.count()

    def test_machine_and_second_answers_are_told_apart(self, store: SqlStore) -> None:
        """A specialist's calls before the answer are machine time; its shadow and an audit are second answers."""
        version = ModelVersionId("v")
        calls = (
            a_call(model_version_id=version, cost_usd=Decimal("0.01")),
            a_call(role=CallRole.AUDIT, answered=False, cost_usd=Decimal("0.2")),
            a_call(role=CallRole.SHADOW, answered=False, model_version_id=version, cost_usd=Decimal("0.03")),
        )
        store.append([an_inference(calls=calls)])
        (line,) = store.ledger()
        assert (line.machine_usd, line.audit_usd, line.second_usd) == (
            Decimal("0.01"),
            Decimal("0.2"),
            Decimal("0.23"),
        )
        assert line.cost_usd == Decimal("0.24")

    def test_the_first_of_two_answering_calls_answered(self, store: SqlStore) -> None:
        """As `Inference.answering_call` has it."""
        store.append([an_inference(calls=(a_call(backend="a"), a_call(backend="b")))])
        (line,) = store.ledger()
        assert (line.backend, line.requests, line.prompt_tokens) == ("a", 1, 100)

    def test_calls_with_estimated_tokens_are_counted(self, store: SqlStore) -> None:
        """On the line of their inference, whether they answered or not."""
        guessed = a_call(usage_estimated=True)
        store.append([an_inference(calls=(replace(guessed, answered=False), guessed)), *inferences(2)])
        (line,) = store.ledger()
        assert (line.requests, line.estimated_calls) == (3, 2)

    def test_gaps_name_the_models_whose_cost_is_not_certain(self, store: SqlStore) -> None:
        """No price, no tokens and estimated tokens are told apart, by the model called; certain ones are left out."""
        house = a_call(model="house", cost_usd=None)
        failed = a_call(model="house", cost_usd=None, prompt_tokens=None, completion_tokens=None, answered=False)
        guessed = a_call(model="shy", usage_estimated=True)
        store.append(
            [
                an_inference(id=InferenceId("1"), calls=(failed, house)),
                an_inference(id=InferenceId("2"), calls=(house,), created_at=after(1)),
                an_inference(id=InferenceId("3"), calls=(guessed,), created_at=after(2)),
                an_inference(id=InferenceId("4"), created_at=after(3)),
            ]
        )
        assert store.gaps() == [
            ModelGap(model="house", unpriced_calls=2, uncounted_calls=1, estimated_calls=0),
            ModelGap(model="shy", unpriced_calls=0, uncounted_calls=0, estimated_calls=1),
        ]
        (gap,) = store.gaps(since=after(1), until=after(2))
        assert (gap.model, gap.unpriced_calls, gap.uncounted_calls) == ("house", 1, 0)
        assert store.gaps(since=after(3)) == []

    def test_limits_are_those_of_scan(self, store: SqlStore) -> None:
        """`since` is included, `until` is not."""
        store.append(inferences(6))
        (line,) = store.ledger(since=after(1), until=after(4))
        assert line.requests == 3
        assert store.ledger(since=after(6)) == []

    def test_sums_of_money_are_exact(self, store: SqlStore) -> None:
        """A tenth of a cent ten thousand times is ten dollars, and a pico-dollar beside millions is not lost."""
        costs = [Decimal("0.001")] * 3000 + [Decimal("0.000000000001")] + [Decimal(9_000_000)] * 3
        found = [
            replace(inference, calls=(a_call(cost_usd=cost),))
            for inference, cost in zip(inferences(len(costs)), costs, strict=True)
        ]
        store.append(found)
        (line,) = store.ledger()
        assert line.cost_usd == Decimal("27000003.000000000001")
        assert isinstance(line.cost_usd, Decimal)

    def test_finer_than_a_pico_dollar_is_rounded(self, store: SqlStore) -> None:
        """Half to even, once, when it is kept."""
        store.append([an_inference(calls=(a_call(cost_usd=Decimal("0.0000000000125")),))])
        (call,) = store.get(InferenceId("chatcmpl-1")).calls
        assert call.cost_usd == Decimal("0.000000000012")


class TestLife:
    """Opening, asking after and closing."""

    def test_everything_is_there_after_reopening(self, store_url: str) -> None:
        """A second opening finds what the first kept and changes nothing."""
        first = open_store(store_url)
        ring(first)
        first.append(inferences(3))
        revision = first.revision()
        first.close()
        second = open_store(store_url)
        assert (second.count(), second.revision(), second.tasks()) == (3, revision, [a_task()])
        second.close()

    def test_two_openings_at_once_make_one_schema(self, store_url: str) -> None:
        """Several processes may start on an empty database together; here they are threads."""
        stores: list[SqlStore] = []
        errors: list[BaseException] = []

        def start() -> None:
            try:
                stores.append(open_store(store_url))
            except BaseException as error:  # noqa: BLE001 - handed to the test
                errors.append(error)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert [store.count() for store in stores] == [0] * 4
        for store in stores:
            store.close()

    def test_ping_is_one_line(self, store: SqlStore) -> None:
        """It says which database and how much is in it."""
        store.append(inferences(2))
        line = store.ping()
        assert "2 inferences" in line
        assert "\n" not in line


class Statements:
    """Counts what a store sends, from here to the end of the block."""

    def __init__(self, store: SqlStore) -> None:
        self._engine = store._database._engine
        self.reads: list[str] = []

    def __enter__(self) -> Self:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            self.reads.append(statement)


def planned(store: SqlStore, statement: str) -> str:
    """How SQLite goes about a statement, whatever its parameters are."""
    with store._database._engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (0,) * statement.count("?"))
        return "\n".join(str(row[-1]) for row in rows)


class TestIncumbent:
    """`InferenceStore.incumbent`."""

    def test_the_model_asked_for_most_is_the_incumbent(self, store: SqlStore) -> None:
        """Of a task's own requests; names of tasks and versions are no models, and among equals the name decides."""
        task = TaskId("task-1")
        store.append(inferences(2, prefix="a", task_id=task, model="gpt-4o"))
        store.append(inferences(2, prefix="b", task_id=task, model="gpt-3"))
        store.append(inferences(5, prefix="c", task_id=task, model="task:card-intent"))
        store.append(inferences(5, prefix="d", task_id=task, model="card-intent@v2"))
        store.append(inferences(9, prefix="e", task_id=TaskId("other"), model="other"))
        assert store.incumbent(task) == "gpt-3"
        store.append(inferences(1, prefix="f", task_id=task, model="gpt-4o"))
        assert store.incumbent(task) == "gpt-4o"
        assert store.incumbent(TaskId("unseen")) is None


class TestRetention:
    """The `RetentionStore` protocol."""

    def test_content_expires_and_the_ledger_stays(self, store: SqlStore) -> None:
        """Batch by batch, the oldest first, until nothing older is left; what expired says so."""
        store.append(inferences(10))
        removed = [store.expire_content(after(6), batch=4) for _ in range(3)]
        assert removed == [4, 2, 0]
        kept = list(store.scan())
        assert [one.content for one in kept] == [Content.EXPIRED] * 6 + [Content.KEPT] * 4
        assert [one.request is None for one in kept] == [True] * 6 + [False] * 4
        assert all(one.calls for one in kept)
        assert store.ledger()[0].requests == 10

    def test_content_that_was_never_kept_is_not_said_to_have_expired(self, store: SqlStore) -> None:
        """An inference without content is left as it is."""
        store.append([an_inference(request=None, response=None, content=Content.OFF)])
        assert store.expire_content(after(100)) == 0
        assert next(store.scan()).content is Content.OFF

    def test_inferences_expire_with_all_that_belongs_to_them(self, store: SqlStore) -> None:
        """Calls and contents go with them; people's words stay, as they may be about what is still to come."""
        store.append(inferences(5))
        store.add_feedback([some_feedback(inference_id=InferenceId("i-000000"))])
        assert [store.expire_inferences(after(3), batch=2) for _ in range(3)] == [2, 1, 0]
        assert [one.id for one in store.scan()] == ["i-000003", "i-000004"]
        assert store.append(inferences(1)) == 1
        assert store.get(InferenceId("i-000000")).request is not None

    def test_removal_reads_no_row(self, store: SqlStore) -> None:
        """However much there is, a batch is a fixed number of statements, none of which returns a row."""
        store.append(inferences(300))
        statements: list[str] = []
        engine = store._database._engine
        event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        assert store.expire_content(after(200), batch=200) == 200
        assert store.expire_inferences(after(200), batch=200) == 200
        changes = [statement for statement in statements if not statement.startswith("BEGIN")]
        assert len(changes) == 7
        assert all(statement.lstrip().split()[0] in {"UPDATE", "DELETE"} for statement in changes)


class TestKeys:
    """The `KeyStore` protocol."""

    def test_keys_come_back_equal_and_oldest_first(self, store: SqlStore) -> None:
        """Every field survives, those that are None and those that are not."""
        full = a_key(
            "full",
            created_at=NOON - timedelta(days=1),
            expires_at=after(60),
            revoked_at=after(61),
            tasks=("intent", "é"),
            models=("gpt-4o*",),
            limits=Limits(
                requests_per_minute=60,
                tokens_per_minute=9_000,
                concurrent_requests=3,
                budget_usd=Decimal("12.340000000001"),
                budget_period=Period.WEEK,
            ),
            keep_content=False,
        )
        nothing = a_key("none", tasks=(), models=())
        for key in (a_key(), nothing, full):
            store.add_key(key)
        assert store.keys() == [full, a_key(), nothing]

    def test_an_id_and_a_hash_are_kept_once(self, store: SqlStore) -> None:
        """A key like one that is there is refused and changes nothing."""
        store.add_key(a_key())
        for twin in (a_key(sha256="f" * 64), a_key("k2", sha256=a_key().sha256)):
            with pytest.raises(Conflict, match="make a new one"):
                store.add_key(twin)
        assert store.keys() == [a_key()]

    def test_a_revoked_key_stays_revoked_since_the_first_time(self, store: SqlStore) -> None:
        """Revoking twice moves nothing; a key that is not there is named."""
        store.add_key(a_key())
        store.revoke_key(CallerKeyId("k1"), after(5))
        store.revoke_key(CallerKeyId("k1"), after(9))
        assert store.keys() == [a_key(revoked_at=after(5))]
        with pytest.raises(NotFound, match="'k9'"):
            store.revoke_key(CallerKeyId("k9"), after(9))

    def test_adding_and_revoking_count_the_revision(self, store: SqlStore) -> None:
        """A gateway that watches the revision learns of every change to keys; a refused one counts nothing."""
        before = store.revision()
        store.add_key(a_key())
        assert store.revision() == before + 1
        store.revoke_key(CallerKeyId("k1"), NOON)
        assert store.revision() == before + 2
        with pytest.raises(NotFound):
            store.revoke_key(CallerKeyId("k9"), NOON)
        assert store.revision() == before + 2

    def test_spent_sums_every_call_of_a_key_since_an_instant(self, store: SqlStore) -> None:
        """Calls that didn't answer count too; other keys, older inferences and unpriced calls don't; it is exact."""
        mine = CallerKeyId("k1")
        store.append(
            [
                escalated("old", key_id=mine, created_at=NOON - timedelta(microseconds=1)),
                escalated("first", key_id=mine, created_at=NOON),
                escalated("later", key_id=mine, created_at=after(60)),
                escalated("other", key_id=CallerKeyId("k2"), created_at=NOON),
                escalated("keyless", created_at=NOON),
                an_inference(id=InferenceId("unpriced"), key_id=mine, calls=(a_call(cost_usd=None),)),
            ]
        )
        assert store.spent(mine, NOON) == Decimal("0.000602")
        assert store.spent(CallerKeyId("k9"), NOON) == 0
