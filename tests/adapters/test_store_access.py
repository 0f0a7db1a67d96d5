"""Stores that are not open to everybody: logins, headers, cookies, previews, proxies, own certificates; with both drivers."""

import base64
import json
import time

import pytest
from pydantic import ValidationError

from simpersona.adapters.storefronts.access import Access, is_of_store
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.adapters.storefronts.plain_get import plain_get
from simpersona.config import AccessConfig, PolitenessConfig, StoreConfig
from simpersona.config.file import parse_config
from simpersona.errors import ConfigError, StorefrontError

from .access_servers import Proxy, Site, encrypted, pages_of, serving

DRIVERS = [pytest.param(Browser, marks=pytest.mark.slow, id="browser"), pytest.param(HttpVisitors, id="http")]
BASIC = f"Basic {base64.b64encode(b'joe:correct horse').decode()}"


def visit(driver, url, *clicks, access=None, may_pay=False, **settings):
    """The first page and those after clicks."""
    settings.setdefault("politeness", PolitenessConfig(requests_per_minute=100_000))
    config = StoreConfig(access=AccessConfig(**(access or {})), **settings)
    return pages_of(driver, config, url, clicks, may_pay=may_pay)


def locked(page):
    """A page for those alone who send the login and the header."""

    def answer(request):
        if request.headers.get("Authorization") != BASIC:
            return 401, {"WWW-Authenticate": 'Basic realm="staging"'}, "<title>Login</title>"
        return page if request.headers.get("X-Staging") == "open-sesame-42" else (403, {}, "<title>Forbidden</title>")

    return answer


@pytest.fixture
def secrets(monkeypatch):
    monkeypatch.setenv("STAGING_LOGIN", "joe:correct horse")
    monkeypatch.setenv("STAGING_HEADER", "open-sesame-42")
    return {"login_env": "STAGING_LOGIN", "headers_env": {"X-Staging": "STAGING_HEADER"}}


@pytest.fixture
def staging():
    with serving(Site({"/robots.txt": locked("User-agent: *\nDisallow: /secret"), "/style.css": locked("")})) as site:
        elsewhere = site.url.replace("127.0.0.1", "localhost")
        site.answers["/"] = locked(
            f"""<title>Staging</title><link rel="stylesheet" href="/style.css"><link rel="stylesheet"
            href="{elsewhere}/other.css"><link rel="stylesheet" href="/sent-on.css"><h1>Hello open-sesame-42</h1>
            <a href="/page">Page</a>"""
        )
        site.answers["/page"] = locked('<title>Page</title><h1>Page</h1><a href="/secret/">Secret</a>')
        site.answers["/sent-on.css"] = (302, {"Location": f"{elsewhere}/redirected.css"}, "")
        yield site


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_login_and_a_header_open_the_store_and_go_to_its_host_alone(driver, staging, secrets):
    first, page, forbidden = visit(driver, staging.url, "Page", "Secret", access=secrets)
    assert (first.title, page.title) == ("Staging", "Page")
    assert "robots.txt" in forbidden.failure
    assert set(staging.sent("/robots.txt", "Authorization")) == {BASIC}
    assert [node.name for node in first.nodes if node.role == "heading"] == ["Hello ***"]
    if driver is Browser:
        assert staging.sent("/style.css", "X-Staging") == ["open-sesame-42"]
        assert staging.sent("/sent-on.css", "X-Staging") == ["open-sesame-42"]
        for path in ("/other.css", "/redirected.css"):
            assert staging.sent(path, "X-Staging") == staging.sent(path, "Authorization") == [None]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_signature_and_a_login_are_sent_together(driver, staging, secrets, monkeypatch):
    monkeypatch.setenv("SHOP_SIGNATURE", "sig1=:AAAA:")
    polite = PolitenessConfig(requests_per_minute=100_000, signature_headers_env={"Signature": "SHOP_SIGNATURE"})
    assert visit(driver, staging.url, access=secrets, politeness=polite)[0].title == "Staging"
    sent = [staging.sent("/", name) for name in ("Signature", "Authorization", "X-Staging", "Cookie")]
    assert sent == [["sig1=:AAAA:"], [BASIC], ["open-sesame-42"], ["visitor=one"]]


