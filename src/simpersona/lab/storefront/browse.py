"""The pages to look around: home, collections, search results, products.

A further page of results or of a collection is no new search or collection view.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from simpersona.lab.storefront import search_index, shelf
from simpersona.lab.storefront.event_log import record

IN_NAVIGATION = 8
FEATURED = 8
MAX_QUERY = 200


def every_page(request: HttpRequest) -> dict[str, Any]:
    """What the frame of every page shows: the shop's name, its collections, the number of things in the cart."""
    collections = shelf.collections()
    return {
        "shop": settings.OSCAR_SHOP_NAME,
        "navigation": collections[:IN_NAVIGATION],
        "more_collections": len(collections) > IN_NAVIGATION,
        "in_cart": request.basket.num_items if hasattr(request, "basket") else 0,
    }


def page_title(*parts: str) -> str:
    """A page's title: "Linen Skirt - Shop 1"."""
    return " - ".join([*parts, settings.OSCAR_SHOP_NAME])


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    title = page_title()
    record(request, "page_viewed", title)
    return render(request, "store/home.html", {"title": title, "cards": shelf.featured(FEATURED)})


@require_safe
def collection_list(request: HttpRequest) -> HttpResponse:
    title = page_title("Collections")
    record(request, "page_viewed", title)
    return render(request, "store/collections.html", {"title": title, "collections": shelf.collections()})


@require_safe
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    found = next((each for each in shelf.collections() if each.slug == slug), None)
    if found is None:
        raise Http404
    page, title = _page_number(request), page_title(found.title)
    cards, total = shelf.page_of_collection(found.id, page, settings.PAGE_SIZE)
    if page == 1:
        record(request, "collection_viewed", title, {"collection": {"id": found.id, "title": found.title}})
    else:
        record(request, "page_viewed", title)
    context = {"title": title, "heading": found.title, "cards": cards, **_paging(request, page, total)}
    return render(request, "store/listing.html", context)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    query = " ".join(request.GET.get("q", "").split())[:MAX_QUERY]
    page, keys = _page_number(request), search_index.find(query)
    title = page_title(f'Search results for "{query}"' if query else "Search")
    if query and page == 1:
        record(request, "search_submitted", title, {"searchResult": {"query": query}})
    else:
        record(request, "page_viewed", title)
    context = {
        "title": title,
        "heading": f'Search results for "{query}"' if query else "Search",
        "query": query,
        "cards": shelf.cards(keys[(page - 1) * settings.PAGE_SIZE : page * settings.PAGE_SIZE]),
        "searched": bool(query),
        **_paging(request, page, len(keys)),
    }
    return render(request, "store/listing.html", context)


@require_safe
def product(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        item = shelf.item(slug)
    except shelf.Product.DoesNotExist:
        raise Http404 from None
    title = page_title(item.title)
    record(request, "product_viewed", title, {"productVariant": item.pixel(item.variants[0])})
    return render(request, "store/product.html", {"title": title, "item": item})


def _page_number(request: HttpRequest) -> int:
    try:
        return min(max(1, int(str(request.GET.get("page", "1")))), 100_000)
    except ValueError:
        return 1


def _paging(request: HttpRequest, page: int, total: int) -> dict[str, Any]:
    pages = max(1, ceil(total / settings.PAGE_SIZE))
    return {
        "total": total,
        "page": page,
        "pages": pages,
        "previous_page": _address(request, page - 1) if page > 1 else None,
        "next_page": _address(request, page + 1) if page < pages else None,
    }


def _address(request: HttpRequest, page: int) -> str:
    asked = QueryDict(mutable=True)
    asked.update(request.GET.dict() | {"page": str(page)})
    return f"?{asked.urlencode()}"
