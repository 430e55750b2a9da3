"""Discovery with a sample that is smaller than the traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.fakes import a_request, a_response, after, an_inference
from tests.unit.curation.logs import tickets
from tests.unit.curation.test_frames import TOPIC_PROMPT
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.ids import InferenceId
from tierwright.core.inference import Content
from tierwright.core.traffic import KeptContent, TrafficRow
from tierwright.curation.discovery import AnswerKeys, Discovery, answer_form
from tierwright.curation.observation import Refusal
from tierwright.curation.traffic_table import TrafficTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tierwright.core.inference import Inference

RARE_PROMPT = "Judge the mood of the writer in this shop's chat. Answer calm or cross, in lower case, and nothing else."


class Kept:
    """A `TrafficStore` of inferences in memory."""

    def __init__(self, given: list[Inference]) -> None:
        self._given = given
        self.read = 0

    def traffic(self, **_: object) -> Iterator[TrafficRow]:
        """One row for each."""
        for one in self._given:
            yield TrafficRow(
                one.id, one.created_at, one.client_id, None, one.error_code, None, one.content, "m", 1, 1, None, 0
            )

    def contents(self, inference_ids: Iterable[InferenceId]) -> Iterator[KeptContent]:
        """Those that are kept."""
        by_id = {one.id: one for one in self._given}
        for inference_id in inference_ids:
            one = by_id[inference_id]
            if one.request is not None or one.response is not None:
                self.read += 1
                yield KeptContent(one.id, one.request, one.response)


def asked(pairs: list[tuple[str, str]], system: str, prefix: str) -> list[Inference]:
    """Inferences of (input, answer) pairs behind a system message."""
    return [
        an_inference(
            id=InferenceId(f"{prefix}{n}"),
            created_at=after(n),
            request=a_request(text, system=system),
            response=a_response(answer),
        )
        for n, (text, answer) in enumerate(pairs)
    ]


def looked(given: list[Inference], *, sample: int) -> tuple[Discovery, TrafficTable, list[int], Kept]:
    """A discovery in these inferences; what is left."""
    store, table = Kept(sorted(given, key=lambda one: (one.created_at, one.id))), TrafficTable()
    for row in store.traffic():
        table.note(row)
    discovery = Discovery(store, table, seed=1, progress=lambda *_: None, sample=sample)
    return discovery, table, discovery.look().tolist(), store


def frames_by_prefix(table: TrafficTable) -> dict[str, set[int]]:
    """Which frames the requests of each prefix have."""
    found: dict[str, set[int]] = {}
    for inference_id, frame in zip(table.ids, table.frames().tolist(), strict=True):
        found.setdefault(inference_id[0], set()).add(frame)
    return found


def moods(count: int) -> list[tuple[str, str]]:
    """(text, mood) of that many messages."""
    return [(text, ("calm", "cross")[n % 2]) for n, (text, _) in enumerate(tickets(count, 7))]


def strangers(count: int) -> list[tuple[str, str]]:
    """Requests of which no two have anything in common, with answers that have nothing in common with them."""
    rng = np.random.default_rng(3)
    words = ["".join(rng.choice(list("bdfgklmnprst"), 6)) for _ in range(count * 12)]
    return [(" ".join(words[12 * n : 12 * n + 12]), words[12 * n][::-1] + "?") for n in range(count)]


def test_frames_of_a_sample_are_recognised_in_everything() -> None:
    """A prompt found in a sample is recognised in the requests outside it; what is no task is left."""
    given = [*asked(tickets(900, 1), TOPIC_PROMPT, "t"), *asked(strangers(5), "", "x")]
    discovery, table, rest, _ = looked(given, sample=200)
    assert frames_by_prefix(table) == {"t": {0}, "x": {-1}}
    assert {table.ids[row][0] for row in rest} == {"x"}
    assert len(rest) == 5
    assert len(discovery.frames[0].group.members) <= 200


def test_the_rare_is_found_in_a_later_round() -> None:
    """A job too rare for the first sample is found when the frequent one is gone, and whole."""
    given = [*asked(tickets(3000, 1), TOPIC_PROMPT, "t"), *asked(moods(40), RARE_PROMPT, "m")]
    _, table, rest, _ = looked(given, sample=150)
    found = frames_by_prefix(table)
    assert len(found["t"]) == len(found["m"]) == 1
    assert found["t"].isdisjoint(found["m"])
    assert rest == []


def test_a_rare_system_message_is_found_among_what_is_no_task() -> None:
    """A prompt with a system message is found although a sample of the strange requests around it holds too few."""
    given = [*asked(strangers(600), "", "x"), *asked(moods(20), RARE_PROMPT, "m")]
    _, table, rest, _ = looked(given, sample=80)
    assert frames_by_prefix(table) == {"m": {0}, "x": {-1}}
    assert len(rest) == 600


def test_what_fits_the_sample_is_read_once() -> None:
    """Traffic that fits the sample is read once, and every request of a frame is in its group."""
    given = asked(tickets(120, 1), TOPIC_PROMPT, "t")
    discovery, _, rest, store = looked(given, sample=120)
    assert store.read == 120
    assert rest == []
    assert len(discovery.frames[0].group.members) == 120


def test_inputs_and_answers_have_the_same_keys_in_and_out_of_the_sample() -> None:
    """A request that is repeated outside the sample has the keys of the one inside."""
    pairs = tickets(150, 1)
    given = [*asked(pairs, TOPIC_PROMPT, "a"), *asked(pairs, TOPIC_PROMPT, "b"), *asked(pairs, TOPIC_PROMPT, "c")]
    _, table, _, _ = looked(given, sample=160)
    traffic = table.traffic(np.arange(len(table)), ())
    assert len(np.unique(traffic.input_key)) == 150
    assert len(np.unique(traffic.answer_key)) == 4


def test_requests_that_can_not_be_read_are_counted() -> None:
    """Failed requests, those without content and those that are no chat are refused by reason, and never read again."""
    good = asked(tickets(100, 1), TOPIC_PROMPT, "t")
    odd = [
        an_inference(id=InferenceId("e1"), error_code="upstream_timeout"),
        an_inference(id=InferenceId("e2"), request=None, response=None, content=Content.EXPIRED),
        an_inference(id=InferenceId("e3"), request=None, response=None),
        an_inference(id=InferenceId("e4"), request=b"{}"),
    ]
    _, table, rest, _ = looked([*good, *odd], sample=50)
    assert table.refusals() == {Refusal.NO_CONTENT: 2, Refusal.FAILED: 1, Refusal.UNREADABLE: 1}
    assert rest == []
    assert frames_by_prefix(table) == {"t": {0}, "e": {-1}}


def test_forms_of_answers_are_equal_where_the_answers_mean_the_same() -> None:
    """Labels by their folded text, JSON by its values, free text as it is; the cache changes nothing."""
    label = OutputContract(kind=ContractKind.LABEL, labels=("a",))
    fields = OutputContract(
        kind=ContractKind.FIELDS, fields=(FieldSpec(name="x", values=(1,)), FieldSpec(name="y")), style=JsonStyle()
    )
    free = OutputContract(kind=ContractKind.OPEN)
    assert answer_form(label, ' "Refund." ') == answer_form(label, "refund")
    assert answer_form(fields, '{"x": 1, "y": 2}') == answer_form(fields, '```json\n{"y":2,"x":1}\n```')
    assert answer_form(fields, "sorry ") == "sorry"
    assert answer_form(free, "Refund.") != answer_form(free, "refund")
    keys = AnswerKeys(label)
    assert keys.of("refund") == keys.of("Refund.") == keys.of("refund") != keys.of("other")
