"""Guest checkout in Oscar's steps: e-mail, address, review, order placed.

Oscar's pages for shipping method and payment are skipped, because there is one free shipping method and no payment.
The form inputs are stored only in the order in the store's database.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
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

from simpersona.lab.storefront import catalogue
from simpersona.lab.storefront.asides import NOTE_KEY
from simpersona.lab.storefront.browse import current_theme, page_title
from simpersona.lab.storefront.event_log import record
from simpersona.lab.storefront.load import COUNTRY
from simpersona.lab.storefront.money import money
from simpersona.lab.storefront.shop import current

CHECKOUT_KEY = "checkout"
"""Session key of [basket id, token] of the last started checkout."""


class EmailForm(forms.Form):
    """The guest's e-mail address, in the field name that Oscar's view reads."""

    username = forms.EmailField(max_length=254)

    def is_guest_checkout(self) -> bool:
        return True

    def is_new_account_checkout(self) -> bool:
        return False


class AddressForm(forms.ModelForm):
    """The minimal fields of an address; the country is fixed."""

    class Meta:
        model = get_model("order", "ShippingAddress")
        fields = ("last_name", "line1")

    last_name = forms.CharField(max_length=255)
    line1 = forms.CharField(max_length=255)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.country_id = COUNTRY[0]


class WholeForm(AddressForm):
    """E-mail address and shipping address in one form."""

    field_order = ("username", "last_name", "line1")
    username = forms.EmailField(max_length=254)


class Themed:
    """Base of the steps: a page in the shop's theme with the theme's heading and labels."""

    page: str
    heading: str
    """Name of the theme's attribute that holds the heading."""
    labels: Mapping[str, str] = {"username": "email", "last_name": "full_name", "line1": "address"}

    def get_template_names(self) -> list[Any]:
        return current_theme().templates(self.page)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)  # pyright: ignore - defined by the Oscar view
        for field in context.get("form", ()):
            field.label = getattr(current_theme(), self.labels[field.name])
        return context | {"title": self.title, "heading": getattr(current_theme(), self.heading)}

    @property
    def title(self) -> str:
        return page_title(getattr(current_theme(), self.heading))


class EmailView(Themed, oscar_checkout.IndexView):
    """Step 1: the e-mail address, or all steps on one page if the store's variant says so."""

    form_class = EmailForm
    page, heading = "form.html", "email_step"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if current().variant.one_page_checkout:
            return OnePageView.as_view()(request)
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        _record_entry(request, self.title)
        return super().get(request, *args, **kwargs)


class AddressView(Themed, oscar_checkout.ShippingAddressView):
    """Step 2: the shipping address."""

    form_class = AddressForm
    success_url = reverse_lazy("checkout:preview")
    page, heading = "form.html", "address_step"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        record(request, "page_viewed", self.title)
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: AddressForm) -> HttpResponse:
        self.checkout_session.use_shipping_method(Free().code)
        return super().form_valid(form)


# Two clicks of one visitor on "Place order" must give one order: the second waits, then finds no open basket.
@method_decorator(transaction.atomic, name="dispatch")
class ReviewView(Themed, oscar_checkout.PaymentDetailsView):
    """Step 3: reviews the order and places it."""

    preview = True
    page, heading = "review.html", "review_step"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        record(request, "page_viewed", self.title)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        basket = self.request.basket
        context = {"lines": catalogue.lines_in(basket), "total": basket.total_incl_tax}
        return super().get_context_data(**kwargs) | context

    def handle_successful_order(self, order: Any) -> HttpResponse:
        data = _pixel(self.request, order.lines.all(), order.total_incl_tax)
        data["checkout"]["order"] = {"id": str(order.number)}
        if note := self.request.session.pop(NOTE_KEY, ""):
            order.notes.create(note_type="System", message=note)
        response = super().handle_successful_order(order)
        record(self.request, "checkout_completed", page_title(current_theme().thanks), data)
        return response

    def send_order_placed_email(self, order: Any) -> None:
        """Does nothing: the store sends no e-mail."""


class OnePageView(ReviewView):
    """All three steps on one page, for the variant `one_page_checkout`."""

    page, heading = "whole_checkout.html", "whole_checkout"

    def get_pre_conditions(self, request: HttpRequest) -> list[str]:  # noqa: ARG002 - Oscar's signature
        return ["check_basket_is_not_empty", "check_basket_is_valid"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        _record_entry(request, self.title)
        return self.render_preview(request, form=WholeForm())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        form = WholeForm(request.POST)
        if not form.is_valid():
            return self.render_preview(request, form=form)
        inputs = form.cleaned_data
        address = {"last_name": inputs["last_name"], "line1": inputs["line1"], "country_id": COUNTRY[0]}
        self.checkout_session.set_guest_email(inputs["username"])
        self.checkout_session.ship_to_new_address(address)
        self.checkout_session.use_shipping_method(Free().code)
        return self.handle_place_order_submission(request)


class ConfirmationView(Themed, oscar_checkout.ThankYouView):
    """Step 4: the confirmation. It records nothing, because placing the order recorded the completed checkout."""

    page, heading = "confirmation.html", "thanks"


def _record_entry(request: HttpRequest, title: str) -> None:
    """Records the start of a checkout on its first page, once per cart; a later visit of the page is a page view."""
    basket = request.basket
    if request.session.get(CHECKOUT_KEY, [None])[0] == basket.id:
        record(request, "page_viewed", title)
        return
    request.session[CHECKOUT_KEY] = [basket.id, uuid.uuid4().hex]
    record(request, "checkout_started", title, _pixel(request, basket.all_lines(), basket.total_incl_tax))


def _pixel(request: HttpRequest, lines: Iterable[Any], total: Decimal) -> dict[str, Any]:
    """The `checkout` object of Web Pixels for the lines of a basket or an order."""
    sold = [(line, *catalogue.item_in_cart(line.product)) for line in lines]
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
