"""What a page shows only when one scrolls or points is offered to every policy, where it changes something."""

import pytest

from simpersona.pages import Action
from simpersona.shopper.affordances import choices
from tests.adapters.live_pages import after, node, visit

pytestmark = pytest.mark.slow
ITEM = """const add = (to, many) => { for (let i = 0; i < many; i++) { const a = document.createElement('a'); a.href = '/product?' + ++n;
    a.textContent = 'Mug ' + n; a.style = 'display:block;height:160px'; to.append(a); } }; let n = 0;"""
LISTS = {
    "a mark below the list": f"""<div id=g></div><div id=s style=height:10px></div><script>{ITEM} add(g, 12);
        new IntersectionObserver(e => {{ if (e[0].isIntersecting && n < 60) setTimeout(() => add(g, 12), 100); }}).observe(s)</script>""",
    "a mark above a tall footer": f"""<div id=g></div><div id=s></div><footer style=height:3000px>About us</footer><script>{ITEM} add(g, 12);
        new IntersectionObserver(async e => {{ if (e[0].isIntersecting && n < 60) {{ await fetch('/slow?ms=80'); add(g, 12); }} }},
        {{rootMargin: '200px'}}).observe(s)</script>""",
    "a listener to scrolling": f"""<div id=g></div><script>{ITEM} add(g, 12); let busy = false; window.addEventListener('scroll', async () => {{
        if (busy || n >= 60 || scrollY + innerHeight < document.body.scrollHeight - 300) return;
        busy = true; await fetch('/slow?ms=60'); add(g, 12); busy = false; }})</script>""",
    "a box that shows only what is in sight": """<div id=v style="height:400px;overflow:auto"><div id=i style="height:6000px;position:relative"></div></div><script>
        const draw = () => { const first = Math.floor(v.scrollTop / 100); i.innerHTML = ''; for (let k = first; k < first + 6 && k < 60; k++)
        i.insertAdjacentHTML('beforeend', `<a href=/product?${k} style="position:absolute;top:${k * 100}px">Mug ${k + 1}</a>`); };
        v.addEventListener('scroll', draw); draw()</script>""",
    "a box that scrolls": f"""<div id=g style="height:500px;overflow:auto"></div><script>{ITEM} add(g, 12);
        g.addEventListener('scroll', () => {{ if (n < 60 && g.scrollTop + g.clientHeight > g.scrollHeight - 50) add(g, 12); }})</script>""",
}


async def read_to_the_end(session, page):
    names, failures = {one.name for one in page.nodes}, []
    for _ in range(60):
        if (page.nodes[0], "nextChunk") not in list(choices(page)):
            break
        page = await session.act(Action("0-1", "nextChunk", ""))
        names |= {one.name for one in page.nodes}
        failures.append(page.failure)
    return names, failures, page


