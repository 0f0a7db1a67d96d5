"""Recognises the pages by which a store, or the service in front of it, keeps bots out: they are no pages of a store.

The evidence is what the services send and show: Cloudflare, DataDome, HUMAN (PerimeterX), Akamai, Imperva, AWS WAF,
Vercel, Queue-it, Shopify, hCaptcha and reCAPTCHA. A page with a captcha in one of its forms is a page of the store: words
count only on a page with almost nothing else on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from simpersona.errors import ChallengeError
from simpersona.pages import Node

FEW_CONTROLS, FEW_NODES = 8, 40
"""A page with more controls or nodes is a page of the store."""
BLOCKING = frozenset({401, 403, 405, 429, 430, 503})
"""Statuses with which services refuse a bot; 430 is Shopify's."""
_CONTROLS = frozenset({"button", "combobox", "link", "menuitem", "searchbox", "textbox"})
_HEADERS = (
    ("cf-mitigated", re.compile("challenge"), "Cloudflare"),
    ("x-amzn-waf-action", re.compile("challenge|captcha"), "AWS WAF"),
    ("x-vercel-mitigated", re.compile("challenge|deny"), "Vercel"),
    ("x-datadome", re.compile("protected"), "DataDome"),
)
"""Headers that such an answer alone has; the last two are believed with a blocking status only."""
_SURE = frozenset({"cf-mitigated", "x-amzn-waf-action", "x-vercel-mitigated"})
_HOSTS = {
    "challenges.cloudflare.com": "Cloudflare",
    "captcha-delivery.com": "DataDome",
    "queue-it.net": "Queue-it",
    "hcaptcha.com": "hCaptcha",
    "recaptcha.net": "reCAPTCHA",
    "px-cloud.net": "HUMAN",
    "px-cdn.net": "HUMAN",
    "arkoselabs.com": "Arkose Labs",
    "captcha.awswaf.com": "AWS WAF",
    "perfdrive.com": "Radware",
}
"""Hosts of the frames in which services show their questions."""
_TITLES = re.compile(
    r"^(just a moment\W*|attention required! \| cloudflare|access denied|access to this page has been denied\.?|"
    r"pardon our interruption\W*|robot or human\??|robot check|are you (a robot|human)\??|human verification|"
    r"bot verification|verify(ing)? (that )?you are (a )?human\W*|security (check(point)?|verification)|"
    r"vercel security checkpoint|one more step|checking your browser\W*|ddos[- ]guard|captcha|please wait\W*|"
    r"(you are|you're) (now )?in line\W*|waiting room|request (blocked|unsuccessful)|blocked|"
    r"einen moment\W*|nur einen moment\W*|un instant\W*|un momento\W*|een ogenblik\W*)$",
    re.IGNORECASE,
)
_TEXTS = re.compile(
    r"checking (if the site connection is secure|your browser before accessing)|verify(ing)? (that )?you are (a )?human|"
    r"(prove|confirm|verify) (that )?(you|you're|you are) (a |not a )?(human|robot)|press & hold to confirm|"
    r"enable javascript and cookies to continue|complete the (security check|captcha)|unusual traffic from your|"
    r"you have been blocked|you don't have permission to access|incapsula incident id|sorry, you have been blocked|"
    r"i('m| am) not a robot|enter the characters you see|performance (&|and) security by cloudflare|"
    r"please enable js and disable any ad blocker|"
    r"(bist du|sind sie) ein (mensch|roboter)|(êtes|etes)-vous un (humain|robot)|"
    r"(eres|es usted) (un )?(humano|robot)|security verification",
    re.IGNORECASE,
)


_PLAIN_REFUSAL = re.compile(r"you don't have permission to access", re.IGNORECASE)
"""What a web server itself says of a page that is open to nobody, too, such as one for traders."""


def require_no_challenge(
    status: int,
    headers: Mapping[str, str],
    title: str,
    nodes: Sequence[Node],
    frames: Iterable[str] = (),
    *,
    is_first: bool = True,
) -> None:
    """Raises ChallengeError if a page asks whether its visitor is a human, or refuses it as a bot.

    `headers` are those of the page's answer with names in lower case, `frames` the addresses of the frames in it, `is_first`
    says that the visit has seen no page of the store yet.
    """
    by = challenge_of(status, headers, title, nodes, frames, is_first=is_first)
    if by is None:
        return
    shown = f'"{title}", status {status}' if title else f"status {status}"
    raise ChallengeError(
        f"the store keeps bots out ({by}; the page: {shown}), so this visit sees none of its pages. Its owner can allow these "
        "visits by their user agent (store.politeness.user_agent_suffix), a signature (store.politeness.signature_key) or a "
        "secret header (store.access.headers_env)"
    )


def challenge_of(
    status: int,
    headers: Mapping[str, str],
    title: str,
    nodes: Sequence[Node],
    frames: Iterable[str] = (),
    *,
    is_first: bool = True,
) -> str | None:
    """Whose challenge or refusal a page is, or what shows that it is one; None for a page of the store.

    After other pages of the store, a web server's plain refusal concerns the one page.
    """
    for name, pattern, service in _HEADERS:
        if pattern.search(headers.get(name, "").lower()) and (name in _SURE or status in BLOCKING):
            return service
    controls = sum(node.role in _CONTROLS for node in nodes)
    if len(nodes) > FEW_NODES or controls > FEW_CONTROLS:
        return None
    shown = next((service for frame in frames if (service := _service(frame)) is not None), None)
    if shown is not None and (status in BLOCKING or controls <= 2):
        return shown
    texts = [node.name for node in nodes]
    words = next((text for text in texts if _TEXTS.search(text)), None)
    is_named = bool(_TITLES.match(title.strip()))
    if words is not None and not is_first and not is_named and _PLAIN_REFUSAL.search(words):
        words = None
    if words is not None and (is_named or status in BLOCKING or controls <= 2):
        return f'"{words[:60]}"'
    if is_named and (status in BLOCKING or not controls):
        return "by its title"
    return "Shopify" if status == 430 else None


def _service(address: str) -> str | None:
    host = urlsplit(address).hostname or ""
    return next((name for end, name in _HOSTS.items() if host == end or host.endswith(f".{end}")), None)
