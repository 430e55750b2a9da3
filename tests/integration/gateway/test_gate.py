"""The gateway inside a real privacy gate: rules, policy and ledger, a third party's server and one of one's own."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from aiohttp import web

from tests.fakes import a_key, a_task
from tests.integration.gateway.conftest import KEY, Running, Sure, eventually
from tests.integration.gateway.test_specialists import MESSAGES, ask, deploy, last
from tests.integration.gateway.upstream import Upstream, events, streaming
from tierwright.core.errors import PermitError
from tierwright.core.inference import CallRole, RouteReason
from tierwright.core.privacy import DataClass, Found, PrivacyMode
from tierwright.gateway.config import SecondConfig
from tierwright.gateway.lanes import Outcome
from tierwright.gateway.upstreams.config import ResilienceConfig
from tierwright.privacy.gate import ConfiguredGate
from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.ledger import Ledger
from tierwright.privacy.looking import Looker
from tierwright.privacy.policy import Policy
from tierwright.privacy.promises import Promise, Promises

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tierwright.core.privacy import Permitted

CARD = "my card is 4111 1111 1111 1111"
OURS = Promises(self_hosted=Promise(value=True))


@dataclass
class Gated:
    """A gateway whose gate, ledger and servers can be looked at."""

    running: Running
    #: Of one's own; the third party's is `running.upstream`.
    house: Upstream
    gate: ConfiguredGate
    ledger: Ledger
    folder: Path

    def ask(self, text: str = "Where is my card?", **changes: Any) -> tuple[Any, dict[str, str]]:
        """One completion by a real client, and the headers of its answer."""
        return ask(self.running, messages=[{"role": "user", "content": text}], **changes)

    def refused(self, text: str = CARD, **changes: Any) -> tuple[int, str, str, dict[str, str]]:
        """Status, code, message and headers of an answer that is an error."""
        with pytest.raises(openai.APIStatusError) as failure:
            self.ask(text, **changes)
        error = failure.value
        return error.status_code, str(error.code), error.message, dict(error.response.headers)

    def written(self, kind: str) -> list[dict[str, Any]]:
        """The facts of the ledger's entries of a kind."""
        return [dict(entry.facts) for entry in entries(self.folder) if entry.kind == kind]


@pytest.fixture
def gated(start: Callable[..., Running], tmp_path: Path) -> Iterator[Callable[..., Gated]]:
    """Starts gated gateways: `frontier` is a third party's, `house` one's own and asked for gpt-house."""
    with ExitStack() as stack:

        def starting(
            *,
            backends: dict[str, Promises] | None = None,
            detectors: Sequence[Any] = (),
            house_models: tuple[str, ...] = ("gpt-house",),
            rules: dict[str, Any] | None = None,
            **more: Any,
        ) -> Gated:
            house = stack.enter_context(Upstream())
            policy = Policy(backends={"frontier": Promises(), "house": OURS, **(backends or {})}, **(rules or {}))
            folder = tmp_path / "ledger"
            folder.mkdir(mode=0o700, exist_ok=True)
            ledger = Ledger(folder, key=SigningKey.of_folder(folder))
            ledger.start()
            stack.callback(ledger.close)
            looker = Looker(detectors, timeout_s=0.25, secret=b"s" * 16)
            gate = ConfiguredGate(policy, looker, ledger, clock=lambda: datetime.now(UTC), digest_key=b"d" * 32)
            running = start(
                gate=gate,
                privacy=policy,
                others=[{"name": "house", "base_url": house.url, "models": house_models}],
                **more,
            )
            return Gated(running=running, house=house, gate=gate, ledger=ledger, folder=folder)

        yield starting


def test_what_nobody_declares_and_nothing_is_found_in_goes_to_the_third_party(gated: Callable[..., Gated]) -> None:
    """An ordinary request is answered as ever; its class is in the answer, the capture and the ledger."""
    found = gated()
    _, headers = found.ask()
    assert headers["x-tierwright-data-class"] == "internal"
    assert headers["x-tierwright-served-by"] == "frontier"
    (kept,) = found.running.captured()
    assert (kept.data_class, dict(kept.findings)) == (DataClass.INTERNAL, {})
    (permit,) = found.written("permit")
    assert (permit["request_id"], permit["backend"], permit["class"]) == (kept.id, "frontier", "internal")


