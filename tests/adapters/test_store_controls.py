"""In Chromium everything that a person can use is offered, and does what it does for a person."""

import pytest

from simpersona.pages import Action
from simpersona.shopper.affordances import choices
from tests.adapters.live_pages import SAY, after, node, visit

pytestmark = pytest.mark.slow


def said(page):
    """What the page says at `id=said`."""
    return page.nodes[-1].name


def offers(html, **settings):
    """(role, name, method) of everything that is offered on a page."""

    async def use(_, page):
        return [(one.role, one.name, method) for one, method in choices(page)]

    return visit(html, use, **settings)


# --- what is clicked --------------------------------------------------------------------------


CLICKABLE = {
    "a handler in the markup": "<div onclick=\"say('opened')\"><span>Blue</span> mug</div>",
    "a listener": "<div id=d>Blue mug</div><script>d.addEventListener('click', () => say('opened'))</script>",
    "a hand, and a listener far above": """<div class=card style=cursor:pointer>Blue mug</div><script>document.addEventListener(
        'click', event => { if (event.target.closest('.card')) say('opened'); })</script>""",
    "an entry of a list that listens": """<ul id=u><li>Red mug</li><li>Blue mug</li></ul><script>u.addEventListener('click',
        event => { if (event.target.textContent === 'Blue mug') say('opened'); })</script>""",
    "tiles in a grid that listens": """<div id=g><div class=t>Red mug</div><div class=t>Blue mug</div></div><script>
        g.addEventListener('click', event => { if (event.target.textContent === 'Blue mug') say('opened'); })</script>""",
    "a framework's root": """<div id=root><div id=x>Blue mug</div></div><script>x.onclick = () => {};
        root.addEventListener('click', event => { if (event.target.id === 'x') say('opened'); })</script>""",
    "a link without an address": "<a id=a>Blue mug</a><script>a.addEventListener('click', () => say('opened'))</script>",
    "an option of no list": "<li role=option style=cursor:pointer onclick=\"say('opened')\">Blue mug</li>",
    "a picture": "<img alt='Blue mug' width=50 height=50 onclick=\"say('opened')\">",
    "in a frame": """<iframe srcdoc="<div onclick=&quot;parent.say('opened')&quot;>Blue mug</div>"></iframe>""",
    "in a shadow tree": """<x-card></x-card><script>customElements.define('x-card', class extends HTMLElement {
        connectedCallback() { this.attachShadow({mode: 'open'}).innerHTML = '<p>Blue mug</p>';
        this.shadowRoot.firstChild.onclick = () => say('opened'); } })</script>""",
}


@pytest.mark.parametrize("html", CLICKABLE.values(), ids=CLICKABLE)
def test_what_reacts_to_clicks_is_offered_and_clicked(html):
    page = after(
        f"<title>Shop</title><h1>Mugs</h1>{SAY.replace('<p id=said>nothing</p>', '')}{html}<p id=said>no</p>",
        ("Blue mug", "click"),
    )
    assert (said(page), page.failure) == ("opened", None)


def test_a_card_of_a_product_is_a_link_and_what_is_in_it_stays():
    html = """<title>Shop</title><div onclick="location='/product'" style=cursor:pointer><h3>Blue mug</h3> <b>$12.00</b>
        <button onclick="event.stopPropagation()">Quick add</button></div><div style=cursor:pointer onclick="0">More</div>"""
    assert offers(html) == [
        ("link", "Blue mug $12.00", "click"),
        ("button", "Quick add", "click"),
        ("button", "More", "click"),
    ]
    assert after(html, ("Blue mug $12.00", "click")).title == "Product"


def test_a_click_on_what_holds_other_controls_does_not_hit_them():
    card = """<div style="cursor:pointer;width:300px;height:120px;position:relative" onclick="say('card')"><p>Blue mug</p><button
        style="position:absolute;left:100px;top:40px;width:100px;height:40px" onclick="event.stopPropagation();say('added')">Add</button></div>"""
    assert said(after(f"<title>Shop</title>{card}{SAY}", ("Blue mug", "click"))) == "card"
    agree = """<input type=checkbox id=a style=display:none onchange="say('agreed')"><label for=a>I have read and understood <a
        href=/product>the terms</a> of this shop</label>"""
    page = after(f"<title>Shop</title>{agree}{SAY}", ("I have read and understood the terms of this shop", "click"))
    assert (said(page), page.title) == ("agreed", "Shop")


