"""What is inferred from a visit's pages and their effects, and what stays unknown."""

from dataclasses import replace

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.contracts import EPISODES, EVENTS, STEPS
from simpersona.pages import Action, Decision, Effect, PageContent
from simpersona.shopper.observed import observed_visit
from simpersona.shopper.records import episode_tables, read_episodes
from simpersona.visits import SUCCESS, Episode, Goal, Step

GOAL = Goal("", "shop", "", "", None)
TREE = "[0-1] RootWebArea: Shop\n[0-2] button: Add to Cart\n[0-3] link: Next\n[0-4] button: Size M\n[0-5] link: Add to cart"
PRODUCT = PageContent(prices=1, add_controls=1)
ADDED = Effect("product_added_to_cart", "cart_answer")


def page(path, content=PRODUCT, *effects):
    return replace(scripted_page(f"https://shop.example{path}", TREE), content=content, effects=effects)


def visit(*pages_and_clicks, ending="goal_reached"):
    """Pages, and between two of them the node that was clicked."""
    pages, clicks = pages_and_clicks[::2], [*pages_and_clicks[1::2], None]
    steps = [
        Step(number, seen, Decision(None if node is None else Action(node, "click", "Clicking"), ""), SUCCESS, 1.0)
        for number, (seen, node) in enumerate(zip(pages, clicks, strict=True))
    ]
    return Episode("e", GOAL, "lm", 1, ending, tuple(steps), 9.0, recorded=False)


def events(*pages_and_clicks):
    seen = observed_visit(visit(*pages_and_clicks))
    return [(event.event, event.evidence) for event in seen.events], set(seen.unknown)


def test_seo_addresses_are_told_by_content_and_without_it_they_are_unknown():
    mugs = PageContent(cards=12)
    home = page("/store-1/", mugs)  # shows products, too, and is no list
    seen = events(home, "0-3", page("/mugs/", mugs), "0-3", page("/blue-mug.html"), "0-3", page("/our", PageContent()))
    assert seen == ([("collection_viewed", "structure"), ("product_viewed", "structure")], set())
    seen = events(page("/mugs/", None), "0-3", page("/blue-mug.html", None))
    assert seen == ([], {"product_viewed", "collection_viewed"})


def test_a_list_with_the_words_of_a_search_in_its_address_is_a_search_in_any_language():
    hits, none = PageContent(cards=12), PageContent()
    home = page("/", PageContent(tiles=9))
    found, _ = events(
        home, "0-3", page("/kensaku?q=kettle", hits), "0-3", page("/kensaku?q=xyz", none), "0-3", page("/mug?q=kettle")
    )
    assert [name for name, *_ in found] == ["search_submitted", "search_submitted", "product_viewed"]
    assert events(home, "0-3", page("/shohin?s=2", hits))[0] == [("collection_viewed", "structure")]


def test_a_page_that_asks_for_a_delivery_begins_a_checkout_once_unless_its_address_says_what_it_is():
    asks, nothing = Effect("checkout_started", "fields"), PageContent()
    cart, step, further = page("/cart", nothing), page("/x7", nothing, asks), page("/x8", nothing, asks)
    assert events(cart, "0-3", step, "0-3", further)[0] == [
        ("cart_viewed", "address"),
        ("checkout_started", "structure"),
    ]
    assert events(cart, "0-3", page("/account/addresses", nothing, asks))[0] == [("cart_viewed", "address")]
    assert [name for name, _ in events(page("/mug", PRODUCT, asks))[0]] == ["product_viewed"]


def test_a_page_from_which_something_was_added_is_a_product_and_so_are_its_like():
    """No control of the page is known to add: what it did says so. Another page of the folder is one without an addition."""
    shows, shelf = PageContent(prices=1), PageContent(cards=9)
    home = page("/", PageContent(tiles=9))
    other, added = page("/thing/tin-cup", shows), page("/thing/mug", shows, ADDED)
    seen = events(home, "0-3", other, "0-3", page("/shelf", shelf), "0-3", page("/thing/mug", shows), "0-4", added)
    assert seen == (
        [
            ("product_viewed", "structure"),
            ("collection_viewed", "structure"),
            ("product_viewed", "structure"),
            ("product_added_to_cart", "cart_answer"),
        ],
        set(),
    )
    # at the top of the store, an address says nothing about the next one
    seen = events(home, "0-3", page("/tin-cup", shows), "0-3", page("/mug", shows), "0-4", page("/mug", shows, ADDED))
    assert seen[0] == [("product_viewed", "structure"), ("product_added_to_cart", "cart_answer")]
    assert seen[1] == {"product_viewed", "collection_viewed"}


def test_a_wish_from_the_store_s_pages_is_marked_in_the_table_and_read_back():
    goal = Goal("You are here to buy mugs.", "shop", "b", "n", 1, "buy", "mugs", of_store=True)
    episodes = [replace(visit(page("/")), goal=goal), replace(visit(page("/")), episode_id="f")]
    table, steps = episode_tables(episodes, EVENTS.empty(), {})
    assert table["wish_of_store"].to_pylist() == [True, False]
    assert [one.goal for one in read_episodes(table, steps)] == [goal, GOAL]
    earlier = EPISODES.conform(table.drop_columns(["wish_of_store"]))
    assert [one.goal.of_store for one in read_episodes(earlier, steps)] == [False, False]


