"""What covers a control blocks it, as for a person; what only seems to cover it does not. A form that is refused says why."""

import pytest

from simpersona.pages import Action
from tests.adapters.live_pages import SAY, after, node, visit, without_browser

pytestmark = pytest.mark.slow
ADD = "<title>Mug</title><h1>Blue mug</h1><button onclick=\"say('added')\">Add to cart</button>" + SAY
COVERS = {
    "a cookie banner": (
        "<div style='position:fixed;inset:0;background:#000a'><h2>We use cookies</h2><button>Accept</button></div>",
        "We use cookies",
    ),
    "a newsletter above its backdrop": (
        """<div class=backdrop style='position:fixed;inset:0'></div><div role=dialog aria-label='Join our newsletter' style='position:
        fixed;top:200px;left:200px;width:300px;height:200px'><input aria-label=Email><button>No, thanks</button></div>""",
        "Join our newsletter",
    ),
    "a bar over the whole top": (
        "<div id=promo-bar style='position:absolute;top:0;left:0;width:100%;height:300px'></div>",
        "promo bar",
    ),
    "a frame": (
        "<iframe title='Are you human?' srcdoc='' style='position:fixed;inset:0;width:100%;height:100%'></iframe>",
        "Are you human?",
    ),
    "a loading layer without text": (
        "<div class='loading_layer' style='position:fixed;inset:0'></div>",
        "loading layer",
    ),
}


@pytest.mark.parametrize(("cover", "name"), COVERS.values(), ids=COVERS)
def test_a_cover_blocks_and_is_named(cover, name):
    page = after(ADD + cover, ("Add to cart", "click"))
    assert node(page, "nothing")
    assert page.failure == f"It is covered by “{name}”: close that first"
    assert page.troubles == ("covered", *(["overlay"] if "inset:0" in cover else []))


@pytest.mark.parametrize(
    "method", [("fill", "tin"), ("hover",), ("selectOptionFromDropdown", "M")], ids=lambda method: method[0]
)
def test_a_covered_field_is_not_filled_either(method):
    field = {
        "fill": "<input aria-label=X>",
        "hover": "<button>X</button>",
        "selectOptionFromDropdown": "<select aria-label=X><option>S<option>M</select>",
    }
    page = after(field[method[0]] + COVERS["a cookie banner"][0], ("X", *method))
    assert (page.troubles, node(page, "X").value in ("", "S")) == (("covered", "overlay"), True)


def test_what_a_modal_dialog_makes_inert_is_not_offered():
    html = (
        ADD
        + "<dialog id=d><h3>Choose your country</h3><button onclick='d.close()'>Here</button></dialog><script>d.showModal()</script>"
    )

    async def use(session, page):
        closed = await session.act(Action(node(page, "Here").id, "click", ""))
        return [[one.name for one in shown.nodes if one.role == "button"] for shown in (page, closed)]

    assert visit(html, use) == [["Here"], ["Add to cart"]]


PICTURE = """<header style='position:fixed;top:0;width:100%;height:80px'>Shop</header><div style='position:relative;height:100vh'>
    <div style='position:absolute;inset:0'><a href=/sale>Sale</a></div></div>"""


def test_what_lies_over_the_whole_page_is_seen_before_anything_is_tried():
    banner = "<div style='position:fixed;inset:0'><p>We use cookies</p><button onclick='this.parentNode.remove()'>Accept all</button></div>"
    shells = {
        "a banner": (ADD + banner, ("overlay",)),
        "a banner in a shadow root": (
            ADD + "<div id=h></div><script>h.attachShadow({mode: 'open'}).innerHTML = `" + banner + "`</script>", ("overlay",)),
        "a banner at the bottom": (ADD + banner.replace("inset:0", "bottom:0;left:0;right:0;height:40vh"), ()),
        "a page that is drawn in a layer of its own": (f"<div style='position:fixed;inset:0;overflow:auto'>{ADD}</div>", ()),
        "a picture over the whole first screen": (PICTURE + ADD, ()),
        "nothing": (ADD, ()),
    }  # fmt: skip

    async def seen(_, page):
        return page.troubles

    assert {name: visit(html, seen) for name, (html, _) in shells.items()} == {
        name: troubles for name, (_, troubles) in shells.items()
    }


def test_a_banner_is_closed_and_then_the_control_works():
    banner = "<div style='position:fixed;inset:0;background:#000a'><h2>We use cookies</h2><button onclick='this.parentNode.remove()'>Accept all</button></div>"
    page = after(ADD + banner, ("Add to cart", "click"), ("Accept all", "click"), ("Add to cart", "click"))
    assert (node(page, "added").role, page.failure, page.troubles) == ("StaticText", None, ())


def test_a_cover_that_fades_at_once_is_waited_for():
    layer = "<div id=l style='position:fixed;inset:0;background:#fff'></div><script>setTimeout(() => l.remove(), 1150)</script>"
    assert after(ADD + layer, ("Add to cart", "click")).failure is None