def test_a_blocked_request_says_why_and_what_to_change(gated: Callable[..., Gated]) -> None:
    """Where nobody may see a request its caller gets 403 with class, types and advice, and no value; nothing leaves."""
    found = gated()
    status, code, message, headers = found.refused()
    assert (status, code) == (403, "privacy_blocked")
    assert "restricted" in message
    assert "card (1)" in message
    assert "frontier (not allowed)" in message
    assert "[backends.privacy]" in message
    assert "Leave out what was found" in message
    assert "4111" not in message
    assert headers["x-tierwright-data-class"] == "restricted"
    assert found.running.upstream.seen == found.house.seen == []
    (kept,) = found.running.captured()
    assert (kept.error_code, kept.data_class, dict(kept.findings)) == (
        "privacy_blocked",
        DataClass.RESTRICTED,
        {"card": 1},
    )
    assert kept.calls == ()
    eventually(lambda: bool(found.written("refused")))
    (entry,) = found.written("refused")
    assert (entry["request_id"], entry["class"], entry["findings"]) == (kept.id, "restricted", {"card": 1})


@pytest.mark.parametrize(
    ("label", "server"), [("public", "frontier"), ("confidential", "house"), ("restricted", "house")]
)
def test_the_header_declares_a_class(gated: Callable[..., Gated], label: str, server: str) -> None:
    """What a caller declares decides who is asked, whatever is found."""
    found = gated(rules={"route_model": "gpt-house"})
    _, headers = found.ask(extra_headers={"x-tierwright-data-class": label})
    assert (headers["x-tierwright-data-class"], headers["x-tierwright-served-by"]) == (label, server)


def test_of_several_headers_the_highest_class_counts(gated: Callable[..., Gated]) -> None:
    """A proxy that adds the header again lowers nothing, in one line or in two."""
    found = gated(rules={"route_model": "gpt-house"})
    for value in ("restricted, public", "public,restricted"):
        _, headers = found.ask(extra_headers={"x-tierwright-data-class": value})
        assert headers["x-tierwright-data-class"] == "restricted"
    assert found.running.upstream.seen == []


def test_an_unknown_class_is_refused(gated: Callable[..., Gated]) -> None:
    """A label that there is not is a 400 that lists those there are, and nothing is asked."""
    found = gated()
    status, code, message, _ = found.refused("hello", extra_headers={"x-tierwright-data-class": "secret"})
    assert (status, code) == (400, "invalid_data_class")
    assert "public, internal, confidential, restricted" in message
    assert found.running.upstream.seen == []


def test_a_key_declares_a_class(gated: Callable[..., Gated]) -> None:
    """All requests of a key have its class; a header may raise it and not lower it."""
    found = gated(rules={"route_model": "gpt-house"})
    sha256 = hashlib.sha256(b"tw-confidential").hexdigest()
    found.running.store.add_key(a_key(sha256=sha256, data_class=DataClass.CONFIDENTIAL))
    client = openai.OpenAI(base_url=found.running.url, api_key="tw-confidential", max_retries=0)
    found.running.clients.append(client)
    create = client.chat.completions.with_raw_response.create
    messages: Any = [{"role": "user", "content": "hello"}]

    def told(**headers: str) -> str | None:
        try:
            answer = create(model="gpt-4o", messages=messages, extra_headers=headers)
        except openai.AuthenticationError:
            # The gateway has not seen the key yet.
            return None
        return answer.headers["x-tierwright-data-class"]

    eventually(lambda: told() == "confidential")
    assert told(**{"x-tierwright-data-class": "public"}) == "confidential"
    assert told(**{"x-tierwright-data-class": "restricted"}) == "restricted"
    assert found.running.upstream.seen == []


