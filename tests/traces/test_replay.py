"""The teacher on a scripted store: what it does, says, and does when lost."""

import asyncio
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.contracts import Moment, RecordedSession, persona_token
from simpersona.shopper.episode import run_episode
from simpersona.shopper.goals import neutral_goal, replay_goal
from simpersona.shopper.prompt import MAX_REASONING_CHARS, answer, parse_reply, reply_schema
from simpersona.traces.draw import estimated_actions
from simpersona.traces.examples import chat_example, training_steps
from simpersona.traces.replay import ReplayPolicy
from simpersona.traces.sight import says
from simpersona.traces.voice import SENTENCES, Voice

from .conftest import PAGES, TRANSITIONS

SKIRT = {"product_id": "p1", "title": "Pleated Skirt", "price": 48.0}
BAG = {"product_id": "p2", "title": "Mini Bag", "price": 12.0}


def replayed(store, session, max_steps=40):
    return asyncio.run(
        run_episode(
            store,
            ReplayPolicy(session),
            replay_goal(session),
            episode_id="e",
            seed=0,
            max_steps=max_steps,
            time_limit_seconds=30,
        )
    )


def done(episode):
    actions = [step.decision.action for step in episode.steps if step.decision.action is not None]
    return [(action.description, *action.arguments) for action in actions]


def test_a_whole_purchase(store, purchase):
    episode = replayed(store, purchase)
    assert done(episode) == [
        ("Clicking on the Skirts link",),
        ("Clicking on the Pleated Skirt - $48.00 link",),
        ("Choosing in the Size combobox", "S"),
        ("Clicking on the Add to cart button",),
        ("Clicking on the Proceed to checkout link",),
        ("Typing into the Email textbox", "shopper@example.com"),
        ("Clicking on the Continue button",),
        ("Typing into the Full name textbox", "Test Shopper"),
        ("Typing into the Address textbox", "1 Main Street"),
        ("Choosing in the Country combobox", "Germany"),
        ("Clicking on the Continue button",),
        ("Clicking on the Place order button",),
    ]
    assert episode.ending == "goal_reached"
    assert episode.steps[-1].decision.reasoning in SENTENCES["ordered"]
    assert len(done(episode)) <= estimated_actions(purchase)


def test_every_decision_is_one_that_the_schema_offers(store, purchase):
    for step in replayed(store, purchase).steps:
        assert parse_reply(answer(step.decision), step.page) == step.decision
        if step.decision.action is not None:
            offers = reply_schema(step.page)["anyOf"][0]["properties"]["action"]["anyOf"]
            wanted = (step.decision.action.node, step.decision.action.method, step.decision.action.description)
            assert wanted in [tuple(one["properties"][key]["const"] for key in
                                    ("nodeSelector", "method", "description")) for one in offers]  # fmt: skip


def test_what_is_not_on_the_page_is_searched_and_the_price_tells_two_titles_apart(store, session):
    episode = replayed(store, session(Moment("product_viewed", **BAG)))
    assert done(episode) == [
        ("Typing into the Search products searchbox", "Mini Bag"),
        ("Pressing Enter in the Search products searchbox", "Enter"),
        ("Clicking on the Mini Bag - $12.00 link",),
    ]


def test_a_product_is_looked_for_among_its_kind_before_its_title_is_typed(store, session):
    episode = replayed(store, session(Moment("product_viewed", **SKIRT, product_type="Skirts")))
    assert done(episode) == [("Clicking on the Skirts link",), ("Clicking on the Pleated Skirt - $48.00 link",)]
    assert "Skirts" in episode.steps[0].decision.reasoning


def test_what_is_not_among_its_kind_is_searched(store, session):
    episode = replayed(store, session(Moment("product_viewed", **BAG, product_type="Skirts")))
    assert done(episode) == [
        ("Clicking on the Skirts link",),
        ("Typing into the Search products searchbox", "Mini Bag"),
        ("Pressing Enter in the Search products searchbox", "Enter"),
        ("Clicking on the Mini Bag - $12.00 link",),
    ]


def test_it_goes_back_to_the_list_where_it_saw_the_next_product(store, session):
    whole = session(
        Moment("collection_viewed", collection_id="skirts", collection="Skirts"),
        Moment("product_viewed", **SKIRT),
        Moment("search_submitted", query="bag"),
        Moment("product_viewed", **BAG),
        Moment("product_viewed", product_id="p3", title="Mini Bag", price=13.0),
    )
    assert done(replayed(store, whole))[4:] == [
        ("Clicking on the Mini Bag - $12.00 link",),
        ("Going back to the page before", "back"),
        ("Clicking on the Mini Bag - $13.00 link",),
    ]


