"""Generated traffic of agents, chats and several applications behind one key, with the job of every request.

Every conversation is played turn by turn, as an application would send it: each request holds all that was said before.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes import a_call, after, an_inference
from tierwright.core.ids import InferenceId

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.core.inference import Inference

#: The key of requests that are of no job.
LONG_TAIL = "long-tail"

_THINGS = """kettle lamp jacket router keyboard tent bicycle mirror printer drill sofa blender camera watch shelf
guitar helmet mattress radio monitor stroller vacuum chair toaster backpack heater fridge speaker ladder
freezer""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_STATES = """broken late missing scratched noisy leaking wrong stained loose dented faulty bent cold wet torn
unopened used mislabelled heavy slow""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_NAMES = """Ada Bo Cem Dana Eli Finn Gita Hugo Ines Jun Kim Lena Milo Nora Omar Pia Quin Rosa Sami Tove""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_MODULES = [
    "auth",
    "billing",
    "cache",
    "config",
    "export",
    "graph",
    "index",
    "login",
    "mailer",
    "parser",
    "queue",
    "report",
    "router",
    "search",
    "session",
]
_VERBS = """explain compare describe translate outline criticise defend imagine list rewrite""".split()  # noqa: SIM905 - words on lines of their own are harder to read
#: What everybody says.
_COMMON = [
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "it",
    "that",
    "is",
    "was",
    "for",
    "on",
    "with",
    "as",
    "this",
    "not",
    "are",
    "but",
    "from",
    "have",
    "they",
    "or",
    "one",
    "had",
    "by",
    "all",
]
#: What the people of one application talk about.
_SHOP = """delivery parcel courier refund invoice warranty voucher doorstep replacement kettle lamp jacket drill
sofa blender""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_CODE = """function loop cache exception import type argument branch commit module test assertion mock index buffer
thread socket parser token stack queue lock timeout retry schema migration patch lint coverage""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_PLANT = """pump valve bearing gauge pressure conveyor motor coolant vibration sensor belt furnace compressor gasket
leak pipe shaft grease voltage fuse""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_SCHOOL = """pensions tides orchids glaciers tariffs beekeeping violins vaccines lichens sourdough comets auctions
reefs harvests fonts marathons copyright grammar verbs fractions percentages photosynthesis parliament""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_WORKS = """rotor stator blade nacelle gearbox yaw torque flange bolt lubricant interval inspection clearance
alignment coupling generator brake pitch foundation bearing""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_HOUSING = """mould heating rent deposit neighbour noise balcony lift key boiler stairwell damp window radiator
plumber ceiling cellar garden bicycle parking""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_CALENDAR = """Monday Tuesday workshop offsite interview lunch review standup projector Thursday catering agenda guests
floor budget kickoff training""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_FIGURES = """revenue churn region quarter margin orders customers segment cohort median forecast stock returns basket
discount channel""".split()  # noqa: SIM905 - words on lines of their own are harder to read
_ANYTHING = """dragon sonnet recipe Jupiter haiku chess Napoleon tango cinnamon algebra volcano jazz robot poem origami
Vikings whale opera desert bonsai ninja meteor lantern pirate""".split()  # noqa: SIM905 - words on lines of their own are harder to read


@dataclass
class Traffic:
    """Requests played so far, and what each is."""

    rng: random.Random
    inferences: list[Inference] = field(default_factory=list)
    #: The job of each request.
    key: dict[InferenceId, str] = field(default_factory=dict)
    #: The process of each request that is a step of one.
    process: dict[InferenceId, str] = field(default_factory=dict)
    clock: float = 0.0

    def ask(
        self,
        messages: list[dict[str, Any]],
        said: dict[str, Any],
        job: str,
        *,
        client: str,
        process: str = "",
        **more: Any,
    ) -> None:
        """One request and its answer, which is added to the messages."""
        self.clock += self.rng.uniform(1, 90)
        number = len(self.inferences)
        identity = InferenceId(f"chatcmpl-{number:07d}")
        reason = "tool_calls" if said.get("tool_calls") else "stop"
        choice = {"index": 0, "message": {"role": "assistant", "content": None, **said}, "finish_reason": reason}
        request = {"model": "gpt-4o", "messages": messages, **more}
        response = {"id": identity, "object": "chat.completion", "model": "gpt-4o", "choices": [choice]}
        at = after(self.clock)
        self.inferences.append(
            an_inference(
                id=identity,
                created_at=at,
                client_id=client,
                calls=(a_call(started_at=at),),
                request=json.dumps(request).encode(),
                response=json.dumps(response).encode(),
                task_id=None,
            )
        )
        self.key[identity] = job
        if process:
            self.process[identity] = process
        messages.append({"role": "assistant", "content": None, **said})


def traffic(seed: int, *, conversations: int = 60) -> Traffic:
    """A mix of all the applications, so many conversations of each, in an order drawn anew."""
    played = Traffic(random.Random(seed))
    plays = [play for play in APPLICATIONS for _ in range(conversations)]
    played.rng.shuffle(plays)
    for number, play in enumerate(plays):
        play(played, number / len(plays))
    return played


def one_application(play: Callable[[Traffic, float], None], seed: int, *, conversations: int = 60) -> Traffic:
    """The traffic of one application."""
    played = Traffic(random.Random(seed))
    for number in range(conversations):
        play(played, number / conversations)
    return played


_SUPPORT = (
    "You are the support agent of Northwind Home. Look up the customer's order before you promise anything. Refund "
    "only orders that were delivered less than thirty days ago. Search the help pages where the question is about use."
)
#: The support agent's system message in the second half of the traffic.
SUPPORT_2 = (
    "As Northwind Home's support agent, always look up the order of the customer before promising anything. Only "
    "refund orders delivered within the last thirty days. For questions about use, search the help pages first."
)
_SUPPORT_TOOLS = ("lookup_order", "refund_order", "search_help", "escalate")


def support(to: Traffic, progress: float) -> None:
    """A support agent with four tools, loops of one to six steps, and a new wording in the second half."""
    rng = to.rng
    thing, state, name = rng.choice(_THINGS), rng.choice(_STATES), rng.choice(_NAMES)
    order = f"NW-{rng.randrange(10_000, 99_999)}"
    asks = [
        f"Hi, my {thing} from order {order} is {state}. {name}",
        f"The {thing} you sent came {state}, order number {order}, what now?",
        f"{order}: how do I clean the {thing}? it is {state}",
    ]
    messages = _opened(_SUPPORT if progress < 0.5 else SUPPORT_2, rng.choice(asks))
    agent = _Loop(to, messages, "support", "helpdesk", _SUPPORT_TOOLS)
    agent.calls(("lookup_order", {"order_id": order}), {"order": order, "item": thing, "days": rng.randrange(60)})
    for _ in range(rng.randrange(3)):
        agent.calls(("search_help", {"query": f"{thing} {rng.choice(_STATES)}"}), f"{thing}: {_say(rng, _SHOP)}")
    if rng.random() < 0.4:
        agent.calls(
            ("refund_order", {"order_id": order, "amount": rng.randrange(5, 400)}), {"refund": rng.randrange(10**6)}
        )
    elif rng.random() < 0.2:
        agent.calls(("escalate", {"order_id": order, "note": _say(rng, _SHOP)}), {"ticket": rng.randrange(10**6)})
    agent.says(f"Dear {name}, about the {thing}: {_say(rng, _SHOP)}")
    if rng.random() < 0.3:
        messages.append({"role": "user", "content": f"And what about my {rng.choice(_THINGS)}, {_say(rng, _SHOP)}?"})
        agent.says(_say(rng, _SHOP))


def coding(to: Traffic, _progress: float) -> None:
    """A coding agent, whose steps may call several tools at once."""
    rng = to.rng
    module = rng.choice(_MODULES)
    messages = _opened(
        "You are a coding agent in a Python repository. Read before you edit, keep changes small, and run the tests "
        "after every edit. Stop when they pass and sum up what was changed.",
        f"{rng.choice(['Fix', 'Speed up', 'Simplify'])} the {module} module: {_say(rng, _CODE)}",
    )
    agent = _Loop(to, messages, "coding", "ide", ("read_file", "edit_file", "run_tests", "list_dir"))
    agent.calls(
        ("list_dir", {"path": f"src/{module}"}), f"{module}.py\n{rng.choice(_MODULES)}.py {rng.randrange(10**5)}"
    )
    both = [("read_file", {"path": f"src/{module}/{other}.py"}) for other in rng.sample(_MODULES, rng.randrange(1, 3))]
    agent.calls(*both, f"def {module}_{rng.randrange(10**4)}(): # {_say(rng, _CODE)}")
    for _ in range(rng.randrange(1, 3)):
        agent.calls(("edit_file", {"path": f"src/{module}.py", "text": _say(rng, _CODE)}), f"ok {rng.randrange(10**5)}")
        agent.calls(
            ("run_tests", {}), f"{rng.randrange(200)} passed, {rng.randrange(5)} failed in {rng.random():.2f} s"
        )
    agent.says(f"Changed {module}: {_say(rng, _CODE)}")


def gatekeeper(to: Traffic, _progress: float) -> None:
    """An agent that only chooses: each answer calls one tool without arguments."""
    rng = to.rng
    urgent = rng.random() < 0.5
    sign = rng.choice(["smoke", "fire", "alarm"] if urgent else ["dust", "paint", "squeak"])
    words = [*_say(rng, _PLANT).split(), sign]
    text = " ".join(rng.sample(words, len(words)))
    messages = _opened("Decide what happens to an incoming report of a machine: page the engineer or file it.", text)
    loop = _Loop(to, messages, "gatekeeper", "plant", ("page_engineer", "file_report"))
    loop.calls(("page_engineer" if urgent else "file_report", {}), None)


def tutor(to: Traffic, _progress: float) -> None:
    """A chat of several turns behind a fixed system message: one job, whatever the turn."""
    rng = to.rng
    topic = rng.choice(_SCHOOL)
    messages = _opened(
        "You are a patient tutor for adult learners at the Riverside evening school. Answer in plain words and end "
        "with a question that checks whether it was understood.",
        f"Tell me about {topic}, {_say(rng, _SCHOOL)}",
    )
    for _ in range(rng.randrange(1, 6)):
        to.ask(messages, {"content": _say(rng, _SCHOOL)}, "tutor", client="school")
        more = rng.choice(["why is that?", "and then", "ok thanks", "I do not follow", "no, it was"])
        messages.append({"role": "user", "content": f"{more} {_say(rng, _SCHOOL)}"})


def manual(to: Traffic, _progress: float) -> None:
    """A chat that answers from passages, which stand in every user message."""
    rng = to.rng
    messages: list[dict[str, Any]] = []
    for turn in range(rng.randrange(1, 5)):
        text = (
            f"Context:\n{_say(rng, _WORKS)}\n{_say(rng, _WORKS)}\n\nAnswer from the context only, and say so if it is "
            f"not there.\n\nQuestion: {rng.choice(_WORKS)} {_say(rng, _WORKS)}?"
        )
        if not turn:
            messages = _opened(
                "You answer questions about the manuals of the Halden turbine works for technicians.", text
            )
        else:
            messages.append({"role": "user", "content": text})
        to.ask(messages, {"content": _say(rng, _WORKS)}, "manual", client="works")


def letter(to: Traffic, _progress: float) -> None:
    """A chat without a system message: the instructions open it, later turns are plain."""
    rng = to.rng
    messages = [
        {
            "role": "user",
            "content": "You write letters for tenants of the Elm Street housing association. Write a polite letter of "
            f"three paragraphs about the following.\nTenant: {rng.choice(_NAMES)}\nMatter: {_say(rng, _HOUSING)}",
        }
    ]
    for _ in range(rng.randrange(1, 4)):
        to.ask(messages, {"content": _say(rng, _HOUSING)}, "letter", client="housing")
        messages.append(
            {"role": "user", "content": f"{rng.choice(['Shorter', 'Firmer', 'Kinder'])}, {_say(rng, _HOUSING)}"}
        )


def planner(to: Traffic, _progress: float) -> None:
    """One of two applications behind one key, which differ in their tools alone."""
    rng = to.rng
    messages = _opened(
        "You are a helpful assistant.",
        f"Plan {rng.choice(_CALENDAR)} with {rng.choice(_NAMES)}, {_say(rng, _CALENDAR)}",
    )
    agent = _Loop(to, messages, "planner", "shared-key", ("find_slot", "book_room"))
    agent.calls(("find_slot", {"who": rng.choice(_NAMES)}), {"slot": rng.randrange(10**6)})
    if rng.random() < 0.6:
        agent.calls(("book_room", {"slot": rng.randrange(10**6)}), f"room {rng.randrange(10**4)}")
    agent.says(_say(rng, _CALENDAR))


def analyst(to: Traffic, _progress: float) -> None:
    """The other one."""
    rng = to.rng
    messages = _opened(
        "You are a helpful assistant.",
        f"How many {rng.choice(_THINGS)}s in {rng.choice(_FIGURES)}, {_say(rng, _FIGURES)}",
    )
    agent = _Loop(to, messages, "analyst", "shared-key", ("run_sql", "draw_chart"))
    agent.calls(("run_sql", {"query": f"select {rng.choice(_MODULES)} from {rng.choice(_MODULES)}"}), f"{rng.random()}")
    if rng.random() < 0.6:
        agent.calls(("draw_chart", {"kind": rng.choice(["bar", "line"])}), f"chart {rng.randrange(10**6)}")
    agent.says(_say(rng, _FIGURES))


def auditor(to: Traffic, _progress: float) -> None:
    """One of two agents without a system message, with the same tools behind one key: the first message instructs."""
    opening = "You review rental files. Use the tools to check each file before you write.\nFile:\n"
    _search_and_open(to, "auditor", opening, _HOUSING)


def stocker(to: Traffic, _progress: float) -> None:
    """The other one."""
    opening = "You are a turbine planner. Search the inventory and order what is missing.\n\nRequest: "
    _search_and_open(to, "stocker", opening, _WORKS)


def incident(to: Traffic, _progress: float) -> None:
    """An agent that is not always offered all of its tools."""
    rng = to.rng
    messages = _opened(
        "You are the incident agent of the Brackwater plant. Find the cause of each alarm and write a report to the "
        "shift leader.",
        _say(rng, _PLANT),
    )
    tools = ("read_gauge", "open_log", "call_crew", "show_plan", "send_report")[: rng.randrange(3, 6)]
    agent = _Loop(to, messages, "incident", "plant", tools)
    for _ in range(rng.randrange(1, 4)):
        agent.calls((rng.choice(tools[:3]), {"about": _say(rng, _PLANT)}), _say(rng, _PLANT))
    agent.says(_say(rng, _PLANT))


def tail(to: Traffic, _progress: float) -> None:
    """People who ask anything, in one turn or several: no job."""
    rng = to.rng
    messages = _opened(
        "You are a helpful assistant.", f"{rng.choice(_VERBS)} {rng.choice(_ANYTHING)} {_say(rng, _ANYTHING)}"
    )
    for _ in range(rng.randrange(1, 4)):
        to.ask(messages, {"content": _say(rng, _ANYTHING)}, LONG_TAIL, client="portal")
        messages.append({"role": "user", "content": f"{rng.choice(_VERBS)} {_say(rng, _ANYTHING)}"})


APPLICATIONS = (
    support,
    coding,
    gatekeeper,
    tutor,
    manual,
    letter,
    planner,
    analyst,
    auditor,
    stocker,
    incident,
    tail,
)


def _search_and_open(to: Traffic, name: str, opening: str, pool: list[str]) -> None:
    rng = to.rng
    messages = [{"role": "user", "content": f"{opening}{_say(rng, pool)}"}]
    agent = _Loop(to, messages, name, "shared-key-2", ("search", "open_document"))
    for _ in range(rng.randrange(1, 4)):
        agent.calls((rng.choice(("search", "open_document")), {"about": _say(rng, pool)}), _say(rng, pool))
    agent.says(_say(rng, pool))


class _Loop:
    """An agent at work: every request is a step, told by the tool whose result it ends with."""

    def __init__(
        self, to: Traffic, messages: list[dict[str, Any]], name: str, client: str, tools: tuple[str, ...]
    ) -> None:
        self._to, self._messages, self._name, self._client = to, messages, name, client
        self._tools = [{"type": "function", "function": {"name": tool, "parameters": {}}} for tool in tools]

    def calls(self, *calls_and_result: Any) -> None:
        """The answer calls tools, and the results are sent with the next request; None: there is no next one."""
        *calls, result = calls_and_result
        made = [
            {
                "id": f"call_{self._to.rng.randrange(10**12)}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for name, arguments in calls
        ]
        self._ask({"tool_calls": made})
        for call in made if result is not None else ():
            text = result if isinstance(result, str) else json.dumps(result)
            self._messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})

    def says(self, text: str) -> None:
        """The answer is a text."""
        self._ask({"content": text})

    def _ask(self, said: dict[str, Any]) -> None:
        last = self._messages[-1]
        step = "user"
        if last["role"] == "tool":
            named = {call["id"]: call["function"]["name"] for m in self._messages for call in m.get("tool_calls") or ()}
            step = named[last["tool_call_id"]]
        alone = self._name if self._name == "gatekeeper" else f"{self._name}:{step}"
        self._to.ask(
            self._messages,
            said,
            alone,
            client=self._client,
            process="" if self._name == "gatekeeper" else self._name,
            tools=self._to.rng.sample(self._tools, len(self._tools)),
        )


def _opened(system: str, text: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def _say(rng: random.Random, pool: list[str]) -> str:
    """Words of an application in an order that hardly comes twice."""
    return " ".join(rng.choice(pool if rng.random() < 0.6 else _COMMON) for _ in range(rng.randrange(8, 20)))