def test_what_covers_a_frame_covers_what_is_in_it():
    html = """<title>Mug</title><iframe srcdoc="<button onclick=&quot;parent.document.title='added'&quot;>Add to cart</button>"></iframe>
        <div style="position:fixed;inset:0;background:#fff"><p>Choose a store</p></div>"""
    page = after(html, ("Add to cart", "click"))
    assert (page.title, page.failure) == ("Mug", "It is covered by “Choose a store”: close that first")


NO_COVERS = {
    "decoration that lets the pointer through": ADD + "<div style='position:fixed;inset:0;pointer-events:none'>Snow</div>",
    "its own part": ADD.replace("Add to cart<", "<span style='display:block'>Add to cart</span><"),
    "a header that scrolling avoids": "<header style='position:fixed;top:0;height:120px;width:100%;background:#fff'>Shop</header>" + ADD.replace(
        "<h1>", "<p style='height:90px'></p><h1>") + "<p style='height:3000px'></p>",
    "a bar at the bottom": "<p style='height:1500px'></p>" + ADD + "<p style='height:900px'></p><footer style='position:fixed;bottom:0;"
        "height:200px;width:100%;background:#fff'>Chat</footer>",
    "a cover of a part": ADD + "<div style='position:absolute;top:60px;left:0;width:50px;height:300px;background:#eee'></div>",
    "a wrapper that lets the pointer through": ADD.replace("<button", "<div onclick=\"say('added')\"><button style='pointer-events:none'").replace(
        "</button>", "</button></div>").replace("<button style='pointer-events:none' onclick=\"say('added')\"", "<button style='pointer-events:none'"),
}  # fmt: skip


@pytest.mark.parametrize("html", NO_COVERS.values(), ids=NO_COVERS)
def test_what_is_no_cover(html):
    page = after(html, ("Add to cart", "click"))
    assert (page.failure, page.troubles, any(one.name == "added" for one in page.nodes)) == (None, (), True)


def test_a_control_around_it_is_not_pressed_in_its_place():
    html = ADD.replace("Add to cart<", "Add to cart <a href=/product style='pointer-events:none'>Details</a><")
    page = after(html, ("Details", "click"))
    assert page.failure == "It is covered by “Add to cart Details”: close that first"
    assert page.nodes[-1].name == "nothing"


def test_a_link_over_the_whole_card_is_the_card_s_link():
    html = """<title>Shop</title><div style="position:relative"><h3><a href=/product>Blue mug</a></h3><a href=/product aria-label="See more"
        style="position:absolute;inset:0"></a></div>"""
    assert after(html, ("*link", "click")).title == "Product"


# --- forms ------------------------------------------------------------------------------------


REFUSED = {
    "required": ("<label>Deliver to <input name=d required></label>", "“Deliver to” must be filled in"),
    "two of them": (
        "<label>Name <input required></label><label>City <input required></label>",
        "“Name” must be filled in, and 1 more field",
    ),
    "a box": ("<label><input type=checkbox required> I agree</label>", "“I agree” must be filled in"),
    "a choice": (
        "<label>Size <select required><option value=''>Choose</option><option>M</option></select></label>",
        "“Size” must be filled in",
    ),
    "an address": ("<label>Email <input type=email value=ann></label>", "“Email” does not take this value"),
    "a number": (
        "<label>How many <input type=number max=3 value=9></label>",
        "“How many” does not take a number or a date like this",
    ),
    "a form of text": (
        "<label>Code <input pattern='[0-9]{4}' title='four digits' value=abc></label>",
        "“Code” has another form: four digits",
    ),
}


@pytest.mark.parametrize(("fields", "why"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("driver", [visit, without_browser])
def test_a_form_that_the_browser_refuses_says_why(fields, why, driver):
    html = f"<title>Form</title><form action=/product>{fields}<button>Send</button></form>"

    async def use(session, page):
        return await session.act(Action(node(page, "Send").id, "click", ""))

    page = driver(html, use)
    assert (page.failure, page.title) == (f"The form was refused: {why}", "Form")


def test_a_form_that_enter_sends_is_refused_alike():
    html = "<title>Form</title><form action=/product><label>Code <input value=1></label><label>Name <input required></label><button>Go</button></form>"
    assert after(html, ("Code", "press", "Enter")).failure == "The form was refused: “Name” must be filled in"


OWN = f"""<title>Form</title><form onsubmit="check(); return false" novalidate><label>Email <input id=e aria-describedby=m></label>
    <p id=m></p><button>Send</button></form><button onclick="say('other')">Other</button>{SAY}<script>function check() {{
    e.setAttribute('aria-invalid', 'true'); m.textContent = 'Enter an e-mail address'; }}</script>"""


def test_what_the_page_marks_as_invalid_is_the_failure():
    sent = after(OWN, ("Send", "click"))
    assert sent.failure == "The form was refused: “Email” is not accepted: Enter an e-mail address"
    assert after(OWN, ("Send", "click"), ("Send", "click")).failure == sent.failure
    other = after(OWN, ("Send", "click"), ("Other", "click"))
    assert (other.failure, other.nodes[-1].name) == (None, "other")
