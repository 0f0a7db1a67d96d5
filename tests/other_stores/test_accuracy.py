"""The measure itself, on visits written by hand: what is inferred beside what a store has recorded."""

from benchmarks.storefronts.accuracy import Accuracy, accuracies, without_effect
from benchmarks.storefronts.request_log import RequestLog
from simpersona.pages import Action, Decision, Node, Page
from simpersona.shopper.goals import goal_for
from simpersona.visits import SUCCESS, Episode, Step


def page(path, *names, troubles=()):
    nodes = tuple(Node(f"0-{number}", "link", name) for number, name in enumerate(names, 1))
    return Page(f"https://s.example{path}", "", nodes, troubles=troubles)


def visit(*steps, ending="goal_reached"):
    """An episode of (page, result of the click on it), and the page on which it ended."""
    click = Decision(Action("0-1", "click", "Clicking"), "")
    made = tuple(
        Step(number, shown, click if result else Decision(None, ""), result or "The shopper left", 0.1)
        for number, (shown, result) in enumerate(steps)
    )
    return Episode("v", goal_for("mugs", "buy", shop_id="s"), "scripted", 0, ending, made, 1.0)


def test_events_are_matched_in_their_order():
    log = RequestLog()
    for event, item in (("search_submitted", "mug"), ("product_viewed", "a"), ("collection_viewed", "c")):
        log.page("v", event, item)
    seen = visit(
        (page("/collections/c"), SUCCESS),
        (page("/search?q=mug"), SUCCESS),
        (page("/products/a"), SUCCESS),
        (page("/"), None),
    )
    found = accuracies([seen], log)
    assert found["search"] == Accuracy(1, 1, 1)
    assert found["product view"] == Accuracy(1, 1, 1)
    assert found["collection view"] == Accuracy(1, 1, 0)  # before the search here, after the product there
    assert (found["add to cart"].precision, found["add to cart"].recall) == (None, None)
    assert (found["collection view"].precision, found["search"].recall) == (0, 1)


def test_a_page_that_is_asked_for_again_is_the_same_view():
    log = RequestLog()
    for event, item in (("product_viewed", "a"), ("product_viewed", "a"), ("", ""), ("product_viewed", "a")):
        log.page("v", event, item)
    log.happened("v", "product_added_to_cart", "a")
    log.page("v", "product_viewed", "a")
    assert [event for event, _ in log.of("v")] == ["product_viewed", "product_viewed", "product_added_to_cart"]
    log.page("w", "search_submitted", "mug")
    log.page("w", "search_submitted", "mug", is_first=False)  # the second page of its results
    log.page("w", "search_submitted", "mug")
    assert [event for event, _ in log.of("w")] == ["search_submitted", "search_submitted"]
    assert log.of("another") == []
    assert log.orders == 0


def test_an_action_has_an_effect_if_it_succeeds_and_the_page_changes():
    same, other = page("/", "A"), page("/", "B")
    seen = visit(
        (same, SUCCESS), (same, SUCCESS), (other, "It is covered"), (page("/x", "B"), SUCCESS), (page("/y"), None)
    )
    assert [step.number for step in without_effect(seen)] == [0, 2]
    at_checkout = page("/checkout", "Pay", troubles=("checkout_reached",))
    ended = visit(
        (page("/checkout", "Pay"), "This store is not the lab's"), (at_checkout, None), ending="checkout_reached"
    )
    assert without_effect(ended) == []