def test_a_task_declares_a_class(gated: Callable[..., Gated]) -> None:
    """What the settings say of a task holds for its requests; a header may raise it and not lower it."""
    found = gated(rules={"tasks": {"card-intent": DataClass.CONFIDENTIAL}, "route_model": "gpt-house"})
    found.running.store.put_task(a_task())
    eventually(lambda: ask(found.running)[1]["x-tierwright-data-class"] == "confidential")
    _, headers = ask(found.running, extra_headers={"x-tierwright-data-class": "public"})
    assert headers["x-tierwright-data-class"] == "confidential"
    _, headers = ask(found.running, extra_headers={"x-tierwright-data-class": "restricted"})
    assert headers["x-tierwright-data-class"] == "restricted"


def test_a_request_goes_to_whoever_of_the_model_may_see_it(gated: Callable[..., Gated]) -> None:
    """Where one of a model's own servers may see a request that one is asked, though it stands behind another."""
    found = gated(house_models=("gpt-4o",))
    _, headers = found.ask(CARD)
    assert headers["x-tierwright-served-by"] == "house"
    _, headers = found.ask()
    assert headers["x-tierwright-served-by"] == "frontier"
    state = found.running.app._fittings.exchange.frontier.state()
    assert {one.backend: one.attempts for one in state.deployments if one.model == "gpt-4o"} == {
        "frontier": 1,
        "house": 1,
    }


def test_a_fallback_that_may_see_it_is_asked_at_once(gated: Callable[..., Gated]) -> None:
    """A fallback model of one's own stands in where the model's servers may not see a request, and is recorded so."""
    found = gated(resilience=ResilienceConfig(fallbacks={"gpt-4o": ("gpt-house",)}))
    _, headers = found.ask(CARD)
    assert headers["x-tierwright-served-by"] == "house"
    (kept,) = found.running.captured()
    assert [(call.role, call.model) for call in kept.calls] == [(CallRole.FALLBACK, "gpt-house")]
    assert found.running.upstream.seen == []


