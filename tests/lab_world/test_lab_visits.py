from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from simpersona.contracts import EVENT_NAMES
from simpersona.lab.truth_tables import BOUNCER


def _product(line: dict) -> str:
    data = line["data"]
    variant = data["productVariant"] if "productVariant" in data else data["cartLine"]["merchandise"]
    return variant["product"]["id"]


def test_every_visit_obeys_the_funnel(visits):
    for visit in visits:
        cart: dict[str, float] = {}
        pieces: dict[str, int] = {}
        viewed = before = ""
        for line in visit:
            name, data = line["name"], line["data"]
            assert before != "checkout_completed"
            if name == "product_viewed":
                viewed = _product(line)
                assert viewed not in cart
            elif name == "product_added_to_cart":
                assert before == "product_viewed"
                assert _product(line) == viewed
                added = data["cartLine"]
                cart[viewed], pieces[viewed] = added["cost"]["totalAmount"]["amount"], added["quantity"]
                assert cart[viewed] == pytest.approx(added["merchandise"]["price"]["amount"] * pieces[viewed])
            elif name == "product_removed_from_cart":
                assert before in ("cart_viewed", "product_removed_from_cart")
                assert data["cartLine"]["quantity"] == pieces.pop(_product(line))
                del cart[_product(line)]
            elif name == "cart_viewed":
                assert cart
                assert data["cart"]["totalQuantity"] == sum(pieces.values())
            elif name == "checkout_started":
                assert before in ("cart_viewed", "product_removed_from_cart")
            elif name == "checkout_completed":
                assert before == "checkout_started"
            if name.startswith("checkout"):
                checkout = data["checkout"]
                items = checkout["lineItems"]
                assert {item["variant"]["product"]["id"]: item["quantity"] for item in items} == pieces
                assert {item["variant"]["product"]["id"]: item["finalLinePrice"]["amount"] for item in items} == cart
                assert cart
                assert checkout["subtotalPrice"]["amount"] == pytest.approx(sum(cart.values()))
                assert checkout["totalPrice"]["amount"] > checkout["subtotalPrice"]["amount"]
                assert ("order" in checkout) == (name == "checkout_completed")
            before = name


def test_events_are_whole_unique_and_in_order(events):
    ids, names = Counter(), set()
    for shop, lines in events.items():
        times = [line["timestamp"] for line in lines]
        assert times == sorted(times)
        assert all(len(time) == len("2026-01-05T10:11:12.345Z") for time in times[:100])
        assert {line["shop"] for line in lines} == {shop}
        ids.update(line["id"] for line in lines)
        names.update(line["name"] for line in lines)
    assert max(ids.values()) == 1
    assert names == set(EVENT_NAMES)


def test_what_is_shown_is_in_the_catalogue(world, events):
    products = {
        (row["shop_id"], row["product_id"]): row
        for row in world.table("events/products").to_pylist()
    }  # fmt: skip
    collections = {
        (row["shop_id"], row["collection_id"]): row["title"] for row in world.table("events/collections").to_pylist()
    }
    for shop, lines in events.items():
        for line in lines:
            data = line["data"]
            if "collection" in data:
                assert collections[shop, data["collection"]["id"]] == data["collection"]["title"]
            variant = data.get("productVariant") or data.get("cartLine", {}).get("merchandise")
            if variant:
                product = products[shop, variant["product"]["id"]]
                assert variant["product"]["title"] == product["title"]
                assert variant["price"]["amount"] == product["price"]
                assert variant["title"] in (product["variants"] or ["Default Title"])


def test_every_queried_word_is_in_a_title_of_the_shop(world, events):
    titles: dict[str, set[str]] = {}
    for row in world.table("events/products").to_pylist():
        titles.setdefault(row["shop_id"], set()).update(row["title"].lower().replace(",", "").split())
    for shop, lines in events.items():
        queries = {line["data"]["searchResult"]["query"] for line in lines if line["name"] == "search_submitted"}
        assert len(queries) > 20
        for word in {word for query in queries for word in query.split()}:
            assert {word, word.removesuffix("s"), word.removesuffix("es")} & titles[shop], word


