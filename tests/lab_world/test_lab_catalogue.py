import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpersona.contracts import COLLECTIONS, PRODUCTS
from simpersona.lab.catalogue import LARGEST, catalogue_sizes, make_catalogue
from simpersona.lab.departments import DEPARTMENTS, vendors


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
    for query, found in zip(made.queries, made.query_products, strict=True):
        words = [plurals.get(word, word) for word in query.split()]
        expected = [
            i for i, title in enumerate(titles) if all(word in title.replace(",", "").split() for word in words)
        ]
        assert found.tolist() == expected
    for i, exact in enumerate(made.exact_queries):
        assert all(i in made.query_products[query] for query in exact)
        assert i in made.query_products[made.queries.index(types[i])]


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
    assert made.collection_products[place].tolist() == [i for i, price in enumerate(made.price) if price < limit]


def test_nouns_and_plurals_are_said_once_and_are_alike():
    kinds = [kind for department in DEPARTMENTS for kind in department.kinds]
    assert len({kind.noun for kind in kinds}) == len(kinds)
    assert all(kind.plural in (f"{kind.noun.lower()}s", f"{kind.noun.lower()}es") for kind in kinds)
    for department in DEPARTMENTS:
        words = [*department.makes, *department.styles]
        assert all(" " not in word for word in words)  # a query's words are whole words of titles
        words += [word for finish in department.finishes for word in finish.split()]
        words += [kind.noun for kind in department.kinds]
        assert len(set(words)) == len(words) - _repeated_in(department.finishes)
        assert not {word for shop in range(81) for vendor in vendors(shop) for word in vendor.split()} & set(words)


def _repeated_in(finishes: tuple[str, ...]) -> int:
    words = [word for finish in finishes for word in finish.split()]
    return len(words) - len(set(words))


def test_no_two_of_81_shops_share_a_title_an_id_or_a_maker():
    seen: dict[str, set[str]] = {"title": set(), "product_id": set(), "vendor": set()}
    for shop in range(81):
        table = make_catalogue(shop, 300, np.random.default_rng(shop)).products
        for column, before in seen.items():
            mine = set(table[column].to_pylist())
            assert not mine & before
            before.update(mine)
    assert len(seen["title"]) == len(seen["product_id"]) == 81 * 300


@pytest.mark.parametrize("departments", [1, 3])
def test_a_shop_of_20_000_products_reads_well(departments):
    for seed in range(100):
        if len(make_catalogue(5, 60, np.random.default_rng(seed)).departments) == departments:
            break
    made = make_catalogue(5, 20_000, np.random.default_rng(seed))
    assert len(made.departments) == departments
    assert 5 <= len(made.collections) <= 40
    titles, texts = made.products["title"].to_pylist(), made.products["text"].to_pylist()
    assert len(set(titles)) == 20_000
    assert not any(character in "".join(titles) for character in "{}()0123456789")
    for title, text, vendor in zip(titles, texts, made.products["vendor"].to_pylist(), strict=True):
        assert title.startswith(vendor)
        assert title in text
        assert "{" not in text
        assert text.endswith(".")
    after_opening = [text.split(". ", 1)[1] for text in texts]
    assert len(set(after_opening)) > 15_000  # descriptions differ in more than the title


@given(shops=st.integers(1, 200), mean=st.integers(6, 20_000), seed=st.integers(0, 1000))
def test_catalogue_sizes_have_the_mean_asked_for_and_differ(shops, mean, seed):
    sizes = catalogue_sizes(shops, mean, np.random.default_rng(seed))
    assert len(sizes) == shops
    assert sizes.min() >= min(mean, 30)
    assert sizes.max() == LARGEST or sizes.mean() == mean
    if shops >= 50 and mean >= 100:
        assert sizes.max() > 1.5 * np.median(sizes)
