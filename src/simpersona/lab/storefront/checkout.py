"""Guest checkout in Oscar's steps: e-mail, address, review, order placed.

Shipping is free and there is one way of it, and nothing is paid, so Oscar's pages for these are
passed over. What is typed into the forms goes to the order in the store's database alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from oscar.apps.checkout import views as oscar_checkout
from oscar.apps.shipping.methods import Free
from oscar.core.loading import get_model

from simpersona.lab.storefront import shelf
from simpersona.lab.storefront.browse import page_title
from simpersona.lab.storefront.event_log import record
from simpersona.lab.storefront.load import COUNTRY
from simpersona.lab.storefront.money import money

CHECKOUT_KEY = "checkout"
"""In the session: [basket, token] of the checkout that was entered last."""


class EmailForm(forms.Form):
    """The guest's e-mail address, in the field that Oscar's view reads."""

    username = forms.EmailField(label="Email", max_length=254)

    def is_guest_checkout(self) -> bool:
        return True

    def is_new_account_checkout(self) -> bool:
        return False


class AddressForm(forms.ModelForm):
    """The fewest fields that make an address; the country is always the same."""

    class Meta:
        model = get_model("order", "ShippingAddress")
        fields = ("last_name", "line1")

    last_name = forms.CharField(label="Full name", max_length=255)
    line1 = forms.CharField(label="Address", max_length=255)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.country_id = COUNTRY[0]


class FormStep:
    """What the two steps with a form share."""

    template_name = "store/form.html"
    title: str
    heading: str

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)  # pyright: ignore - of the Oscar view it joins
        return context | {"title": page_title(self.title), "heading": self.heading}


class EmailView(FormStep, oscar_checkout.IndexView):
    """Step 1. Entering it starts the checkout: once for each cart that is taken to the till."""

    form_class = EmailForm
    title, heading = "Checkout", "Checkout: your email"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        basket = request.basket
        if request.session.get(CHECKOUT_KEY, [None])[0] == basket.id:
            record(request, "page_viewed", page_title(self.title))
        else:
            request.session[CHECKOUT_KEY] = [basket.id, uuid.uuid4().hex]
            data = _pixel(request, basket.all_lines(), basket.total_incl_tax)
            record(request, "checkout_started", page_title(self.title), data)
        return super().get(request, *args, **kwargs)


class AddressView(FormStep, oscar_checkout.ShippingAddressView):
    """Step 2."""

    form_class = AddressForm
    success_url = reverse_lazy("checkout:preview")
    title, heading = "Shipping address", "Checkout: shipping address"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        record(request, "page_viewed", page_title(self.title))
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: AddressForm) -> HttpResponse:
        self.checkout_session.use_shipping_method(Free().code)
        return super().form_valid(form)


# One visitor's two clicks on "Place order" must give one order: the second waits, then finds no open basket.
@method_decorator(transaction.atomic, name="dispatch")
class ReviewView(oscar_checkout.PaymentDetailsView):
    """Step 3: the whole order, and the button that places it."""

    preview = True
    template_name_preview = "store/review.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        record(request, "page_viewed", page_title("Review your order"))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        lines = [(line, *shelf.item_in_cart(line.product)) for line in self.request.basket.all_lines()]
        return context | {
            "title": page_title("Review your order"),
            "lines": [
                {"name": item.name(variant), "quantity": line.quantity, "price": line.line_price_incl_tax}
                for line, item, variant in lines
            ],
        }

    def handle_successful_order(self, order: Any) -> HttpResponse:
        data = _pixel(self.request, order.lines.all(), order.total_incl_tax)
        data["checkout"]["order"] = {"id": str(order.number)}
        response = super().handle_successful_order(order)
        record(self.request, "checkout_completed", page_title("Order confirmed"), data)
        return response

    def send_order_placed_email(self, order: Any) -> None:
        """Nobody is written to."""


class ConfirmationView(oscar_checkout.ThankYouView):
    """Step 4. The completed checkout was recorded when the order was placed, so this page records nothing."""

    template_name = "store/confirmation.html"

    def get_context_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(*args, **kwargs) | {"title": page_title("Order confirmed")}


def _pixel(request: HttpRequest, lines: Iterable[Any], total: Decimal) -> dict[str, Any]:
    """Web Pixels' `checkout` from the lines of a basket or an order."""
    sold = [(line, *shelf.item_in_cart(line.product)) for line in lines]
    return {
        "checkout": {
            "token": request.session.get(CHECKOUT_KEY, [None, None])[1],
            "currencyCode": settings.OSCAR_DEFAULT_CURRENCY,
            "lineItems": [
                {
                    "title": item.title,
                    "quantity": line.quantity,
                    "variant": item.pixel(variant),
                    "finalLinePrice": money(line.line_price_incl_tax),
                }
                for line, item, variant in sold
            ],
            "subtotalPrice": money(total),
            "totalPrice": money(total),
        }
    }