def test_what_a_page_reports_tells_a_page_of_unknown_kind_once():
    viewed = Effect("product_viewed", "analytics", "M12")
    here = page("/blue-mug.html", PageContent(prices=1))
    assert events(replace(here, effects=(viewed,)), "0-4", here) == ([("product_viewed", "analytics")], set())


def test_a_window_with_a_product_over_a_list_is_a_view_and_a_list_of_products_is_none():
    viewed = Effect("product_viewed", "analytics", "M12")
    other = Effect("product_viewed", "analytics", "M13")
    here = page("/collections/mugs", PageContent(cards=9))
    seen = observed_visit(visit(here, "0-4", replace(here, effects=(viewed,)), "0-4", here))
    assert [(event.event, event.product_id) for event in seen.events] == [
        ("collection_viewed", None),
        ("product_viewed", "M12"),
    ]
    assert events(replace(here, effects=(viewed, other))) == ([("collection_viewed", "address")], set())


def test_a_click_without_an_effect_is_unknown_unless_the_cart_is_shown():
    silent = page("/products/mug")
    assert events(silent, "0-2", silent)[1] == {"product_added_to_cart"}
    shown = page("/products/mug", replace(PRODUCT, cart_count=0))
    assert events(shown, "0-2", shown) == ([("product_viewed", "address")], set())
    # the shop hides the number of an empty cart
    bubble = page("/products/mug", replace(PRODUCT, cart_count=1))
    found, unknown = events(silent, "0-2", silent, "0-2", bubble)
    assert ([name for name, _ in found], unknown) == (["product_viewed", "product_added_to_cart"], set())


def test_a_later_page_tells_whether_an_addition_succeeded():
    silent, cart = page("/products/mug"), page("/cart", PageContent(cart_quantity=1))
    seen = observed_visit(visit(silent, "0-2", silent, "0-3", cart))
    assert [(event.event, event.evidence, event.step) for event in seen.events if "added" in event.event] == [
        ("product_added_to_cart", "cart_shown", 0)
    ]
    assert not seen.unknown


def test_a_link_and_the_way_back_do_not_add():
    none, one = (page(f"/p/{name}", replace(PRODUCT, cart_count=count)) for name, count in (("a", 0), ("b", 1)))
    assert "product_added_to_cart" not in dict(events(none, "0-3", one)[0])
    assert ("product_added_to_cart", "cart_shown") in events(none, "0-2", one)[0]
    assert "product_added_to_cart" not in dict(events(page("/collections/a"), "0-5", page("/products/mug"))[0])


def test_a_refusal_counts_more_than_what_the_page_reports():
    refused = replace(ADDED, accepted=False)
    reported = Effect("product_added_to_cart", "analytics", "M12")
    here = page("/products/mug")
    assert events(here, "0-2", replace(here, effects=(reported, refused))) == ([("product_viewed", "address")], set())
    assert ("product_added_to_cart", "analytics") in events(here, "0-2", replace(here, effects=(reported,)))[0]


def test_an_addition_by_another_control_counts():
    here = page("/products/mug")
    assert ("product_added_to_cart", "cart_answer") in events(here, "0-4", replace(here, effects=(ADDED,)))[0]


def test_events_can_be_inferred_again_from_the_stored_visit():
    here = page("/products/mug", replace(PRODUCT, cart_total=18.5, declared="product"), ADDED)
    done = visit(page("/products/mug"), "0-2", here)
    episodes, steps = episode_tables([done], EVENTS.empty(), {})
    (again,) = read_episodes(EPISODES.check(episodes), STEPS.check(steps))
    assert (again, observed_visit(again)) == (done, observed_visit(done))
    assert [step.page.content for step in again.steps] == [step.page.content for step in done.steps]
    (row,) = episodes.to_pylist()
    assert row["inferred_events"] == [
        {"event": "product_viewed", "evidence": "address", "step": 0, "product_id": "mug", "collection_id": None, "query": None},
        {"event": "product_added_to_cart", "evidence": "cart_answer", "step": 0, "product_id": "mug", "collection_id": None,
         "query": None},
    ]  # fmt: skip


def test_the_row_of_an_inferred_visit_has_null_for_what_cannot_be_told():
    episodes, _ = episode_tables([visit(page("/blue-mug/", None), "0-3", page("/cart", None))], EVENTS.empty(), {})
    (row,) = episodes.to_pylist()
    counts = {name: row[name] for name in row if name.endswith("_count")}
    assert counts == {
        "product_view_count": None,
        "collection_view_count": None,
        "search_count": 0,
        "add_to_cart_count": 0,
        "checkout_start_count": 0,
        "purchase_count": None,
    }
    assert set(row["inferred"]) == set(counts)
    assert (row["views"], row["products"], row["additions"]) == (None, None, [])


def test_tables_of_an_earlier_version_are_read():
    episodes, steps = episode_tables([replace(visit(page("/products/mug")), recorded=True)], EVENTS.empty(), {})
    older = episodes.drop_columns(["inferred", "inferred_events"]), steps.drop_columns(["effects", "content"])
    (again,) = read_episodes(EPISODES.conform(older[0]), STEPS.conform(older[1]))
    assert again.recorded
    assert again.steps[0].page.content is None