def test_the_settings_model_stands_in(gated: Callable[..., Gated]) -> None:
    """`route_model` is asked where neither the model nor its fallbacks can be; streams too."""
    found = gated(rules={"route_model": "gpt-house"})
    found.house.script = streaming(events("card", "_lost"))
    chunks = list(
        found.running.client().chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": CARD}], stream=True
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "card_lost"
    assert found.running.upstream.seen == []


def test_mode_block_refuses_where_another_could_answer(gated: Callable[..., Gated]) -> None:
    """A class that is to be blocked goes nowhere else, and the answer says so."""
    found = gated(rules={"route_model": "gpt-house", "modes": {DataClass.RESTRICTED: PrivacyMode.BLOCK}})
    status, code, message, _ = found.refused()
    assert (status, code) == (403, "privacy_blocked")
    assert "[privacy.modes]" in message
    assert found.running.upstream.seen == found.house.seen == []


def test_a_model_that_only_ones_own_servers_have_is_never_blocked(gated: Callable[..., Gated]) -> None:
    """Mode block is about servers that may not see a class: one that may is asked."""
    found = gated(rules={"modes": {DataClass.RESTRICTED: PrivacyMode.BLOCK}})
    _, headers = found.ask(CARD, model="gpt-house")
    assert headers["x-tierwright-served-by"] == "house"


def test_a_retry_needs_its_own_permit(gated: Callable[..., Gated]) -> None:
    """Each attempt has an entry of its own in the ledger, made before it."""
    found = gated(house_models=("gpt-4o",), resilience=ResilienceConfig(backoff_first_s=0.01, backoff_limit_s=0.01))
    found.running.upstream.script = lambda _: busy()
    _, headers = found.ask()
    assert headers["x-tierwright-served-by"] == "house"
    permits = found.written("permit")
    assert [(one["backend"], one["attempt"]) for one in permits] == [("frontier", 1), ("house", 2)]
    assert len({one["request_id"] for one in permits}) == 1


async def busy() -> web.Response:
    """A server that has no room."""
    return web.json_response({"error": {"message": "busy", "code": "busy"}}, status=503)


def test_what_only_the_bytes_show_is_denied_and_asked_elsewhere(gated: Callable[..., Gated]) -> None:
    """A header that would go along is looked at, too: its server is not asked, and another one is."""
    found = gated(house_models=("gpt-4o",))
    _, headers = found.ask(extra_headers={"x-request-id": "4111111111111111"})
    assert (headers["x-tierwright-served-by"], headers["x-tierwright-data-class"]) == ("house", "restricted")
    assert found.running.upstream.seen == []
    (denial,) = found.written("deny")
    assert (denial["backend"], denial["reason"]) == ("frontier", "class")
    state = found.running.app._fittings.exchange.frontier.state()
    assert {one.backend: one.attempts for one in state.deployments if one.model == "gpt-4o"} == {
        "frontier": 0,
        "house": 1,
    }
    assert state.retries == 0
    (kept,) = found.running.captured()
    assert kept.data_class is DataClass.RESTRICTED


def test_what_only_the_bytes_show_is_refused_where_nobody_else_is(gated: Callable[..., Gated]) -> None:
    """A denied permit ends in 403 where nobody else may see the bytes."""
    found = gated()
    status, code, message, _ = found.refused("hello", extra_headers={"x-request-id": "4111111111111111"})
    assert (status, code) == (403, "privacy_blocked")
    assert "4111" not in message
    assert found.running.upstream.seen == []


def test_a_promise_that_ends_closes_a_server(gated: Callable[..., Gated]) -> None:
    """A third party that may see confidential data does until its promise expires, and not afterwards."""
    until = datetime.now(UTC) + timedelta(days=1)
    promises = Promises(
        zero_retention=Promise(value=True, expires_at=until, evidence="contract 1"),
        trains_on_data=Promise(value=False, expires_at=until, evidence="contract 1"),
        allowed=frozenset({DataClass.PUBLIC, DataClass.INTERNAL, DataClass.CONFIDENTIAL}),
    )
    found = gated(backends={"frontier": promises})
    declared = {"x-tierwright-data-class": "confidential"}
    assert found.ask(extra_headers=declared)[1]["x-tierwright-served-by"] == "frontier"
    found.gate._clock = lambda: until + timedelta(seconds=1)
    status, code, message, _ = found.refused("hello", extra_headers=declared)
    assert (status, code) == (403, "privacy_blocked")
    assert "expired" in message
    # There is nothing that could be left out.
    assert "Leave out" not in message


def test_a_promise_that_ends_between_choice_and_permit_is_no_hole(gated: Callable[..., Gated]) -> None:
    """Who is open when a request is routed and closed when a permit is asked for is not asked; the answer is 403."""
    found = gated()
    closed = found.gate.permitted
    calls: list[DataClass] = []

    def at_first_open(data_class: DataClass) -> Permitted:
        calls.append(data_class)
        real = closed(data_class)
        return replace(real, backends=real.backends | {"frontier"}, excluded={}) if len(calls) == 1 else real

    found.gate.permitted = at_first_open  # type: ignore[method-assign] # the clock moves on in between
    status, code, _, _ = found.refused()
    assert (status, code) == (403, "privacy_blocked")
    assert found.running.upstream.seen == []
    assert [one["backend"] for one in found.written("deny")] == ["frontier"]


def test_a_ledger_that_is_closed_lets_nothing_out(gated: Callable[..., Gated]) -> None:
    """Without a durable decision nothing is sent: 503 with a code of its own, for models of one's own as well."""
    found = gated()
    found.ledger.close()
    for model in ("gpt-4o", "gpt-house"):
        status, code, _, _ = found.refused("hello", model=model)
        assert (status, code) == (503, "privacy_unavailable")
    assert found.running.upstream.seen == found.house.seen == []


def test_a_permit_that_does_not_hold_is_an_answer_and_no_crash(gated: Callable[..., Gated]) -> None:
    """Where a backend refuses a permit, as one that was spent, nothing is sent and the caller gets a stable code."""
    found = gated()

    def spent(*_: object, **__: object) -> None:
        raise PermitError("it was spent")

    found.gate.check = spent  # type: ignore[method-assign] # a fault that no gate of ours has
    status, code, _, _ = found.refused("hello")
    assert (status, code) == (503, "privacy_unavailable")
    assert found.running.upstream.seen == []
    page = found.running.app.metrics.render().decode()
    assert 'tierwright_privacy_denials_total{backend="frontier",reason="permit"} 1.0' in page


@pytest.mark.parametrize("fault", ["raises", "hangs", "lies"])
def test_a_detector_that_can_not_tell_makes_it_restricted(gated: Callable[..., Gated], fault: str) -> None:
    """A detector that raises, hangs or answers nonsense closes third parties, and names no value in the message."""
    found = gated(detectors=[Broken(fault)])
    status, code, message, _ = found.refused("hello")
    assert (status, code) == (403, "privacy_blocked")
    assert "broken" in message
    assert found.running.upstream.seen == []


@dataclass
class Broken:
    """A detector that can't tell."""

    fault: str
    name: str = "broken"
    version: str = "1"

    async def find(self, texts: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Nothing sound."""
        if self.fault == "raises":
            raise RuntimeError("out of memory")
        if self.fault == "hangs":
            await asyncio.sleep(60)
        return [[] for _ in texts[1:]]

    async def aclose(self) -> None:
        """Ends nothing."""


def test_a_specialist_of_ours_may_see_everything(gated: Callable[..., Gated]) -> None:
    """A certified specialist answers a restricted request, which is captured with its class; no permit is asked for."""
    found = gated()
    deploy(found.running, Sure())
    messages = [MESSAGES[0], {"role": "user", "content": CARD}]
    _, headers = ask(found.running, messages=messages)
    assert (headers["x-tierwright-served-by"], headers["x-tierwright-data-class"]) == ("specialist", "restricted")
    kept = last(found.running, 1)
    assert (kept.data_class, dict(kept.findings)) == (DataClass.RESTRICTED, {"card": 1})
    assert found.written("permit") == found.written("refused") == []


def test_an_escalation_that_nobody_may_see_is_refused_and_not_answered_anyway(gated: Callable[..., Gated]) -> None:
    """What the specialist is not sure of is not certified: 403, which says that it was asked."""
    found = gated()
    deploy(found.running, Sure(confidence=0.1))
    with pytest.raises(openai.PermissionDeniedError) as failure:
        ask(found.running, messages=[MESSAGES[0], {"role": "user", "content": CARD}])
    assert failure.value.code == "privacy_blocked"
    assert "specialist" in failure.value.message
    assert found.running.upstream.seen == []


def test_nobody_is_held_out_of_what_the_frontier_may_not_see(gated: Callable[..., Gated]) -> None:
    """A request drawn into the holdout whose model servers are closed to it is answered by the specialist, surely."""
    found = gated(routing={"holdout_share": 1.0})
    deploy(found.running, Sure())
    _, headers = ask(found.running)
    assert headers["x-tierwright-route-reason"] == "holdout"
    _, headers = ask(found.running, messages=[MESSAGES[0], {"role": "user", "content": CARD}])
    assert headers["x-tierwright-served-by"] == "specialist"
    kept = last(found.running, 2)
    assert (kept.route.reason, kept.route.propensity) == (RouteReason.SPECIALIST, 1.0)


def test_an_audit_of_what_the_frontier_may_not_see_is_not_drawn(gated: Callable[..., Gated]) -> None:
    """Audits are counted as barred where nobody may see the request, and have a permit of their own elsewhere."""
    found = gated(second=SecondConfig(audit_share=1.0))
    deploy(found.running, Sure())
    ask(found.running, messages=[MESSAGES[0], {"role": "user", "content": CARD}])
    lanes = found.running.second.state
    eventually(lambda: lanes().lanes[CallRole.AUDIT].outcomes[Outcome.BARRED] == 1)
    ask(found.running)
    eventually(lambda: lanes().lanes[CallRole.AUDIT].outcomes[Outcome.DONE] == 1)
    assert [one["role"] for one in found.written("permit")] == ["audit"]
    assert len(found.running.upstream.seen) == 1


def test_messages_and_the_other_endpoints_are_gated_alike(gated: Callable[..., Gated]) -> None:
    """Every endpoint that names a model answers 403 in its own form, and sends nothing."""
    found = gated()
    address = found.running.listener.address
    with anthropic.Anthropic(base_url=address, api_key=KEY, max_retries=0) as client:
        with pytest.raises(anthropic.PermissionDeniedError) as told:
            client.messages.create(model="gpt-4o", max_tokens=5, messages=[{"role": "user", "content": CARD}])
        assert "restricted" in str(told.value)
        # Counting is done here where the server may not see what is to be counted.
        assert (
            client.messages.count_tokens(model="gpt-4o", messages=[{"role": "user", "content": CARD}]).input_tokens > 0
        )
    client = found.running.client()
    for call in (
        lambda: client.responses.create(model="gpt-4o", input=CARD),
        lambda: client.embeddings.create(model="gpt-4o", input=CARD),
        lambda: client.moderations.create(model="gpt-4o", input=CARD),
        lambda: client.responses.create(model="gpt-4o", input="go on", previous_response_id="resp_1"),
    ):
        with pytest.raises(openai.PermissionDeniedError) as refusal:
            call()
        assert refusal.value.code == "privacy_blocked"
    assert found.running.upstream.seen == []


def test_what_was_not_looked_at_is_restricted(gated: Callable[..., Gated]) -> None:
    """A request that is refused before anybody looked at it is captured as restricted, not as harmless."""
    found = gated()
    status, code, _, headers = found.refused("hello", model="task:none")
    assert (status, code, headers["x-tierwright-data-class"]) == (404, "task_not_found", "restricted")
    (kept,) = found.running.captured()
    assert kept.data_class is DataClass.RESTRICTED


def test_metrics_count_by_class_and_reason(gated: Callable[..., Gated]) -> None:
    """Permits, denials and refusals are counted with labels that hold no value."""
    found = gated()
    found.ask()
    found.refused()
    found.refused("hello", extra_headers={"x-request-id": "4111111111111111"})
    page = found.running.app.metrics.render().decode()
    assert 'tierwright_privacy_permits_total{backend="frontier",data_class="internal"} 1.0' in page
    assert 'tierwright_privacy_denials_total{backend="frontier",reason="class"} 1.0' in page
    assert 'tierwright_privacy_refused_total{code="privacy_blocked",data_class="restricted"} 2.0' in page
    assert "4111" not in page


def test_without_a_gate_a_declared_class_is_not_passed_over(start: Callable[..., Running]) -> None:
    """A caller that declares a class to a gateway that has no gate is told so; what third parties may see goes on."""
    running = start()
    with pytest.raises(openai.InternalServerError) as failure:
        ask(running, extra_headers={"x-tierwright-data-class": "confidential"})
    assert failure.value.code == "privacy_unavailable"
    assert running.upstream.seen == []
    _, headers = ask(running, extra_headers={"x-tierwright-data-class": "internal"})
    assert "x-tierwright-data-class" not in headers


def test_two_lines_of_the_header_are_one(gated: Callable[..., Gated]) -> None:
    """The class of a request that declares it in two header lines is the higher, in whatever order they stand."""
    found = gated()
    host, port = found.running.listener.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})
    connection.putrequest("POST", "/v1/chat/completions")
    for name, value in (
        ("authorization", f"Bearer {KEY}"),
        ("x-tierwright-data-class", "restricted"),
        ("x-tierwright-data-class", "public"),
        ("content-length", str(len(body))),
    ):
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    assert (answer.status, answer.headers["x-tierwright-data-class"]) == (403, "restricted")
    connection.close()