def test_what_only_listens_for_others_is_no_control():
    html = """<title>Shop</title><main id=m><h1>Mugs</h1><p>Made by hand.</p><a href=/product>Blue mug</a></main>
        <div id=root><p>A text about mugs.</p></div><div class=backdrop style="position:absolute;top:400px;width:900px;height:300px">
        </div><p>And so on.</p><script>for (const one of [m, root, document.querySelector('.backdrop'), document, document.body])
        one.addEventListener('click', () => {})</script>"""
    assert offers(html) == [("link", "Blue mug", "click")]


def test_a_page_without_scripts_offers_what_its_markup_says():
    html = "<title>Shop</title><p style=cursor:pointer>Text</p><a href=/product>Blue mug</a>"
    assert offers(html) == [("link", "Blue mug", "click")]


# --- names ------------------------------------------------------------------------------------


ICONS = {
    "<a href=/cart><svg width=20 height=20></svg></a>": "cart",
    "<a href=/account/wish-list?x=1><svg width=20 height=20></svg></a>": "wish list",
    "<a href=/><img src=data:, width=20 height=20></a>": "home",
    "<a href='#'><i class='fa fa-search'>&nbsp;</i></a>": "search",
    "<button><svg width=20 height=20><use href='/icons.svg#icon-cart'></use></svg></button>": "cart",
    "<button><svg width=20 height=20><title>Your bag</title></svg></button>": "Your bag",
    "<button title='Open the menu'><svg width=20 height=20></svg></button>": "Open the menu",
    "<button class='css-x1 header__menu-toggle'><svg width=20 height=20></svg></button>": "menu toggle",
    "<button id=newsletter-close><svg width=20 height=20></svg></button>": "newsletter close",
    "<button><svg width=20 height=20></svg></button>": "icon by “Shop of mugs”",
    "<li onclick=0 data-value='Sea blue' style='width:20px;height:20px;display:block'></li>": "sea blue",
    "<div role=button tabindex=0><img src=/img/heart.png width=20 height=20></div>": "heart",
}


@pytest.mark.parametrize(("html", "name"), ICONS.items(), ids=ICONS.values())
def test_a_control_without_a_name_is_called_by_its_icon_address_or_place(html, name):
    assert [one for _, one, _ in offers(f"<title>Shop</title><h1>Shop of mugs</h1>{html}")] == [name]


def test_a_picture_that_leads_where_a_name_leads_is_not_shown_twice():
    html = "<title>Shop</title><a href=/product><img src=data: width=9 height=9></a><p>New</p><a href=/product>Blue mug</a>"
    assert offers(html) == [("link", "Blue mug", "click")]


# --- radio buttons and checkboxes -------------------------------------------------------------


HIDDEN = {
    "not displayed": "display:none",
    "transparent": "opacity:0;position:absolute",
    "without a size": "position:absolute;width:0;height:0;appearance:none",
    "cut off": "position:absolute;clip:rect(0 0 0 0);width:1px;height:1px;overflow:hidden",
    "far away": "position:absolute;left:-9999px",
}


