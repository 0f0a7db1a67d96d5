"""A store that says "not now", and pages that keep bots out: what the visitor waits for, and where the visit ends."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from simpersona.adapters.storefronts.bot_challenge import challenge_of
from simpersona.adapters.storefronts.browser import Browser
from simpersona.adapters.storefronts.http import HttpVisitors
from simpersona.adapters.storefronts.politeness import Politeness
from simpersona.adapters.storefronts.retry_after import MOST_SLOWER, StoreWaits, asks_to_wait, seconds_to_wait
from simpersona.config import PolitenessConfig, StoreConfig
from simpersona.errors import BusyStoreError, ChallengeError
from simpersona.pages import Node

from .access_servers import Site, pages_of, serving

DRIVERS = [pytest.param(Browser, marks=pytest.mark.slow, id="browser"), pytest.param(HttpVisitors, id="http")]
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOME = """<title>Home</title><a href="/busy">Busy</a><form action="/form" method="post"><input name="colour" aria-label="Colour">
    <button>Search</button></form>"""


def visit(driver, url, *clicks, may_pay=False, robots=False, **settings):
    politeness = PolitenessConfig(requests_per_minute=100_000, robots=robots, **settings)
    config = StoreConfig(politeness=politeness, action_timeout_seconds=5)
    return pages_of(driver, config, url, clicks, may_pay=may_pay)


def first(times, refusal, then):
    """An answer that is a refusal so many times."""
    left = iter(range(times))
    return lambda request: (refusal() if callable(refusal) else refusal) if next(left, None) is not None else then


def later():
    return (
        429,
        {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)},
        "<h1>Later</h1>",
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        (" 0 ", 0),
        ("Mon, 30 Nov 2026 12:00:09 GMT", 9),
        ("Monday, 30-Nov-26 12:00:09 GMT", 9),
        ("Mon, 30 Nov 2026 11:00:00 GMT", 0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
    ],
)
def test_the_header_holds_seconds_or_a_date(value, seconds):
    assert seconds_to_wait(value, NOW) == seconds


def test_only_503_needs_the_header():
    assert asks_to_wait(429, {})
    assert asks_to_wait(503, {"retry-after": "1"})
    assert not asks_to_wait(503, {})
    assert not asks_to_wait(500, {"retry-after": "1"})


@pytest.mark.parametrize("may_pay", [True, False])
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "refusal",
    [
        (429, {"Retry-After": "1"}, "<title>Slow</title><h1>Too many requests</h1>"),
        (503, {"Retry-After": "1"}, "<title>Slow</title><h1>Too many requests</h1>"),
        (429, {"Retry-After": "1"}, ""),
        later,
    ],
    ids=["429", "503", "empty", "date"],
)
def test_a_page_that_is_refused_for_now_is_asked_for_again(driver, refusal, may_pay):
    with serving(Site({"/": HOME, "/busy": first(2, refusal, "<title>Fine</title><h1>Fine</h1>")})) as site:
        _, page = visit(driver, site.url, "Busy", may_pay=may_pay)
        assert len(site.sent("/busy", "Host")) == 3
    assert (page.title, page.failure) == ("Fine", None)
    assert page.troubles == ("rate_limited", "rate_limited")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_form_that_is_refused_for_now_is_not_sent_again(driver):
    with serving(Site({"/": HOME, "/form": (429, {"Retry-After": "0"}, "<title>Slow</title>")})) as site:
        _, page = visit(driver, site.url, "Search", may_pay=True)
        assert len(site.sent("/form", "Host")) == 1
    assert page.title == "Home"
    assert "come back later (429)" in page.failure
    assert page.troubles[0] == "rate_limited"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("header", "settings"), [("3600", {}), ("2", {"max_wait_seconds": 1})])
def test_a_wait_that_is_too_long_ends_the_visit(driver, header, settings):
    with (
        serving(Site({"/": (429, {"Retry-After": header}, "<h1>Later</h1>")})) as site,
        pytest.raises(BusyStoreError, match=rf"Retry-After: {header}\).*max_wait_seconds"),
    ):
        visit(driver, site.url, **settings)


@pytest.mark.slow
def test_a_script_that_is_refused_for_now_is_counted_and_makes_the_next_page_wait():
    page = """<title>Home</title><a href="/fine">Fine</a><button onclick="fetch('/data').then(r => document.title = r.status)">
        Ask</button>"""
    answers = {"/": page, "/data": (429, {"Retry-After": "1"}, ""), "/fine": "<title>Fine</title>"}
    with serving(Site(answers)) as site:
        _, asked, fine = visit(Browser, site.url, "Ask", "Fine")
    assert (asked.title, asked.troubles) == ("429", ("rate_limited",))
    assert (fine.title, fine.troubles) == ("Fine", ())


def waited(calls):
    """When each of the pages had its turn, by a clock that only waiting moves; `calls` are pages or refusals."""
    now, had = [0.0], []

    async def sleep(seconds):
        now[0] += seconds

    async def run():
        waits = StoreWaits(60, clock=lambda: now[0], sleep=sleep)
        config = PolitenessConfig(requests_per_minute=60, robots=False)
        politeness = Politeness(config, waits=waits, clock=lambda: now[0], sleep=sleep)
        for call in calls:
            if call == "page":
                await politeness.turn("https://shop.example/a")
                had.append(now[0])
            else:
                waits.asked("https://shop.example/a", call, 1, 0.0)

    asyncio.run(run())
    return had


def test_all_visitors_wait_and_are_slower_afterwards():
    assert waited(["page", "page", "10", "page", "page", "page"]) == [0, 1, 11, 13, 15]


def test_the_pause_grows_to_a_limit_and_shrinks_again():
    had = waited(["0"] * 9 + ["page"] * 70)
    pauses = [after - before for before, after in pairwise(had)]
    assert pauses[0] == MOST_SLOWER == 8
    assert pauses[-1] == 1
    assert sorted(pauses, reverse=True) == pauses


def shown(*names, role="StaticText"):
    return [Node(f"0-{number}", role, name) for number, name in enumerate(names, start=1)]


SHELF = [Node(f"0-{number}", "link", f"Skirt {number}") for number in range(30)]
CHALLENGES = [
    (403, {"cf-mitigated": "challenge"}, "Just a moment...", shown(), ()),
    (403, {}, "Just a moment...", shown("Verifying you are human. This may take a few seconds."), ()),
    (503, {}, "Nur einen Moment…", shown("shop.example"), ()),
    (403, {}, "Attention Required! | Cloudflare", shown("Sorry, you have been blocked"), ()),
    (403, {}, "shop.example", shown(), ("https://geo.captcha-delivery.com/captcha/?cid=1",)),
    (
        403,
        {},
        "Access to this page has been denied",
        shown("Press & Hold to confirm you are a human (and not a bot)."),
        (),
    ),
    (
        403,
        {},
        "Access Denied",
        shown('You don\'t have permission to access "http://shop.example/" on this server.'),
        (),
    ),
    (202, {"x-amzn-waf-action": "challenge"}, "", shown(), ()),
    (200, {}, "Pardon Our Interruption", shown("Something about your browser made us think you were a bot."), ()),
    (200, {}, "", shown("Request unsuccessful. Incapsula incident ID: 1-2"), ()),
    (429, {}, "Vercel Security Checkpoint", shown("We're verifying your browser"), ()),
    (200, {}, "Robot or human?", shown("Activate and hold the button to confirm that you’re human. Thank You!"), ()),
    (430, {}, "", shown(), ()),
    (200, {}, "Queue", shown("Your turn comes soon"), ("https://shop.queue-it.net/?c=shop",)),
]
STORES = [
    (200, {}, "Skirts", SHELF, ()),
    (200, {}, "Contact", [*shown("I'm not a robot"), *SHELF], ("https://www.recaptcha.net/anchor",)),
    (200, {}, "Robot or human? The T-shirt", [*shown("Robot or human? The T-shirt"), *SHELF], ()),
    (404, {}, "Not found", shown("Page not found", "Home", role="link"), ()),
    (403, {}, "Forbidden", shown("Opening soon"), ()),
    (200, {"x-datadome": "protected"}, "Skirts", SHELF, ()),
    (500, {}, "Error", shown("Something went wrong"), ()),
    (200, {}, "Cart", shown("Your cart is empty"), ()),
]


@pytest.mark.parametrize("page", CHALLENGES, ids=lambda page: page[2] or str(page[0]))
def test_pages_that_keep_bots_out_are_recognised(page):
    assert challenge_of(*page)


@pytest.mark.parametrize("page", STORES, ids=lambda page: page[2])
def test_pages_of_stores_are_no_challenges(page):
    assert challenge_of(*page) is None


@pytest.mark.parametrize(
    ("title", "is_first", "keeps_out"),
    [("403 Forbidden", True, True), ("403 Forbidden", False, False), ("Access Denied", False, True)],
)
def test_a_plain_refusal_after_other_pages_concerns_the_one_page(title, is_first, keeps_out):
    nodes = shown("You don't have permission to access this resource.")
    assert (challenge_of(403, {}, title, nodes, is_first=is_first) is not None) == keeps_out


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_challenge_ends_the_visit_as_what_it_is(driver, status):
    challenge = "<title>Just a moment...</title><h1>shop.example</h1><p>Verify you are human by completing the action below.</p>"
    with serving(Site({"/": HOME, "/busy": (status, {}, challenge)})) as site:
        with pytest.raises(ChallengeError, match=r"keeps bots out .*Just a moment.*user_agent_suffix"):
            visit(driver, site.url, "Busy")
        site.answers["/"] = (status, {}, challenge)
        with pytest.raises(ChallengeError):
            visit(driver, site.url)
