"""The cart: Oscar's basket, and the forms that change it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from oscar.apps.basket.middleware import BasketMiddleware

from simpersona.lab.storefront import shelf
from simpersona.lab.storefront.browse import answers_form, look, page_title
from simpersona.lab.storefront.event_log import record
from simpersona.lab.storefront.money import money

MAX_QUANTITY = 99


class CartMiddleware(BasketMiddleware):
    """Oscar's, without the search for special offers: this store has none, and it costs most of a page."""

    def apply_offers_to_basket(self, request: HttpRequest, basket: Any) -> None:
        """Nothing to apply."""


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    basket, title = request.basket, page_title(look().your_cart)
    if not answers_form(request):
        record(request, "cart_viewed", title, {"cart": {"totalQuantity": basket.num_items}})
    context = {
        "title": title,
        "lines": shelf.lines_in(basket),
        "total": basket.total_incl_tax,
        "max_quantity": MAX_QUANTITY,
    }
    return render(request, look().templates("cart.html"), context)


@require_POST
@transaction.atomic
def add(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        item = shelf.item(slug)
        variant = item.variant(int(str(request.POST.get("variant", ""))))
    except (shelf.Product.DoesNotExist, ValueError, StopIteration):
        raise Http404 from None
    request.basket.add_product(shelf.Product.objects.get(pk=variant.key), quantity=1)
    _record_line(request, "product_added_to_cart", item, variant, 1)
    messages.success(request, f"{look().added}: {item.name(variant)}")
    return redirect(item.url if look().has_drawer else reverse("basket:summary"))


@require_POST
@transaction.atomic
def change(request: HttpRequest, key: int) -> HttpResponse:
    """Sets a line's quantity, or removes it; a difference counts as added or removed."""
    line = next((line for line in request.basket.all_lines() if line.pk == key), None)
    if line is None:
        messages.info(request, f"{look().your_cart}: that product is no longer here.")
        return redirect("basket:summary")
    item, variant = shelf.item_in_cart(line.product)
    try:
        asked = 0 if "remove" in request.POST else int(str(request.POST.get("quantity", "")))
    except ValueError:
        asked = -1
    if not 0 <= asked <= MAX_QUANTITY:
        messages.error(request, f"Please enter a quantity from 0 to {MAX_QUANTITY}.")
        return redirect("basket:summary")
    before, line.quantity = line.quantity, asked
    if asked:
        line.save()
    else:
        line.delete()
    if asked > before:
        _record_line(request, "product_added_to_cart", item, variant, asked - before)
    elif asked < before:
        _record_line(request, "product_removed_from_cart", item, variant, before - asked)
    messages.success(request, f"{look().updated if asked else look().removed}: {item.name(variant)}")
    return redirect("basket:summary")


def _record_line(request: HttpRequest, name: str, item: shelf.Item, variant: shelf.Variant, quantity: int) -> None:
    line = {
        "merchandise": item.pixel(variant),
        "quantity": quantity,
        "cost": {"totalAmount": money(variant.price * quantity)},
    }
    record(request, name, page_title(item.title), {"cartLine": line})
