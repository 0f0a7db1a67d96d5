"""Secrets of the access to a store are in no file of a run, although the store shows them on every page."""

import base64
import json
import shutil
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq
import pytest

from tests.adapters.access_servers import Proxy, Site, serving

from .conftest import command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECRETS = {
    "SHOP_LOGIN": "joe:plant-one password",
    "SHOP_HEADER": "plant-two-header-value",
    "SHOP_COOKIES": "gate=plant-three-cookie; currency=EUR",
    "SHOP_PREVIEW": "plant-four/preview+key",
    "SHOP_PROXY": "proxy:plant-five-proxy",
    "SHOP_SIGNATURE": "sig1=:plant-six-signature:",
}
SAVED = "plant-seven-session"
STATE = {
    "cookies": [{"name": "session", "value": SAVED, "domain": "127.0.0.1", "path": "/", "expires": -1}],
    "origins": [{"origin": "http://127.0.0.1", "localStorage": [{"name": "token", "value": "plant-eight-token"}]}],
}
WANTED = f"Basic {base64.b64encode(SECRETS['SHOP_LOGIN'].encode()).decode()}"


def shown(title):
    """A page that shows all that its visitor sends, in its text, its links and its title."""

    def page(request):
        if request.headers.get("Authorization") != WANTED:
            return 401, {}, "<title>Login</title>"
        sent = "</p><p>".join(f"{name}: {value}" for name, value in request.headers.items())
        return f"""<title>{title} {request.headers["X-Staging"]}</title><h1>{title}</h1><p>{sent}</p><p>{request.path}</p>
            <a href="/products/denim-skirt?seen={quote_plus(SECRETS["SHOP_PREVIEW"])}">Denim Skirt</a>
            <a href="/collections/skirts">Skirts</a><a href="/cart">Cart {request.headers["Cookie"]}</a>
            <form action="/cart"><button>Add to cart</button></form>"""

    return page


def texts(folder):
    """(file, its content as text) of all files in a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            table = path.suffix == ".parquet"
            yield path, str(pq.read_table(path).to_pylist()) if table else path.read_bytes().decode("utf-8", "replace")


def planted():
    """Every secret in every form in which it could be written."""
    for value in (*SECRETS.values(), SAVED, "plant-eight-token"):
        secret = (
            value.partition("; ")[0].partition("=")[2] if "currency" in value else value.rpartition(":")[2] or value
        )
        yield from (secret, quote(secret, safe=""), quote_plus(secret), base64.b64encode(value.encode()).decode())


def test_no_file_of_a_run_holds_a_secret(population, tmp_path, monkeypatch):
    folder = shutil.copytree(population, tmp_path / "copy")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(STATE))
    with serving(Site({})) as site, serving(Proxy(SECRETS["SHOP_PROXY"])) as proxy:
        for path in ("/", "/products/denim-skirt", "/collections/skirts", "/cart"):
            site.answers[path] = shown(path.strip("/") or "Home")
        settings = {
            "simulation.store_url": f"{site.url}/?preview_theme_id=7",
            "simulation.episodes": 6,
            "simulation.max_steps": 5,
            "store.politeness.requests_per_minute": 100_000,
            "store.politeness.signature_headers_env": '{Signature = "SHOP_SIGNATURE"}',
            "store.access.login_env": "SHOP_LOGIN",
            "store.access.headers_env": '{X-Staging = "SHOP_HEADER"}',
            "store.access.cookies_env": "SHOP_COOKIES",
            "store.access.query_env": '{key = "SHOP_PREVIEW"}',
            "store.access.state_file": state,
            "store.access.proxy": proxy.url,
            "store.access.proxy_login_env": "SHOP_PROXY",
            "store.cdp_query_env": '{token = "SHOP_HEADER"}',
        }
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        said = command(folder, "report", "run.toml", *words)
        said += command(folder, "replay", "runs/population")
        said += command(folder, "pack", "runs/population", "--out", "packs/secret")
        direct = {name: value for name, value in settings.items() if name.startswith("store.")}
        words = [word for name, value in direct.items() for word in ("--set", f"{name}={value}")]
        said += command(folder, "visit", site.url, *words, "--pack", "packs/mine", "--replay", "visit.html")
    assert site.sent("/", "X-Staging")[0] == SECRETS["SHOP_HEADER"]
    assert any("plant-three-cookie" in sent and SAVED in sent for sent in site.sent("/", "Cookie"))
    assert any("key=plant-four%2Fpreview%2Bkey" in path for path, _ in site.asked)
    assert len(proxy.asked) >= len(site.asked) > 12
    steps = pq.read_table(folder / "runs/population/simulation/steps.parquet")
    assert steps.num_rows > 6
    assert any("X-Staging: ***" in tree for tree in steps["tree"].to_pylist())
    assert (folder / "runs/population/simulation/preflight.json").is_file()
    assert "The store, before the visits" in (folder / "runs/population/report/index.html").read_text()
    held = [(path.name, form) for path, text in texts(folder) for form in planted() if form in text]
    assert held == []
    assert [form for form in planted() if form in said] == []
    assert "preview_theme_id=7" in (folder / "runs/population/config.toml").read_text()