def test_a_missing_product_gives_the_nearest_title_and_says_so(store, session):
    episode = replayed(store, session(Moment("product_viewed", product_id="p9", title="Mini Bags")))
    assert done(episode)[-1] == ("Clicking on the Mini Bag - $13.00 link",)
    assert "closest" in episode.steps[-2].decision.reasoning


def test_lost_it_says_so_and_leaves(store, session):
    episode = replayed(store, session(Moment("product_viewed", product_id="p9", title="Garden Hose")))
    assert episode.ending == "goal_reached"
    assert "Garden Hose" in episode.steps[-1].decision.reasoning
    assert "cannot find" in episode.steps[-1].decision.reasoning


def test_removal_goes_by_the_cart(store, session):
    whole = session(
        Moment("collection_viewed", collection_id="skirts", collection="Skirts"),
        Moment("product_added_to_cart", **SKIRT),
        Moment("collection_viewed", collection_id="bags", collection="Bags"),
        Moment("product_removed_from_cart", **SKIRT),
    )
    assert done(replayed(store, whole))[-2:] == [("Clicking on the Cart (1) link",), ("Clicking on the Remove button",)]


def test_it_leaves_a_checkout_that_shows_nothing_else(store, session):
    whole = session(
        Moment("collection_viewed", collection_id="skirts", collection="Skirts"),
        Moment("product_added_to_cart", **SKIRT),
        Moment("checkout_started"),
        Moment("collection_viewed", collection_id="bags", collection="Bags"),
    )
    assert done(replayed(store, whole))[-2:] == [("Clicking on the Back to cart link",), ("Clicking on the Bags link",)]


def test_a_collection_that_the_menu_leaves_out_is_found_among_all(session):
    pages = {
        "home": scripted_page("http://s/", "[0-1] RootWebArea: Shop\n[0-2] link: Skirts\n[0-3] link: All collections"),
        "all": scripted_page("http://s/collections/", "[0-1] RootWebArea: Collections\n[0-2] link: Bags"),
    }
    store = ScriptedStore(pages, {("home", "0-3"): "all"})
    episode = replayed(store, session(Moment("collection_viewed", collection="Bags")))
    assert done(episode) == [("Clicking on the All collections link",), ("Clicking on the Bags link",)]


def boutique():
    """A store with a menu, a drawer, and search on a page of its own; prices come first."""
    lines = {
        "home": ("DisclosureTriangle: Shop", "link: Search", "DisclosureTriangle: Bag (0)", "link: $9.00 Canvas Bag"),
        "menu": ("DisclosureTriangle: Shop", "link: Bags", "link: Search", "DisclosureTriangle: Bag (0)"),
        "search": ("link: Search", "searchbox: What are you looking for?", "button: Search"),
        "results": ("link: Search", "searchbox: What are you looking for?", "link: $9.00 Canvas Bag"),
        "bag": ("DisclosureTriangle: Bag (0)", "combobox: Size = S (S | M)", "button: Put in bag"),
        "added": ("DisclosureTriangle: Bag (1)", "link: Check out", "link: View bag", "button: Put in bag"),
        "closed": ("DisclosureTriangle: Bag (1)", "link: Search", "button: Put in bag"),
        "cart": ("link: Canvas Bag - $9.00", "button: Drop Canvas Bag", "link: Check out"),
        "till": ("textbox: Email", "button: Complete purchase"),
        "thanks": ("heading: Thank you, your order is placed",),
    }
    paths = {
        "bag": "products/canvas-bag/",
        "added": "products/canvas-bag/",
        "closed": "products/canvas-bag/",
        "till": "checkout/",
    }
    pages = {
        name: scripted_page(
            f"http://s/{paths.get(name, name + '/')}",
            "\n".join(f"[0-{i}] {line}" for i, line in enumerate(("RootWebArea: S", *own), start=1)),
        )
        for name, own in lines.items()
    }
    moves = {
        ("home", "0-2"): "menu", ("home", "0-3"): "search", ("home", "0-5"): "bag", ("menu", "0-3"): "results",
        ("search", "0-3"): "results", ("results", "0-4"): "bag", ("bag", "0-4"): "added", ("added", "0-3"): "till",
        ("added", "0-4"): "cart", ("closed", "0-2"): "added", ("till", "0-3"): "thanks", ("cart", "0-4"): "till",
    }  # fmt: skip
    return pages, moves


CANVAS = {"product_id": "p3", "title": "Canvas Bag", "price": 9.0}
ADDED = [("Clicking on the $9.00 Canvas Bag link",), ("Clicking on the Put in bag button",)]


