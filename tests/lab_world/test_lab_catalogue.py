import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.lab.catalogue import make_catalogue
from simpersona.lab.departments import DEPARTMENTS


@settings(max_examples=25, deadline=None)
@given(number=st.integers(0, 100), products=st.integers(6, 1500), seed=st.integers(0, 1000))
def test_a_catalogue_keeps_its_contracts(number, products, seed):
    made = make_catalogue(number, products, np.random.default_rng(seed))
    table = PRODUCTS.check(made.products)
    COLLECTIONS.check(made.collections)
    titles = table["title"].to_pylist()
    assert len(titles) == products
    assert len(set(titles)) == products
    assert 1 <= len(made.departments) <= 3
    assert min(table["price"].to_pylist()) >= 1
    known = set(made.collections["collection_id"].to_pylist())
    inside = table["collection_ids"].to_pylist()
    assert all(inside)  # every product can be reached by navigation
    assert {collection for ids in inside for collection in ids} == known


@pytest.mark.parametrize("seed", range(5))
def test_a_search_finds_what_its_words_say(seed):
    made = make_catalogue(0, 60, np.random.default_rng(seed))
    titles = [title.lower() for title in made.products["title"].to_pylist()]
    types = made.products["product_type"].to_pylist()
    plurals = {kind.plural: kind.noun.lower() for _, kind in made.kinds}
    for query, found in zip(made.queries, made.found, strict=True):
        words = [plurals.get(word, word) for word in query.split()]
        expected = [
            i for i, title in enumerate(titles) if all(word in title.replace(",", "").split() for word in words)
        ]
        assert found.tolist() == expected
    for i, exact in enumerate(made.specific):
        assert all(i in made.found[query] for query in exact)
        assert i in made.found[made.queries.index(types[i])]


def test_a_usual_shop_has_five_to_eight_collections_of_types_and_themes():
    for seed in range(20):
        titles = make_catalogue(0, 60, np.random.default_rng(seed)).collections["title"].to_pylist()
        assert 5 <= len(titles) <= 8
        assert "New arrivals" in titles
        assert len(set(titles)) == len(titles)


def test_under_a_price_holds_just_the_cheaper_products():
    made = make_catalogue(0, 60, np.random.default_rng(3))
    place, title = next((i, t) for i, t in enumerate(made.collections["title"].to_pylist()) if t.startswith("Under"))
    limit = float(title.removeprefix("Under $"))
    assert made.members[place].tolist() == [i for i, price in enumerate(made.price) if price < limit]


def test_nouns_and_plurals_are_said_once_and_are_alike():
    kinds = [kind for department in DEPARTMENTS for kind in department.kinds]
    assert len({kind.noun for kind in kinds}) == len(kinds)
    assert all(kind.plural in (f"{kind.noun.lower()}s", f"{kind.noun.lower()}es") for kind in kinds)
    for department in DEPARTMENTS:
        words = [*department.makes, *department.styles]
        assert all(" " not in word for word in words)  # a query's words are whole words of titles
        assert not set(department.makes) & set(department.styles)
