"""Small stores in the form of a server-rendered one and of one that a script draws."""

from tests.adapters.access_servers import Site

HOME = """<title>Linen</title><nav><a href="/collections/skirts">Skirts</a><a href="/collections/dresses">Dresses</a>
    <a href="/collections/linen-trousers">Linen trousers</a><a href="/pages/about-us">About us</a><a href="/cart">Cart</a></nav>
    <h1>Linen for every day</h1><a href="/products/denim-skirt">Denim Skirt</a><a href="/products/summer-dress">Summer Dress</a>
    <p>Hand made in small numbers, shipped within three days.</p>"""
PRODUCT = """<title>Denim Skirt</title><nav><a href="/">Home</a><a href="/cart">Cart</a></nav><h1>Denim Skirt</h1>
    <form action="/cart/add" method="post"><select name="id"><option>S</option></select><button>Add to cart</button></form>"""
PRODUCTS = """{"products": [{"title": "Denim Skirt", "product_type": "Skirts", "handle": "denim-skirt"},
    {"title": "Summer Dress", "product_type": "Dresses", "handle": "summer-dress"}, {"title": "Wide Belt", "handle": "belt"},
    {"title": "Striped Shirt Organic Cotton", "handle": "shirt"}, {"title": "Knitted Cardigan Grey Wool", "handle": "knit"}]}"""
DRAWN = (
    """<!doctype html><title>Linen</title><noscript>You need to enable JavaScript to run this app.</noscript>
    <div id="root"></div><script>document.getElementById("root").innerHTML = `"""
    + HOME.partition("</title>")[2]
    + "`;</script>"
)


def rendered(**answers):
    """A store whose server makes its pages; `answers` are changed or further paths."""
    paths = {
        "/": HOME,
        "/products/denim-skirt": PRODUCT,
        "/products.json": (200, {"Content-Type": "application/json"}, PRODUCTS),
    }
    return Site(paths | answers)


def drawn(**answers):
    """A store whose pages a script draws."""
    paths = {"/": DRAWN, "/products/denim-skirt": DRAWN.replace(HOME.partition("</title>")[2], PRODUCT)}
    return Site(paths | {"/products.json": (200, {}, PRODUCTS)} | answers)