def test_it_opens_a_menu_and_goes_to_the_search_s_own_page(session):
    whole = session(Moment("collection_viewed", collection="Bags"), Moment("product_viewed", **CANVAS))
    assert done(replayed(ScriptedStore(*boutique()), whole)) == [
        ("Clicking on the Shop DisclosureTriangle",),
        ("Clicking on the Bags link",),
        ("Clicking on the $9.00 Canvas Bag link",),
    ]
    assert done(replayed(ScriptedStore(*boutique()), session(Moment("search_submitted", query="bag")))) == [
        ("Clicking on the Search link",),
        ("Typing into the What are you looking for? searchbox", "bag"),
        ("Pressing Enter in the What are you looking for? searchbox", "Enter"),
    ]


def test_a_drawer_leads_to_the_checkout_and_to_the_cart(session):
    added = Moment("product_added_to_cart", **CANVAS)
    bought = session(added, Moment("checkout_started"), Moment("checkout_completed", **CANVAS))
    assert done(replayed(ScriptedStore(*boutique()), bought)) == [
        *ADDED,
        ("Clicking on the Check out link",),
        ("Typing into the Email textbox", "shopper@example.com"),
        ("Clicking on the Complete purchase button",),
    ]
    dropped = session(added, Moment("product_removed_from_cart", **CANVAS))
    assert done(replayed(ScriptedStore(*boutique()), dropped)) == [
        *ADDED,
        ("Clicking on the View bag link",),
        ("Clicking on the Drop Canvas Bag button",),
    ]
    pages, moves = boutique()
    shut = moves | {("bag", "0-4"): "closed"}
    assert done(replayed(ScriptedStore(pages, shut), dropped))[2:] == [
        ("Clicking on the Bag (1) DisclosureTriangle",),
        ("Clicking on the View bag link",),
        ("Clicking on the Drop Canvas Bag button",),
    ]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Wool Skirt - $1,200.00", "wool skirt"),
        ("Wool Skirt, from $12", "wool skirt"),
        ("$1,200.00 Wool Skirt", "wool skirt"),
        ("12.50 € – Wool Skirt", "wool skirt"),
        ("Wool Skirt $12.00 $9.00", "wool skirt"),
        ("5 Pocket Jeans", "5 pocket jeans"),
    ],
)
def test_a_title_is_known_with_its_price_before_or_after_it(name, what):
    assert says(name, what)
    assert not says(name, "skirt")


def test_an_action_that_fails_is_tried_once_more_then_given_up(session):
    class Broken(ScriptedStore):
        async def act(self, action):
            self.actions.append(action)
            return self._failed("It did not answer")

    home = scripted_page("http://shop.example/", "[0-1] RootWebArea: Shop\n[0-2] link: Skirts")
    store = Broken({"home": home}, {})
    episode = replayed(store, session(Moment("collection_viewed", collection="Skirts")))
    assert len(store.actions) == 2
    assert "It did not answer" in episode.steps[-1].decision.reasoning


def test_it_looks_through_the_parts_of_a_long_page(session):
    pages = {
        "home": scripted_page("http://s/", "[0-1] RootWebArea: Shop = part 1 of 2\n[0-2] link: Bags"),
        "more": scripted_page("http://s/", "[0-1] RootWebArea: Shop = part 2 of 2\n[0-3] link: Skirts"),
    }

    class Long(ScriptedStore):
        async def act(self, action):
            self.actions.append(action)
            self._page = pages["more" if action.method == "nextChunk" else "home"]
            return self._page

    store = Long(pages, {})
    replayed(store, session(Moment("collection_viewed", collection="Skirts")))
    assert [action.method for action in store.actions] == ["nextChunk", "click"]


@pytest.mark.parametrize("stratum", "ABCD")
def test_reasoning_knows_neither_stratum_nor_persona(store, session, purchase, stratum):
    one, other = replayed(store, purchase), replayed(store, session(*purchase.timeline, stratum=stratum, code=99))
    said = [step.decision.reasoning for step in other.steps]
    assert [step.decision.reasoning for step in one.steps] == said
    assert not any(re.search(r"persona|stratum|token|99", words) for words in said)


def test_sentences_vary_with_the_seed_and_keep_the_schema_s_length():
    assert len({Voice(seed).say("product", "Pleated Skirt") for seed in range(20)}) > 1
    assert Voice(1).say("product", "x") == Voice(1).say("product", "x")
    assert all(len(Voice(0).say(situation, "long " * 60)) <= MAX_REASONING_CHARS for situation in SENTENCES)


def shop_of(lines, moves):
    """A store from each page's path and lines."""
    pages = {
        name: scripted_page(
            f"http://s/{path}", "\n".join(f"[0-{i}] {line}" for i, line in enumerate(("RootWebArea: S", *own), start=1))
        )
        for name, (path, *own) in lines.items()
    }
    return ScriptedStore(pages, moves)


