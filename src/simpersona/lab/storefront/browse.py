"""The browsing pages: home, collections, search results, products.

Only the first page of results or of a collection in the store's default order counts as a search or collection view.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from simpersona.lab.storefront import catalogue, search_index
from simpersona.lab.storefront.event_log import record
from simpersona.lab.storefront.shop import current
from simpersona.lab.storefront.themes import SORTS, Asides, Theme, get_theme

IN_NAVIGATION = 8
FEATURED = 8
RELATED = 3
PARTS = ("style.css", "cards.html", "sort.html")
"""Templates that pages include; a theme may have its own version."""
MAX_QUERY = 200
CONSENT_COOKIE = "consent"
"""The cookie of a visitor who has answered the cookie banner."""


def current_theme() -> Theme:
    """The theme of the current shop."""
    return get_theme(current().theme)


def current_asides() -> Asides:
    """What the current shop's theme shows beside the purchase. Raises Http404 if it shows nothing."""
    asides = current_theme().asides
    if asides is None:
        raise Http404
    return asides


def page_context(request: HttpRequest) -> dict[str, Any]:
    """The template context of every page: the shop's name, theme, collections, and the cart."""
    collections, theme, basket = catalogue.collections(), current_theme(), getattr(request, "basket", None)
    variant = current().variant
    return {
        "shop": current().name,
        "theme": theme,
        "address": request.get_full_path(),
        "has_consent": CONSENT_COOKIE in request.COOKIES,
        "frame": f"{theme.name}/frame.html",
        "parts": {part.partition(".")[0]: theme.templates(part) for part in PARTS},
        "search_is_shown": not variant.hidden_search,
        "free_shipping": variant.free_shipping_notice,
        "navigation": collections[:IN_NAVIGATION],
        "more_collections": len(collections) > IN_NAVIGATION,
        "in_cart": basket.num_items if basket else 0,
        "cart_lines": lambda: catalogue.lines_in(basket) if basket else [],
    }


def page_title(*parts: str) -> str:
    """A page's title: "Linen Skirt - Shop 1"."""
    return " - ".join([*parts, current().name])


def is_form_response(request: HttpRequest) -> bool:
    """Whether the page is the response to a form; then it is not recorded as a view."""
    return bool(len(messages.get_messages(request)))


def record_view(request: HttpRequest, name: str, title: str, data: dict[str, Any] | None = None) -> None:
    """Records a view of a page, unless the page is the response to a form."""
    if not is_form_response(request):
        record(request, name, title, data)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    title = page_title()
    record_view(request, "page_viewed", title)
    return _render(request, "home.html", {"title": title, "cards": catalogue.featured(FEATURED)})


@require_safe
def collection_list(request: HttpRequest) -> HttpResponse:
    title = page_title(current_theme().all_collections)
    record_view(request, "page_viewed", title)
    return _render(request, "collections.html", {"title": title, "collections": catalogue.collections()})


@require_safe
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    shown = next((each for each in catalogue.collections() if each.slug == slug), None)
    if shown is None:
        raise Http404
    title, listed = page_title(shown.title), _list(request, catalogue.in_collection(shown.id))
    if listed["is_first"]:
        record_view(request, "collection_viewed", title, {"collection": {"id": shown.id, "title": shown.title}})
    else:
        record_view(request, "page_viewed", title)
    return _render(request, "listing.html", {"title": title, "heading": shown.title, **listed})


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    query, theme = " ".join(request.GET.get("q", "").split())[:MAX_QUERY], current_theme()
    heading = f'{theme.results} "{query}"' if query else theme.search_box
    title, listed = page_title(heading), _list(request, search_index.find(query))
    if query and listed["is_first"]:
        record_view(request, "search_submitted", title, {"searchResult": {"query": query}})
    else:
        record_view(request, "page_viewed", title)
    context = {
        "title": title,
        "heading": heading,
        "query": query,
        "searched": bool(query),
        "has_search_form": theme.has_search_page or current().variant.hidden_search,
        **listed,
    }
    return _render(request, "listing.html", context)


@require_safe
def product(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        item = catalogue.item(slug)
    except catalogue.Product.DoesNotExist:
        raise Http404 from None
    title, is_answer = page_title(item.title), is_form_response(request)
    if not is_answer:
        record(request, "product_viewed", title, {"productVariant": item.pixel(item.variants[0])})
    context = {"title": title, "item": item, "cards": catalogue.related(item.key, RELATED), "drawer_open": is_answer}
    return _render(request, "product.html", context)


def _render(request: HttpRequest, page: str, context: dict[str, Any]) -> HttpResponse:
    return render(request, current_theme().templates(page), context)


def _list(request: HttpRequest, keys: tuple[int, ...]) -> dict[str, Any]:
    """The template context of one page of a product list; `is_first` marks the first page in the default order."""
    size, names = current_theme().page_size, current_theme().sorts
    sort = request.GET.get("sort", SORTS[0])
    sort = sort if sort in SORTS else SORTS[0]
    page, pages = _page_number(request), max(1, ceil(len(keys) / size))
    shown = catalogue.in_order(keys, sort)[(page - 1) * size : page * size]
    return {
        "is_first": page == 1 and sort == SORTS[0],
        "cards": catalogue.cards(shown),
        "orders": [
            {"key": key, "name": name, "is_chosen": key == sort, "url": _address(request, sort=key, page="1")}
            for key, name in zip(SORTS, names, strict=True)
        ],
        "total": len(keys),
        "page": page,
        "pages": pages,
        "previous_page": _address(request, page=str(page - 1)) if page > 1 else None,
        "next_page": _address(request, page=str(page + 1)) if page < pages else None,
    }


def _page_number(request: HttpRequest) -> int:
    try:
        return min(max(1, int(str(request.GET.get("page", "1")))), 100_000)
    except ValueError:
        return 1


def _address(request: HttpRequest, **changed: str) -> str:
    query = QueryDict(mutable=True)
    query.update(request.GET.dict() | changed)
    return f"?{query.urlencode()}"
