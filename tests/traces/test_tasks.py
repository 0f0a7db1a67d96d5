"""Which sessions become tasks, and of what kind."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from simpersona.contracts import Moment, RecordedSession
from simpersona.traces.tasks import draw_tasks, task_of

SKIRT = {"product_id": "p1", "title": "Pleated Skirt"}
SEARCH, VIEW = Moment("search_submitted", query="skirt"), Moment("product_viewed", **SKIRT)
ADD, CHECKOUT, ORDER = (
    Moment("product_added_to_cart", **SKIRT),
    Moment("checkout_started"),
    Moment("checkout_completed", **SKIRT),
)
FLOWS = {
    "cart": (SEARCH, VIEW, ADD),
    "checkout": (SEARCH, VIEW, ADD, CHECKOUT),
    "purchase": (VIEW, ADD, CHECKOUT, ORDER),
}


def session(number, *timeline, code=0):
    return RecordedSession("shop", f"b{number}", f"s{number}", "A", code, timeline)


def test_the_kind_is_the_furthest_that_a_session_goes():
    assert {name: task_of(session(0, *flow)).kind for name, flow in FLOWS.items()} == {name: name for name in FLOWS}
    assert task_of(session(0, SEARCH, VIEW)) is None
    # search (2), view of what it found (2), addition (1)
    assert task_of(session(0, *FLOWS["cart"])).actions == 5
    assert task_of(session(0, *FLOWS["checkout"])).actions == 7


@given(
    st.lists(st.tuples(st.sampled_from(list(FLOWS)), st.integers(0, 3)), max_size=40),
    st.integers(1, 20),
    st.integers(0, 3),
)
def test_kinds_take_turns_and_no_session_is_drawn_twice(made, count, seed):
    sessions = [session(number, *FLOWS[kind], code=code) for number, (kind, code) in enumerate(made)]
    tasks = draw_tasks(sessions, count, (3, 27), seed)
    assert len(tasks) == min(count, len(sessions))
    assert len({task.session.session_id for task in tasks}) == len(tasks)
    there, drawn = Counter(kind for kind, _ in made), Counter(task.kind for task in tasks)
    most = max(drawn.values(), default=0)
    assert all(drawn[kind] >= min(there[kind], most - 1) for kind in FLOWS)
    assert draw_tasks(sessions, count, (3, 27), seed) == tasks


def test_lengths_outside_of_the_range_and_bouncers_are_left_out():
    bouncer = RecordedSession("shop", "b", "s", "E", 0, FLOWS["cart"])
    sessions = [session(0, *FLOWS["cart"]), session(1, *FLOWS["checkout"]), bouncer]
    assert [task.kind for task in draw_tasks(sessions, 9, (6, 27), 0)] == ["checkout"]
    assert [task.kind for task in draw_tasks(sessions, 9, (3, 5), 0)] == ["cart"]


def test_short_middle_and_long_tasks_take_turns():
    long = [VIEW, *(Moment("product_viewed", product_id=str(n), title=f"Skirt {n}") for n in range(5)), ADD]
    sessions = [session(n, *FLOWS["cart"]) for n in range(20)] + [session(99, SEARCH, *long)]
    lengths = [task.actions for task in draw_tasks(sessions, 2, (3, 27), 0)]
    assert min(lengths) == 5
    assert max(lengths) > 9