def test_a_gap_of_half_an_hour_gives_back_the_true_sessions(world, events):
    true = {
        (row["shop_id"], row["buyer_id"], row["session"]): (row["start"], row["events"])
        for row in world.table("truth/sessions").to_pylist()
    }
    found = {}
    for shop, lines in events.items():
        times: dict[str, list[datetime]] = {}
        for line in lines:
            times.setdefault(line["clientId"], []).append(datetime.fromisoformat(line["timestamp"]))
        for buyer, mine in times.items():
            breaks = [i + 1 for i, (a, b) in enumerate(pairwise(mine)) if b - a > timedelta(minutes=30)]
            for number, (i, j) in enumerate(pairwise([0, *breaks, len(mine)])):
                found[shop, buyer, number] = (mine[i], j - i)
    assert found == true


def test_measured_rates_agree_with_the_planted_ones(world, visits):
    """Exact binomial test per type, intent and step; the level allows for the number of tests."""
    sessions = world.table("truth/sessions").to_pylist()
    truth = {(row["buyer_id"], row["session"]): (row["type"], row["intent"]) for row in sessions}
    numbers = Counter()
    steps = {
        "add_to_cart_rate": "product_added_to_cart",
        "checkout_start_rate": "checkout_started",
        "purchase_rate": "checkout_completed",
    }
    seen: dict[tuple[int, str], list[tuple[set[str], int]]] = {}
    for visit in visits:
        buyer = visit[0]["clientId"]
        kind, intent = truth[buyer, numbers[buyer]]
        numbers[buyer] += 1
        for key in (intent, "all"):
            seen.setdefault((kind, key), []).append(({line["name"] for line in visit}, len(visit)))
    tested = 0
    for row in world.table("truth/rates").to_pylist():
        mine = seen.get((row["type"], row["intent"]), [])
        if len(mine) < 30:
            continue
        for rate, event in steps.items():
            hits = sum(event in names for names, _ in mine)
            assert stats.binomtest(hits, len(mine), row[rate]).pvalue > 1e-5, (row, rate, hits, len(mine))
            tested += 1
        lengths = np.array([length for _, length in mine])
        error = lengths.std() / np.sqrt(len(lengths))
        assert abs(lengths.mean() - row["events_mean"]) <= 4.5 * error + 1e-9
    assert tested > 70


def test_the_bouncers_see_one_page_and_every_other_visit_wants_a_product_type(world):
    sessions = world.table("truth/sessions").to_pandas()
    assert sessions["events"].max() <= 40
    types = world.table("truth/types").to_pandas().set_index("type")
    bouncer = types.index[types["name"] == BOUNCER][0]
    bounced = sessions[sessions["type"] == bouncer]
    assert (bounced["events"] == 1).all()
    assert bounced["wanted"].isna().all()
    assert sessions[sessions["type"] != bouncer]["wanted"].notna().all()


def test_visits_look_more_often_at_products_with_the_word_they_want(world, visits):
    """Among views of the wanted type: how many titles have the sought word, beside the same titles' share of the type."""
    products = {
        (row["shop_id"], row["product_id"]): (row["title"].lower().replace(",", "").split(), row["product_type"])
        for row in world.table("events/products").to_pylist()
    }
    of_type: dict[tuple[str, str], list[list[str]]] = {}
    for (shop, _), (words, kind) in products.items():
        of_type.setdefault((shop, kind), []).append(words)
    truth = {(row["buyer_id"], row["session"]): row for row in world.table("truth/sessions").to_pylist()}
    numbers, found, expected = Counter(), [], []
    for visit in visits:
        buyer, shop = visit[0]["clientId"], visit[0]["shop"]
        row = truth[buyer, numbers[buyer]]
        numbers[buyer] += 1
        if row["wanted"] is None:
            assert row["sought"] is None
            continue
        word, noun = row["sought"].split()
        assert row["wanted"].startswith(noun)
        same = of_type[shop, row["wanted"]]
        viewed = [products[shop, _product(line)] for line in visit if line["name"] == "product_viewed"]
        mine = [word in words for words, kind in viewed if kind == row["wanted"]]
        found += mine
        expected += [np.mean([word in words for words in same])] * len(mine)
    assert len(found) > 5000
    assert np.mean(found) > 1.5 * np.mean(expected)