@pytest.mark.parametrize("driver", DRIVERS)
def test_without_the_login_the_visit_says_which_setting_is_missing(driver, staging):
    with pytest.raises(StorefrontError, match=r"an error \(401\)\. It asks for a login: set store\.access\.login_env"):
        visit(driver, staging.url)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_lab_s_stores_get_no_secret(driver, staging, secrets):
    with pytest.raises(StorefrontError, match="401"):
        visit(driver, staging.url, access=secrets, may_pay=True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_visitors_arrive_with_cookies_and_with_a_saved_login_state(driver, monkeypatch, tmp_path):
    state = {
        "cookies": [
            {"name": "session", "value": "s/1=", "domain": "127.0.0.1", "path": "/", "expires": -1},
            {"name": "old", "value": "gone", "domain": "127.0.0.1", "path": "/", "expires": 1.0},
            {"name": "other", "value": "host", "domain": "shop.example", "path": "/", "expires": time.time() + 99},
        ],
        "origins": [],
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    monkeypatch.setenv("SHOP_COOKIES", "currency=EUR; gate=a=b/c%20")
    access = {"cookies_env": "SHOP_COOKIES", "state_file": tmp_path / "state.json"}
    with serving(Site({"/": "<title>Shop</title><h1>Shop</h1>"})) as site:
        visit(driver, site.url, access=access)
        sent = dict(pair.split("=", 1) for pair in site.sent("/", "Cookie")[0].split("; "))
    assert sent == {"visitor": "one", "currency": "EUR", "gate": "a=b/c%20", "session": "s/1="}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_secret_parameter_opens_a_preview_and_is_in_no_address_of_a_page(driver, monkeypatch):
    monkeypatch.setenv("PREVIEW_KEY", "k3y/of+preview")

    def home(request):
        if request.path == "/?theme=7&key=k3y%2Fof%2Bpreview":
            return 200, {"Set-Cookie": "preview=1"}, '<title>Preview</title><h1>Preview</h1><a href="/next">Next</a>'
        return 403, {}, "<title>Forbidden</title>"

    def following(request):
        assert "preview=1" in request.headers["Cookie"]
        return "<title>Next</title><h1>Next</h1>"

    with serving(Site({"/": home, "/next": following})) as site:
        pages = visit(driver, site.url + "/?theme=7", "Next", access={"query_env": {"key": "PREVIEW_KEY"}})
    assert [page.url for page in pages] == [site.url + "/?theme=7", site.url + "/next"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_certificate_of_its_own_is_accepted_where_the_settings_say_so(driver, tmp_path):
    with serving(encrypted(Site({"/": "<title>Own</title><h1>Own</h1>"}), tmp_path)) as site:
        with pytest.raises(StorefrontError):
            visit(driver, site.url)
        assert visit(driver, site.url, access={"any_certificate": True})[0].title == "Own"


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_store_is_visited_through_a_proxy_with_a_login(driver, monkeypatch):
    monkeypatch.setenv("PROXY_LOGIN", "proxy-user:proxy p@ss")
    with serving(Proxy("proxy-user:proxy p@ss")) as proxy:
        access = {"proxy": proxy.url, "proxy_login_env": "PROXY_LOGIN"}
        assert visit(driver, "http://by-proxy.example/", access=access)[0].title == "By proxy"
        assert {"http://by-proxy.example/robots.txt", "http://by-proxy.example/"} <= set(proxy.asked)


def test_a_secret_is_hidden_in_every_form_and_where_a_text_is_cut(secrets, monkeypatch):
    monkeypatch.setenv("PREVIEW_KEY", "k3y/of+preview")
    access = Access.of(StoreConfig(access=AccessConfig(**secrets, query_env={"key": "PREVIEW_KEY"})))
    for text, expected in (
        ("It is open-sesame-42!", "It is ***!"),
        ("joe:correct horse", "joe:***"),
        (f"sent {BASIC}", "sent ***"),
        ("https://shop.example/?a=1&key=k3y%2Fof%2Bpreview", "https://shop.example/?a=1"),
        ("https://shop.example/?next=k3y%2Fof%2Bpreview", "https://shop.example/?next=***"),
        ("Your header is open-sesa…", "Your header is ***…"),
        ("Your header is op…", "Your header is op…"),
        ("opening soon", "opening soon"),
    ):
        assert access.hide(text) == expected


def test_a_redirect_to_another_host_takes_no_secret_along(secrets):
    with serving(Site({"/robots.txt": "User-agent: *"})) as site:
        site.answers["/away"] = (302, {"Location": site.url.replace("127.0.0.1", "localhost") + "/there"}, "")
        site.answers["/there"] = "there"
        assert plain_get(site.url + "/away", Access.of(StoreConfig(access=AccessConfig(**secrets))), {}).text == "there"
        assert site.sent("/away", "Authorization") == [BASIC]
        assert site.sent("/there", "Authorization") == site.sent("/there", "X-Staging") == [None]


@pytest.mark.parametrize(
    ("url", "store", "expected"),
    [
        ("https://shop.example/a", "https://www.shop.example/", True),
        ("http://shop.example/a", "https://shop.example/", False),
        ("https://shop.example/a", "http://shop.example/", True),
        ("https://cdn.shop.example/a", "https://shop.example/", False),
        ("https://shop.example.evil.example/", "https://shop.example/", False),
        ("https://shop.example:8443/", "https://shop.example/", False),
        ("wss://shop.example/live", "https://shop.example/", True),
    ],
)
def test_secrets_stay_on_the_host_and_are_not_sent_unencrypted(url, store, expected):
    assert is_of_store(url, store) is expected


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"login_env": "NOT_SET"}, r"store\.access\.login_env = NOT_SET: no such environment variable"),
        ({"login_env": "NO_COLON"}, "expected NAME:PASSWORD"),
        ({"cookies_env": "NO_COLON"}, "expected NAME=VALUE; NAME=VALUE"),
        ({"headers_env": {"X-A": "TWO_LINES"}}, "characters that cannot be sent"),
        ({"proxy_login_env": "NO_COLON"}, r"needs store\.access\.proxy"),
        ({"state_file": "nowhere.json"}, "cannot be read"),
        ({"state_file": __file__}, "no saved login state"),
    ],
)
def test_secrets_that_are_missing_or_malformed_are_said_without_them(access, words, monkeypatch):
    monkeypatch.setenv("NO_COLON", "hunter2")
    monkeypatch.setenv("TWO_LINES", "hunter2\nSet-Cookie: a=b")
    with pytest.raises(ConfigError, match=words) as raised:
        HttpVisitors(StoreConfig(access=AccessConfig(**access)))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"simulation": {"store_url": "https://joe:hunter2@shop.example/"}}, r"use store\.access\.login_env"),
        ({"simulation": {"store_url": "https://hunter2@shop.example/"}}, r"use store\.access\.login_env"),
        (
            {"simulation": {"store_url": "https://shop.example/?key=hunter2"}},
            r"store\.access\.query_env\.key = VARIABLE",
        ),
        ({"simulation": {"store_url": "https://shop.example/?a=1&accessToken=hunter2"}}, r"query_env\.accessToken"),
        (
            {"store": {"access": {"proxy": "http://joe:hunter2@proxy.example:3128"}}},
            r"use store\.access\.proxy_login_env",
        ),
        ({"store": {"access": {"proxy": "socks5://proxy.example"}}}, "begins with http://"),
        ({"store": {"access": {"login_env": "joe:hunter2"}}}, "expected the name of an environment variable"),
        ({"store": {"access": {"headers_env": {"X-A": "hunter2!"}}}}, "expected the name of an environment variable"),
        ({"store": {"access": {"headers_env": {"Cookie": "A"}}}}, r"use cookies_env"),
        ({"store": {"access": {"password": "hunter2"}}}, r"store\.access\.password: no such setting"),
        ({"store": {"cdp_url": "wss://grid.example/?token=hunter2"}}, r"store\.cdp_query_env\.token = VARIABLE"),
        ({"store": {"politeness": {"signature_headers": {"Signature": "hunter2"}}}}, "signature_headers_env = {"),
        ({"llm": {"key_env": "sk-hunter2"}}, "expected the name of an environment variable"),
        ({"llm": {"url": "http://joe:hunter2@127.0.0.1/v1"}}, r"use llm\.key_env"),
    ],
)
def test_a_secret_in_the_settings_is_refused_and_not_repeated(data, words):
    with pytest.raises(ConfigError, match=words) as raised:
        parse_config(data)
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in str(raised.value.__cause__)


