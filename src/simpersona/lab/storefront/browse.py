"""The pages to look around: home, collections, search results, products.

A further page of results or of a collection, or another order of it, is no new search or collection view.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from simpersona.lab.storefront import search_index, shelf
from simpersona.lab.storefront.event_log import record
from simpersona.lab.storefront.shop import current
from simpersona.lab.storefront.themes import SORTS, Theme, theme_called

IN_NAVIGATION = 8
FEATURED = 8
RELATED = 3
PARTS = ("style.css", "cards.html", "sort.html")
"""Templates that pages include, in a theme's own version where it has one."""
MAX_QUERY = 200


def look() -> Theme:
    """How the current shop looks."""
    return theme_called(current().theme)


def every_page(request: HttpRequest) -> dict[str, Any]:
    """What the frame of every page shows: the shop's name, look, collections, and what is in the cart."""
    collections, theme, basket = shelf.collections(), look(), getattr(request, "basket", None)
    variant = current().variant
    return {
        "shop": current().name,
        "theme": theme,
        "frame": f"{theme.name}/frame.html",
        "parts": {part.partition(".")[0]: theme.templates(part) for part in PARTS},
        "search_is_shown": not variant.hidden_search,
        "free_shipping": variant.free_shipping_notice,
        "navigation": collections[:IN_NAVIGATION],
        "more_collections": len(collections) > IN_NAVIGATION,
        "in_cart": basket.num_items if basket else 0,
        "cart_lines": lambda: shelf.lines_in(basket) if basket else [],
    }


def page_title(*parts: str) -> str:
    """A page's title: "Linen Skirt - Shop 1"."""
    return " - ".join([*parts, current().name])


def answers_form(request: HttpRequest) -> bool:
    """Whether the page is shown as the answer to a form; then it is no new view."""
    return bool(len(messages.get_messages(request)))


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    title = page_title()
    record(request, "page_viewed", title)
    return _shown(request, "home.html", {"title": title, "cards": shelf.featured(FEATURED)})


@require_safe
def collection_list(request: HttpRequest) -> HttpResponse:
    title = page_title(look().all_collections)
    record(request, "page_viewed", title)
    return _shown(request, "collections.html", {"title": title, "collections": shelf.collections()})


@require_safe
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    found = next((each for each in shelf.collections() if each.slug == slug), None)
    if found is None:
        raise Http404
    title, listed = page_title(found.title), _list(request, shelf.in_collection(found.id))
    if listed["is_first"]:
        record(request, "collection_viewed", title, {"collection": {"id": found.id, "title": found.title}})
    else:
        record(request, "page_viewed", title)
    return _shown(request, "listing.html", {"title": title, "heading": found.title, **listed})


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    query, theme = " ".join(request.GET.get("q", "").split())[:MAX_QUERY], look()
    heading = f'{theme.results} "{query}"' if query else theme.search_box
    title, listed = page_title(heading), _list(request, search_index.find(query))
    if query and listed["is_first"]:
        record(request, "search_submitted", title, {"searchResult": {"query": query}})
    else:
        record(request, "page_viewed", title)
    context = {
        "title": title,
        "heading": heading,
        "query": query,
        "searched": bool(query),
        "has_search_form": theme.has_search_page or current().variant.hidden_search,
        **listed,
    }
    return _shown(request, "listing.html", context)


@require_safe
def product(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        item = shelf.item(slug)
    except shelf.Product.DoesNotExist:
        raise Http404 from None
    title, is_answer = page_title(item.title), answers_form(request)
    if not is_answer:
        record(request, "product_viewed", title, {"productVariant": item.pixel(item.variants[0])})
    context = {"title": title, "item": item, "cards": shelf.related(item.key, RELATED), "drawer_open": is_answer}
    return _shown(request, "product.html", context)


def _shown(request: HttpRequest, page: str, context: dict[str, Any]) -> HttpResponse:
    return render(request, look().templates(page), context)


def _list(request: HttpRequest, keys: tuple[int, ...]) -> dict[str, Any]:
    """One page of a list of products; `is_first` for its first page in the store's own order."""
    size, names = look().page_size, look().sorts
    sort = request.GET.get("sort", SORTS[0])
    sort = sort if sort in SORTS else SORTS[0]
    page, pages = _page_number(request), max(1, ceil(len(keys) / size))
    shown = shelf.in_order(keys, sort)[(page - 1) * size : page * size]
    return {
        "is_first": page == 1 and sort == SORTS[0],
        "cards": shelf.cards(shown),
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
    asked = QueryDict(mutable=True)
    asked.update(request.GET.dict() | changed)
    return f"?{asked.urlencode()}"
