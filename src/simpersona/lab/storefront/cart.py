"""The cart page and the forms that change the cart (Oscar's basket)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from oscar.apps.basket.middleware import BasketMiddleware

from simpersona.lab.storefront import catalogue
from simpersona.lab.storefront.asides import MAX_NOTE, NOTE_KEY
from simpersona.lab.storefront.browse import current_theme, is_form_response, page_title
from simpersona.lab.storefront.event_log import record
from simpersona.lab.storefront.money import money

MAX_QUANTITY = 99


class CartMiddleware(BasketMiddleware):
    """Oscar's middleware without the search for special offers: the store has none, and the search is slow."""

    def apply_offers_to_basket(self, request: HttpRequest, basket: Any) -> None:
        """Does nothing."""


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    basket, title = request.basket, page_title(current_theme().your_cart)
    if not is_form_response(request):
        record(request, "cart_viewed", title, {"cart": {"totalQuantity": basket.num_items}})
    context = {
        "title": title,
        "lines": catalogue.lines_in(basket),
        "total": basket.total_incl_tax,
        "max_quantity": MAX_QUANTITY,
        "note": request.session.get(NOTE_KEY, ""),
        "max_note": MAX_NOTE,
    }
    return render(request, current_theme().templates("cart.html"), context)


@require_POST
@transaction.atomic
def add(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        item = catalogue.item(slug)
        variant = item.variant(int(str(request.POST.get("variant", ""))))
    except (catalogue.Product.DoesNotExist, ValueError, StopIteration):
        raise Http404 from None
    request.basket.add_product(catalogue.Product.objects.get(pk=variant.key), quantity=1)
    _record_line(request, "product_added_to_cart", item, variant, 1)
    messages.success(request, f"{current_theme().added}: {item.name(variant)}")
    return redirect(item.url if current_theme().has_drawer else reverse("basket:summary"))


@require_POST
@transaction.atomic
def change(request: HttpRequest, key: int) -> HttpResponse:
    """Sets a line's quantity or removes the line, and records the difference as added or removed."""
    line = next((line for line in request.basket.all_lines() if line.pk == key), None)
    if line is None:
        messages.info(request, f"{current_theme().your_cart}: that product is no longer here.")
        return redirect("basket:summary")
    item, variant = catalogue.item_in_cart(line.product)
    try:
        quantity = 0 if "remove" in request.POST else int(str(request.POST.get("quantity", "")))
    except ValueError:
        quantity = -1
    if not 0 <= quantity <= MAX_QUANTITY:
        messages.error(request, f"Please enter a quantity from 0 to {MAX_QUANTITY}.")
        return redirect("basket:summary")
    before, line.quantity = line.quantity, quantity
    if quantity:
        line.save()
    else:
        line.delete()
    if quantity > before:
        _record_line(request, "product_added_to_cart", item, variant, quantity - before)
    elif quantity < before:
        _record_line(request, "product_removed_from_cart", item, variant, before - quantity)
    messages.success(
        request, f"{current_theme().updated if quantity else current_theme().removed}: {item.name(variant)}"
    )
    return redirect("basket:summary")


def _record_line(
    request: HttpRequest, name: str, item: catalogue.Item, variant: catalogue.Variant, quantity: int
) -> None:
    line = {
        "merchandise": item.pixel(variant),
        "quantity": quantity,
        "cost": {"totalAmount": money(variant.price * quantity)},
    }
    record(request, name, page_title(item.title), {"cartLine": line})
