"""Links that only the catalogue knows to be products."""

import asyncio

from simpersona.adapters.storefronts.scripted import ScriptedStore, scripted_page
from simpersona.pages import Action
from simpersona.shopper.known_products import KnownProducts, known_titles
from simpersona.shopper.moves import move_of

TREE = "[0-1] RootWebArea: Shop\n[0-2] link: Tin  Mug\n[0-3] link: About us\n[0-4] link: Blue mug ab 12,50 €\n[0-5] heading: Tin mug"


def test_a_link_with_a_title_of_the_catalogue_is_a_product_on_every_page():
    store = ScriptedStore({"home": scripted_page("http://shop.example/", TREE)}, {("home", "0-3"): "home"})
    window = KnownProducts(store, known_titles(["Tin mug", " "]))

    async def visit():
        pages = [await window.open(), await window.act(Action("0-3", "click", ""))]
        await window.close()
        return pages

    for page in asyncio.run(visit()):
        kinds = {node.id: move_of(node, "click") for node in page.nodes if node.role == "link"}
        assert kinds == {"0-2": "product", "0-3": "link", "0-4": "product"}
        assert page.node("0-5").purpose is None
    assert known_titles(["", " "]) == frozenset()