@pytest.mark.parametrize("html", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("tokens", [150, 1200])
def test_every_item_of_a_list_that_loads_by_scrolling_is_reached(html, tokens):
    names, failures, last = visit("<title>Mugs</title>" + html, read_to_the_end, max_page_tokens=tokens)
    assert {f"Mug {n}" for n in range(1, 61)} <= names
    assert {failure for failure in failures if failure} <= {"Nothing more comes when the page is scrolled"}
    part, parts = (last.nodes[0].value.split() or ["part", "1", "of", "1"])[1::2]
    assert part == parts


ENDS = {
    "a page that does not scroll": "<p>Short</p>",
    "a long page": "<div style=height:5000px>Long</div><script>0</script>",
    "pictures that load late": """<img style="margin-top:3000px" src=data:, alt=Mug><script>for (const i of document.images)
        new IntersectionObserver(() => {}).observe(i)</script>""",
    "a framework that listens to everything": """<div id=r style=height:5000px>Long</div><script>
        r.addEventListener('scroll', () => {}, true)</script>""",
}


@pytest.mark.parametrize("html", ENDS.values(), ids=ENDS)
def test_where_nothing_loads_nothing_is_offered(html):
    async def use(_, page):
        return [method for _, method in choices(page)]

    assert "nextChunk" not in visit("<title>Shop</title>" + html, use)


def test_scrolling_in_vain_is_said_once_and_not_offered_again():
    html = "<title>Shop</title><div style=height:4000px>Long</div><script>addEventListener('scroll', () => {})</script>"

    async def use(session, page):
        return page, await session.act(Action("0-1", "nextChunk", ""))

    first, second = visit(html, use)
    assert (first.nodes[0].value, second.nodes[0].value) == ("part 1 of 2", "")
    assert second.failure == "Nothing more comes when the page is scrolled"


# --- menus ------------------------------------------------------------------------------------


SUB = "<ul class=sub><li><a href=/product>Tin mugs</a></li></ul>"
MENUS = {
    "a style sheet": f"<style>.sub {{ display: none }} nav li:hover > .sub {{ display: block }}</style><nav><ul><li><a href='#'>Mugs</a>{SUB}</li></ul></nav>",
    "a mega menu beside its trigger": f"""<style>.sub {{ visibility: hidden; transition: visibility 0s .15s }} @media (min-width: 600px) {{
        .top:hover + .sub, .sub:hover {{ visibility: visible }} }}</style><header><div><a class=top href='#'>Mugs</a>{SUB}</div></header>""",
    "a trigger without a control": f"<style>.sub {{ display: none }} .item:hover .sub {{ display: block }}</style><div class=item><span>Mugs</span>{SUB}</div>",
    "a listener": f"""<nav><ul><li id=i><a href='#'>Mugs</a>{SUB.replace('<ul', '<ul style=display:none')}</li></ul></nav><script>const sub =
        document.querySelector('.sub'); i.addEventListener('mouseenter', () => setTimeout(() => {{ sub.style.display = 'block'; }}, 200));
        i.addEventListener('mouseleave', () => {{ sub.style.display = 'none'; }})</script>""",
    "a layer that a script makes": f"""<nav><button id=b aria-haspopup=true aria-expanded=false>Mugs</button></nav><div id=p></div><script>
        b.addEventListener('pointerenter', () => {{ p.innerHTML = '{SUB}'; }})</script>""",
    "a framework's property": f"""<nav><a id=a href='#'>Mugs</a></nav><div id=p></div><script>a.__reactProps$x = {{onMouseEnter() {{}}}};
        document.addEventListener('mouseover', e => {{ if (e.target === a) p.innerHTML = '{SUB}'; }})</script>""",
}  # fmt: skip


@pytest.mark.parametrize("html", MENUS.values(), ids=MENUS)
def test_a_menu_that_opens_under_the_pointer_is_pointed_at_and_used(html):
    async def use(session, page):
        offered = [(one.name, method) for one, method in choices(page)]
        opened = await session.act(Action(node(page, "Mugs").id, "hover", ""))
        return offered, opened, await session.act(Action(node(opened, "Tin mugs").id, "click", ""))

    offered, opened, last = visit("<title>Shop</title>" + html, use)
    assert ("Mugs", "hover") in offered
    assert ("Tin mugs", "click") not in offered
    assert opened.failure is None
    assert last.title == "Product"


def test_pointing_in_vain_is_not_offered_again():
    html = "<title>Shop</title><nav><a id=a href=/product>Mugs</a></nav><script>a.addEventListener('mouseenter', () => {})</script>"
    page = after(html, ("Mugs", "hover"))
    assert [method for _, method in choices(page)] == ["click"]


def test_looks_under_the_pointer_are_no_menu():
    html = """<title>Shop</title><style>a:hover { text-decoration: underline } .card:hover .more { height: auto }</style><nav><a
        href=/product>Mugs</a></nav><div class=card><a href=/product?2>Pot</a><p class=more>Text</p></div>"""

    async def use(_, page):
        return {method for _, method in choices(page)}

    assert visit(html, use) == {"click"}


ORDERS = {
    "on scrolling": ("nextChunk", "<div style=height:4000px>Long</div><script>addEventListener('scroll', order)</script>"),
    "under the pointer": ("hover", "<nav><a href=#>Mugs</a></nav><script>document.querySelector('a').addEventListener('mouseenter', order)</script>"),
    "on an entry": (
        "selectOptionFromDropdown",
        "<ul role=listbox aria-label=Mugs><li role=option>Place order</li></ul><script>document.querySelector('li').onclick = send</script>",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("method", "html"), ORDERS.values(), ids=ORDERS)
def test_no_way_of_acting_orders_in_a_store_that_is_not_the_lab_s(method, html):
    scripts = """<script>function order() { fetch('/place-order', {method: 'POST', body: 'confirm=1'}); }
        function send() { fetch('/api', {method: 'POST', body: '{"id": 1}'}); }</script>"""

    async def use(session, page):
        name = "0-1" if method == "nextChunk" else node(page, "Mugs").id
        arguments = ("Place order",) if method == "selectOptionFromDropdown" else ()
        return await session.act(Action(name, method, "", arguments))

    page = visit("<title>Shop</title>" + scripts + html, use, may_pay=False)
    assert "refused" in page.troubles