def sold_out_shop():
    frame = ("searchbox: Search", "link: Cart (1)", "link: Skirts")
    return shop_of(
        {
            "home": ("", *frame, "link: Pleated Skirt - $48.00"),
            "gone": ("products/pleated-skirt/", *frame, "StaticText: Sold out", "button: Add to cart = (disabled)"),
            "results": ("search/", *frame, "link: Pleated Skirt - $48.00", "link: Pleated Skirts - $50.00"),
            "other": ("products/pleated-skirts/", *frame, "button: Add to cart"),
            "cart": ("cart/", *frame, "link: Pleated Skirts - $50.00", "button: Remove"),
        },
        {
            ("home", "0-5"): "gone", ("gone", "0-2"): "results", ("results", "0-5"): "gone", ("results", "0-6"): "other",
            ("other", "0-3"): "cart",
        },
    )  # fmt: skip


def test_for_what_is_sold_out_the_nearest_title_is_added_and_taken_out(session):
    skirt = {"product_id": "p1", "title": "Pleated Skirt", "price": 48.0}
    whole = session(
        Moment("product_viewed", **skirt),
        Moment("product_added_to_cart", **skirt),
        Moment("product_removed_from_cart", **skirt),
    )
    episode = replayed(sold_out_shop(), whole)
    assert done(episode) == [
        ("Clicking on the Pleated Skirt - $48.00 link",),
        ("Typing into the Search searchbox", "Pleated Skirt"),
        ("Pressing Enter in the Search searchbox", "Enter"),
        ("Clicking on the Pleated Skirts - $50.00 link",),
        ("Clicking on the Add to cart button",),
        ("Clicking on the Cart (1) link",),
        ("Clicking on the Remove button",),
    ]
    assert [step.decision.stands_for for step in episode.steps] == [*[None] * 3, "Pleated Skirt", *[None] * 4]
    assert "sold out" in episode.steps[3].decision.reasoning


def test_the_nearest_title_is_looked_for_among_its_kind_where_a_search_finds_none(session):
    frame = ("searchbox: Search", "link: Skirts")
    store = shop_of(
        {
            "home": ("", *frame),
            "nothing": ("search/", *frame, "heading: Nothing found"),
            "skirts": ("collections/skirts/", *frame, "link: Pleated Skirts - $50.00"),
            "skirt": ("products/pleated-skirts/", *frame),
        },
        {
            ("home", "0-2"): "nothing", ("home", "0-3"): "skirts", ("nothing", "0-3"): "skirts", ("skirts", "0-2"): "nothing",
            ("skirts", "0-4"): "skirt",
        },
    )  # fmt: skip
    asked = {"product_id": "p1", "title": "Pleated Skirt", "product_type": "Skirts"}
    episode = replayed(store, session(Moment("product_viewed", **asked)))
    assert done(episode)[-2:] == [("Clicking on the Skirts link",), ("Clicking on the Pleated Skirts - $50.00 link",)]
    assert episode.steps[-2].decision.stands_for == "Pleated Skirt"


def test_what_is_there_stands_for_nothing(store, purchase):
    assert {step.decision.stands_for for step in replayed(store, purchase).steps} == {None}


MOMENTS = st.one_of(
    st.sampled_from(
        [
            Moment("collection_viewed", collection_id="skirts", collection="Skirts"),
            Moment("product_viewed", **SKIRT),
            Moment("product_viewed", product_id="p9", title="Mini Bags"),
            Moment("product_added_to_cart", **BAG),
            Moment("product_removed_from_cart", **BAG),
            Moment("search_submitted", query="bag"),
            Moment("checkout_started"),
        ]
    ),
    st.text("abc ", min_size=1, max_size=50).map(lambda words: Moment("search_submitted", query=words)),
)


@given(
    st.lists(MOMENTS, min_size=1, max_size=6),
    st.tuples(st.sampled_from("ABCDE"), st.integers(0, 300)),
    st.tuples(st.sampled_from("ABCDE"), st.integers(0, 300)),
)
@settings(deadline=None, max_examples=60)
def test_buyers_with_the_same_session_differ_by_their_token_alone(timeline, one, other):
    told = []
    for stratum, code in (one, other):
        session = RecordedSession("shop", "buyer", "session", stratum, code, tuple(timeline))
        episode = replayed(ScriptedStore(PAGES, TRANSITIONS), session)
        steps = training_steps(episode, neutral_goal(session), "neutral")
        lines = json.dumps([chat_example(step)["messages"] for step in steps])
        assert lines.count("persona") == lines.count(f"<BuyerProfile>\\n{persona_token(code)}\\n</BuyerProfile>")
        told.append(lines.replace(persona_token(code), "TOKEN"))
        assert not any("stratum" in step.decision.reasoning for step in episode.steps)
    assert told[0] == told[1]
