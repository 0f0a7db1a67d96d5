"""Sessions in, episodes out, as tables."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from simpersona.adapters.models.scripted import ScriptedModel
from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.contracts import ASSIGNMENTS, BUYERS, EVENTS, NODE, SESSIONS, STEPS
from simpersona.pages import Action, Decision, Node, Page
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import goal_for
from simpersona.shopper.model_policy import LanguageModelPolicy, prompt_format
from simpersona.shopper.observed import observed_events
from simpersona.shopper.recorded import recorded_sessions
from simpersona.shopper.records import episode_tables, read_episodes, sent_prompts, trouble_counts
from simpersona.shopper.short_prompt import short_messages
from simpersona.visits import Episode, Goal, Step, Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GOAL = Goal("You are here to buy skirts.", "shop", "buyer", "session", 3, "buy")


def page(path, tree="[0-1] RootWebArea: Shop\n[0-2] button: Add to Cart"):
    return scripted_page(f"https://shop.example{path}", tree)


def step(number, path, node="0-1", result="Action performed successfully"):
    action = None if node is None else Action(node, "click", "Clicking", ())
    return Step(number, page(path), Decision(action, "Because.", 10, 2), result, 1.5)


def episode(*steps, name="e-0", ending="goal_reached"):
    return Episode(name, GOAL, "lm", 1, ending, steps, 9.0)


def event(name, second, **more):
    return dict.fromkeys(EVENTS.columns) | {
        "shop_id": "shop",
        "buyer_id": "e-0",
        "time": NOW + timedelta(seconds=second),
        "event": name,
        **more,
    }


def test_counts_come_from_the_store_s_log_and_an_order_counts_once():
    rows = [
        event("product_viewed", 1, product_id="p1"),
        event("product_viewed", 2, product_id="p1"),
        event("product_viewed", 3, product_id="p2"),
        event("search_submitted", 4, query="q"),
        event("product_added_to_cart", 5, product_id="p1"),
        event("product_added_to_cart", 5),
        event("checkout_started", 6),
        event("checkout_completed", 7, order_id="o1", product_id="p1"),
        event("checkout_completed", 7, order_id="o1", product_id="p2"),
        event("checkout_completed", 9, order_id="o2", product_id="p2"),
        {**event("product_viewed", 9, product_id="p9"), "buyer_id": "someone else"},
    ]
    events = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    done = episode(step(0, "/"), step(1, "/products/p1"), step(2, "/", node=None))
    episodes, steps = episode_tables([done], events, {"e-0": Verdict(verified=True, reason="fine")})
    (row,) = episodes.to_pylist()
    assert row["products"] == ["p1", "p2"]
    assert (row["views"], row["additions"]) == (
        ["p1", "p1", "p2"],
        ["p1"],
    )  # the product of the second addition is not known
    assert {key: row[key] for key in row if key.endswith("_count")} == {
        "product_view_count": 3,
        "collection_view_count": 0,
        "search_count": 1,
        "add_to_cart_count": 2,
        "checkout_start_count": 1,
        "purchase_count": 2,
    }
    assert (row["steps"], row["pages"], row["prompt_tokens"], row["reply_tokens"]) == (2, 2, 30, 6)
    assert (row["verified"], row["verdict"], row["intent"], row["code"]) == (True, "fine", "buy", 3)
    assert [one["should_end"] for one in steps.to_pylist()] == [False, False, True]
    assert steps.to_pylist()[0]["tree"] == "[0-1] RootWebArea: Shop\n[0-2] button: Add to Cart"


def test_an_episode_that_never_opened_and_was_not_judged_has_a_row():
    episodes, steps = episode_tables([episode(ending="other")], EVENTS.empty(), {})
    assert (episodes["steps"].to_pylist(), episodes["verified"].to_pylist(), steps.num_rows) == ([0], [None], 0)


def test_events_are_inferred_from_what_was_seen_where_a_store_has_no_log():
    seen = episode(
        step(0, "/"),
        step(1, "/collections/skirts"),
        step(2, "/search?q=red+skirt"),
        step(3, "/products/pleated?variant=1"),
        step(4, "/products/pleated?variant=1", node="0-2"),
        step(5, "/products/pleated", node="0-2", result="Nothing happened"),
        step(6, "/cart"),
        step(7, "/checkouts/abc"),
        step(8, "/checkouts/abc/information"),
        step(9, "/checkouts/abc/thank-you", node=None),
    )
    found = observed_events([seen])
    assert found.schema == EVENTS.schema
    assert [(r["event"], r["product_id"] or r["collection_id"] or r["query"]) for r in found.to_pylist()] == [
        ("collection_viewed", "skirts"),
        ("search_submitted", "red skirt"),
        ("product_viewed", "pleated"),
        ("product_added_to_cart", "pleated"),
        ("cart_viewed", None),
        ("checkout_started", None),
        ("checkout_completed", None),
    ]
    assert set(found["buyer_id"].to_pylist()) == {"e-0"}


def test_a_visit_that_stopped_at_the_checkout_has_started_it_once():
    unknown = episode(step(0, "/"), step(1, "/dalje", result="refused"), ending="checkout_reached")
    known = episode(step(0, "/"), step(1, "/checkout", result="refused"), ending="checkout_reached")
    left = episode(step(0, "/"), step(1, "/dalje"))
    assert [observed_events([seen])["event"].to_pylist() for seen in (unknown, known, left)] == [
        ["checkout_started"],
        ["checkout_started"],
        [],
    ]


def test_recorded_sessions_join_stratum_and_code_and_leave_out_who_has_none():
    timeline = [{"event": "product_viewed", "product_id": "p", "title": "T", "price": 3.0, "time": NOW}]
    sessions = SESSIONS.sample(
        3,
        shop_id=["s"] * 3,
        buyer_id=["b", "a", "c"],
        session_id=["1", "2", "3"],
        timeline=[timeline, [], timeline],
    )
    buyers = BUYERS.sample(3, shop_id=["s"] * 3, buyer_id=["a", "b", "c"], stratum=["A", "D", "E"])
    codes = ASSIGNMENTS.sample(2, shop_id=["s"] * 2, buyer_id=["a", "b"], code=[4, 9])
    found = recorded_sessions(sessions, buyers, codes)
    assert [(one.buyer_id, one.session_id, one.stratum, one.code) for one in found] == [
        ("a", "2", "A", 4),
        ("b", "1", "D", 9),
    ]
    assert (found[0].timeline, found[1].timeline[0].title, found[1].timeline[0].price) == ((), "T", 3.0)


def test_troubles_are_kept_by_step_and_counted_by_kind():
    rough = step(1, "/skirts")
    rough = replace(rough, page=replace(rough.page, troubles=("stale_node", "server_error", "stale_node")))
    _, steps = episode_tables([episode(step(0, "/"), rough, step(2, "/skirts"))], EVENTS.empty(), {})
    assert steps["troubles"].to_pylist() == [[], ["stale_node", "server_error", "stale_node"], []]
    assert list(trouble_counts(steps).items()) == [("stale_node", 2), ("server_error", 1)]


HOME, SKIRTS = page("/"), page("/skirts", "[0-1] RootWebArea: Skirts\n[0-2] textbox: Search\n[0-3] link: Shop")


def reply(method="click", node="0-2", reasoning="Because.", **more):
    action = {"nodeSelector": node, "method": method, "description": f"Using {node}", **more}
    return json.dumps({"shouldEnd": False, "action": action, "reasoning": reasoning})


def asked_of_a_model(replies, prompt="figure9"):
    """(the messages that were sent, the episode read back from its tables, its rows of EPISODES and STEPS); the store has two pages."""
    model = ScriptedModel(replies)
    store = ScriptedStore(
        {"home": HOME, "skirts": SKIRTS}, {("home", "0-2"): "skirts", ("skirts", "0-3"): "home"}, first="home"
    )
    policy = LanguageModelPolicy(model, 3, prompt_format(prompt, reasoning=prompt == "figure9"))
    ended = asyncio.run(run_episode(store, policy, GOAL, episode_id="e-0", seed=3, max_steps=30, time_limit_seconds=60))
    episodes, steps = episode_tables([ended], EVENTS.empty(), {})
    (again,) = read_episodes(episodes, steps)
    assert again == ended
    return model.asked, again, episodes.to_pylist()[0], steps.to_pylist()


LEFT = '{"shouldEnd": true, "action": null, "reasoning": "Done."}'


def test_what_a_model_was_sent_is_made_again_byte_for_byte():
    typed = reply("fill", arguments=["red skirt"], reasoning="")
    back = reply("goto", "0-1", arguments=["back"])
    refused = reply(node="0-99")
    replies = [reply(), typed, refused, back, reply(), reply("click", "0-3"), reply("scrollTo", "0-1"), LEFT]
    sent, again, _, steps = asked_of_a_model(replies)
    del sent[2]  # the question whose answer was refused; the one after it says why
    assert sent_prompts(again) == sent
    assert "there is no node '0-99' on the page" in sent[2][1]["content"]
    assert "<|persona_3|>" in sent[-1][1]["content"]
    assert [one["reply"] for one in steps] == [text for text in replies if text != refused]
    assert [one["refused"] is not None for one in steps] == [False, False, True, *[False] * 4]


def test_a_short_prompt_is_made_again_too():
    added = '{"action": "Clicking on the Add to Cart button"}'
    searched = '{"action": "Typing into the Search textbox", "text": "red skirt"}'
    sent, again, _, _ = asked_of_a_model([added, "{}", searched, '{"action": "Leaving the store"}'], "short")
    del sent[1]
    assert sent_prompts(again, short_messages) == sent
    assert "could not be used" in sent[1][1]["content"]
    assert sent[2][1]["content"].endswith(
        "- clicking on the Add to Cart button\n- typing into the Search textbox: red skirt\nBuyer: <|persona_3|>"
    )


def test_tokens_are_kept_by_step_with_those_of_refused_answers():
    sent, _, row, steps = asked_of_a_model([reply(node="0-99"), reply(), LEFT])
    words = [sum(len(message["content"].split()) for message in question) for question in sent]
    assert [one["prompt_tokens"] for one in steps] == [words[0] + words[1], words[2]]
    assert [one["reply_tokens"] for one in steps] == [12 + 12, 6]
    assert (row["prompt_tokens"], row["reply_tokens"]) == (sum(words), 30)


def test_an_end_on_answers_that_cannot_be_used_keeps_their_cost_and_has_no_prompt():
    sent, again, row, steps = asked_of_a_model([reply(), "nothing", "nothing more"])
    assert (row["ending"], row["error_kind"], row["reply_tokens"]) == ("other", "ReplyError", 12 + 1 + 2)
    assert sent_prompts(again) == [sent[0], None]
    assert "not a valid answer" in steps[-1]["refused"]


def test_steps_of_older_runs_are_read_without_what_they_do_not_have():
    page = Page("u", "P", (Node("0-1", "RootWebArea", "P"), Node("0-2", "link", "Mugs", methods=("hover",))))
    goal = goal_for("skirts", None, shop_id="shop", buyer_id="b", session_id="s", code=None)
    visit = Episode(
        "e-0", goal, "lm", 1, "goal_reached", (Step(0, page, Decision(None, ""), "The shopper left", 0.1),), 0.1
    )
    episodes, steps = episode_tables([visit], EVENTS.empty(), {})
    older = pa.list_(pa.struct([field for field in NODE if field.name != "methods"]))
    nodes = pa.array([[{**node} for node in row] for row in steps["nodes"].to_pylist()], older)
    place = steps.schema.get_field_index("nodes")
    (read,) = read_episodes(episodes, STEPS.check(steps.set_column(place, "nodes", nodes)))
    assert [node.methods for node in read.steps[0].page.nodes] == [(), ()]


def test_steps_without_a_model_have_neither_prompt_nor_tokens():
    ended = episode(replace(step(0, "/"), decision=Decision(None, "")))
    episodes, steps = episode_tables([ended], EVENTS.empty(), {})
    (row,) = steps.to_pylist()
    assert [row[name] for name in ("prompt_tokens", "reply_tokens", "reply", "refused")] == [None] * 4
    assert sent_prompts(*read_episodes(episodes, steps)) == [None]


def test_episodes_survive_their_tables_with_all_that_a_page_and_a_decision_have():
    rich = Page(
        "https://shop.example/p",
        "P",
        (
            Node("0-1", "RootWebArea", "P", "part 1 of 2"),
            Node("0-2", "link", "a = b (c | d)", depth=1),
            Node("0-3", "combobox", "Size", "S", ("S", "M"), 2),
            Node("0-4", "combobox", "Sort by", "Newest", depth=2, methods=("click",)),
        ),
        failure="There is no node 0-9 on the page",
        goes_back=True,
        troubles=("slow_page",),
    )
    choose = Action("0-3", "selectOptionFromDropdown", "Choosing in the Size combobox", ("M",))
    first = Step(0, rich, Decision(choose, "Because.", 10, 2, "Linen Skirt", "{}", "no node 9"), "It failed", 1.5)
    last = Step(1, Page("about:blank", "", ()), Decision(None, ""), "The visit ended: other", 0.5)
    goal = goal_for("skirts", "buy", shop_id="shop", buyer_id="b", session_id="s", code=3)
    ended = [
        Episode("e-0", goal, "lm", 1, "other", (first, last), 2.0, "ModelError", "gone"),
        Episode("e-1", replace(goal, code=None, intent=None, wish=None), "replay", 2, "goal_reached", (), 0.1),
    ]
    assert read_episodes(*episode_tables(ended, EVENTS.empty(), {})) == ended