@pytest.mark.parametrize("style", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("kind", ["radio", "checkbox"])
def test_the_label_stands_for_a_hidden_box(style, kind):
    html = f"""<title>Mug</title><style>.s input {{ {style} }} .s label {{ border: 1px solid; padding: 4px }}</style><fieldset class=s>
        <input type={kind} name=s id=s1 checked><label for=s1>Small</label>
        <label><input type={kind} name=s onchange="say('chose M')"><span>Medium</span></label></fieldset>{SAY}"""
    page = after(html, ("Medium", "click"))
    assert said(page) == "chose M"
    assert (node(page, "Medium").role, node(page, "Medium").value) == (kind, "checked")
    assert node(page, "Small").value == ("" if kind == "radio" else "checked")


def test_swatches_without_text_and_one_that_is_sold_out():
    html = f"""<title>Mug</title><style>input {{ display: none }} label {{ display: inline-block; width: 30px; height: 30px }}</style>
        <input type=radio name=c id=c1 value=Red><label for=c1 title="Brick red"></label>
        <input type=radio name=c id=c2 value=Blue onchange="say('blue')"><label for=c2></label>
        <input type=radio name=c id=c3 value=Green disabled><label for=c3></label>{SAY}"""
    assert offers(html) == [("radio", "Brick red", "click"), ("radio", "Blue", "click")]
    page = after(html, ("Blue", "click"))
    assert (said(page), node(page, "Green").value) == ("blue", "(disabled)")


# --- lists to choose from ---------------------------------------------------------------------


POPOVER = """<title>Mugs</title><button id=b role=combobox aria-haspopup=listbox aria-expanded=false aria-label="Sort by">Newest</button>
    <div id=portal></div><script>b.addEventListener('pointerdown', () => { portal.innerHTML = '<div role=listbox></div>';
    for (const text of ['Newest', 'Price']) { const o = document.createElement('div'); o.setAttribute('role', 'option');
    o.textContent = text; portal.firstChild.append(o); o.addEventListener('pointerup', () => { b.textContent = text; said.textContent
    = 'by ' + text; portal.innerHTML = ''; }); } })</script>"""
LISTBOX = """<title>Mug</title><button id=b aria-haspopup=listbox aria-expanded=false>Colour: red</button><ul id=u role=listbox hidden
    tabindex=-1><li role=option aria-selected=true>Red</li><li role=option><span>Light</span> blue</li></ul><script>
    b.onclick = () => { u.hidden = !u.hidden; b.setAttribute('aria-expanded', !u.hidden); };
    for (const o of u.children) o.onclick = () => { said.textContent = 'in ' + o.textContent; u.hidden = true; };</script>"""
MENU = """<title>Account</title><button id=b aria-haspopup=menu>Account</button><div id=m role=menu hidden><a role=menuitem
    href=/product>Orders</a><button role=menuitem onclick="said.textContent='signed out'">Sign out</button></div>
    <script>b.onclick = () => { m.hidden = !m.hidden; }</script>"""
SEARCHED = """<title>Mugs</title><input role=combobox aria-label=City aria-expanded=false id=i><div id=m></div><script>
    i.oninput = () => { m.innerHTML = '<ul role=listbox><li role=option>Bern</li><li role=option>Basel</li></ul>';
    for (const o of m.querySelectorAll('li')) o.onmousedown = () => { i.value = o.textContent; m.innerHTML = '';
    said.textContent = 'to ' + o.textContent; } }</script>"""
LISTS = {
    "a portal that opens on pointerdown": (
        POPOVER,
        [("Sort by", "click"), ("*listbox", "selectOptionFromDropdown", "Price")],
        "by Price",
    ),
    "a button with a list": (
        LISTBOX,
        [("Colour: red", "click"), ("*listbox", "selectOptionFromDropdown", "Light blue")],
        "in Light blue",
    ),
    "a menu": (MENU, [("Account", "click"), ("Sign out", "click")], "signed out"),
    "a field with suggestions": (
        SEARCHED,
        [("City", "fill", "B"), ("*listbox", "selectOptionFromDropdown", "Basel")],
        "to Basel",
    ),
}


@pytest.mark.parametrize(("html", "acts", "wanted"), LISTS.values(), ids=LISTS)
def test_a_list_of_the_page_s_own_is_opened_and_chosen_from(html, acts, wanted):
    page = after(html + SAY, *acts)
    assert (said(page), page.failure) == (wanted, None)


SELECT2 = """<title>Mug</title><select id=n aria-hidden=true tabindex=-1 style="position:absolute;width:1px;height:1px;clip:rect(0 0 0 0)">
    <option>Red<option>Blue</select><span id=t role=combobox aria-haspopup=true aria-expanded=false tabindex=0 title=Colour>Red</span>
    <div id=p></div><script>t.onmousedown = () => { p.innerHTML = `<input role=searchbox aria-label=Filter><ul role=listbox><li
    role=option>Red</li><li role=option>Blue</li></ul>`; for (const o of p.querySelectorAll('li')) o.onmouseup = () => {
    said.textContent = 'in ' + o.textContent; p.innerHTML = ''; } }</script>"""
READ_ONLY = """<title>Mug</title><label>When <input id=w readonly></label><div id=c class=calendar></div><script>w.onclick = () => {
    c.innerHTML = '<span class=day tabindex=-1 aria-label="15 June">15</span><span class=day tabindex=-1 aria-label="16 June">16</span>'; };
    c.addEventListener('mousedown', e => { said.textContent = w.value = e.target.getAttribute('aria-label'); })</script>"""
UNNAMED = """<title>Mug</title><div class=wrap><span><input id=i role=combobox readonly aria-haspopup=listbox aria-expanded=false style="opacity:0">
    </span><span style="pointer-events:none">Red</span></div><div id=p></div><script>i.onmousedown = () => { p.innerHTML =
    '<div class=o title=Red>Red</div><div class=o title=Blue>Blue</div>'; for (const o of p.children) o.onclick = () => {
    said.textContent = 'in ' + o.title; } }</script>"""


@pytest.mark.parametrize(
    ("html", "acts", "wanted"),
    [
        (SELECT2, [("Colour", "click"), ("*listbox", "selectOptionFromDropdown", "Blue")], "in Blue"),
        (READ_ONLY, [("When", "click"), ("16 June", "click")], "16 June"),
        (UNNAMED, [("*combobox", "click"), ("Blue", "click")], "in Blue"),
    ],
    ids=["select2", "a calendar", "entries without roles"],
)
def test_libraries_that_draw_their_own_lists(html, acts, wanted):
    page = after(html + SAY, *acts)
    assert (said(page), page.failure) == (wanted, None)


def test_a_list_that_a_click_opens_takes_no_text():
    assert offers(POPOVER) == [("combobox", "Sort by", "click")]
    assert offers(SEARCHED) == [("combobox", "City", "fill")]


# --- fields -----------------------------------------------------------------------------------


FIELDS = {
    "date": ("Deliver on (yyyy-mm-dd)", "2030-06-15", "It takes only a date like 2030-06-15"),
    "time": ("Deliver on (hh:mm)", "10:30", "It takes only a time like 10:30"),
    "month": ("Deliver on (yyyy-mm)", "2030-06", "It takes only a month like 2030-06"),
    "datetime-local": (
        "Deliver on (yyyy-mm-ddThh:mm)",
        "2030-06-15T10:30",
        "It takes only a date and a time like 2030-06-15T10:30",
    ),
    "color": ("Deliver on (#rrggbb)", "#336699", "It takes only a colour like #336699"),
}


@pytest.mark.parametrize(
    ("kind", "name", "text", "failure"), [(kind, *rest) for kind, rest in FIELDS.items()], ids=FIELDS
)
def test_a_field_of_one_form_is_one_field_that_says_its_form(kind, name, text, failure):
    html = f'<title>Send</title><label>Deliver on <input type={kind} onchange="say(this.value)"></label>{SAY}'
    assert offers(html)[0] == ("textbox", name, "fill")
    assert len([one for one in offers(html) if one[2] == "fill"]) == 1
    assert said(after(html, (name, "fill", text))) == text
    assert after(html, (name, "fill", "skirts")).failure == failure


def test_sliders_offer_values():
    html = f"""<title>Filter</title><label>Up to <input type=range min=0 max=200 step=5 oninput="say(this.value)"></label>
        <div role=slider tabindex=0 aria-label=Rating aria-valuemin=1 aria-valuemax=5 aria-valuenow=2 id=r>2</div>{SAY}<script>
        r.onkeydown = e => {{ const v = +r.ariaValueNow + (e.key === 'ArrowRight' ? 1 : -1); r.ariaValueNow = v; say('stars ' + v); }}
        </script>"""

    async def use(_, page):
        return node(page, "Up to").options, node(page, "Rating").options

    assert visit(html, use) == (tuple(f"{n}" for n in range(0, 201, 20)), ("1", "2", "3", "4", "5"))
    assert said(after(html, ("Up to", "selectOptionFromDropdown", "120"))) == "120"
    assert said(after(html, ("Rating", "selectOptionFromDropdown", "4"))) == "stars 4"
    assert said(after(html, ("Rating", "selectOptionFromDropdown", "1"))) == "stars 1"


def test_text_that_can_be_edited_is_a_field():
    html = f'<title>Card</title><div contenteditable aria-label=Greeting oninput="say(this.innerText)">Hello</div>{SAY}'
    page = after(html, ("Greeting", "fill", "Happy birthday"))
    assert (said(page), node(page, "Greeting").value) == ("Happy birthday", "Happy birthday")


KEYS = {
    "keydown": "document.addEventListener('keydown', e => { if (e.target === q) seen += e.key; })",
    "keyup": "q.addEventListener('keyup', e => { seen = q.value; })",
    "beforeinput": "q.addEventListener('beforeinput', e => { seen += e.data; })",
}


@pytest.mark.parametrize("listener", KEYS.values(), ids=KEYS)
def test_filling_in_presses_keys_where_the_page_may_listen(listener):
    html = f"<title>Search</title><input id=q aria-label=Search value=old>{SAY}<script>let seen = ''; {listener}; setInterval(() => say(seen), 20)</script>"
    page = after(html, ("Search", "fill", "tin mug"))
    assert (said(page), node(page, "Search").value) == ("tin mug", "tin mug")


def test_a_long_text_with_lines_is_entered_whole():
    html = "<title>Note</title><label>Note <textarea id=t></textarea></label><script>0</script>"
    text = "For Ann,\nwith love and with many words that fill more than a line"

    async def use(session, page):
        await session.act(Action(node(page, "Note").id, "fill", "", (text,)))
        return await session._tab.tab.evaluate("t.value")

    assert visit(html, use) == text