def test_other_parameters_and_an_empty_old_setting_are_accepted():
    url = "https://shop.example/?preview_theme_id=12&keyword=skirts&utm_source=a&_ab=0"
    config = parse_config({"simulation": {"store_url": url}, "store": {"politeness": {"signature_headers": {}}}})
    assert config.simulation.store_url == url
    with pytest.raises(ValidationError):
        StoreConfig(locale="english, please")


SHOWN = """<meta name="viewport" content="width=device-width"><title>Device</title><h1>-</h1><script>document.querySelector("h1").textContent = [innerWidth, navigator.maxTouchPoints,
    navigator.language, Intl.DateTimeFormat().resolvedOptions().timeZone].join(" ");</script>"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "shown", "agent"),
    [
        ({"time_zone": "Asia/Tokyo"}, "1280 0 en-US Asia/Tokyo", "HeadlessChrome"),
        ({"device": "phone", "locale": "de-DE", "time_zone": "Europe/Berlin"}, "412 1 de-DE Europe/Berlin", "Pixel 7"),
        ({"device": "tablet", "time_zone": "UTC"}, "712 1 en-US UTC", "SM-T837A"),
        ({"user_agent": "Shop test", "time_zone": "UTC"}, "1280 0 en-US UTC", "Shop test"),
    ],
)
def test_a_visitor_in_chromium_has_the_device_of_the_settings(settings, shown, agent):
    with serving(Site({"/": SHOWN})) as site:
        page = visit(Browser, site.url, **settings)[0]
        (sent,) = site.sent("/", "User-Agent")
        assert site.sent("/", "Accept-Language")[0].startswith(settings.get("locale", "en-US"))
    assert next(node.name for node in page.nodes if node.role == "heading") == shown
    assert agent in sent
    assert sent.endswith(" simpersona")


def test_a_visitor_without_a_browser_has_the_user_agent_and_the_language_of_the_settings():
    agents = []
    with serving(Site({"/": "<title>A</title><h1>A</h1>"})) as site:
        visit(HttpVisitors, site.url)
        visit(HttpVisitors, site.url, device="phone", locale="de-DE")
        visit(HttpVisitors, site.url, user_agent="Shop test")
        agents, languages = site.sent("/", "User-Agent"), site.sent("/", "Accept-Language")
    assert agents[0] == "simpersona"
    assert "Mobile" in agents[1]
    assert agents[2] == "Shop test simpersona"
    assert languages[1] == "de-DE,de;q=0.9"
