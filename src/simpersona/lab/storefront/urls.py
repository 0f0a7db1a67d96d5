"""The store's addresses, which follow common stores. Names that Oscar's code refers to are unchanged."""

from django.urls import include, path
from django.views.generic import RedirectView

from simpersona.lab.storefront import asides, browse, cart, checkout

_cart = [
    path("", cart.show, name="summary"),
    path("lines/<int:key>/", cart.change, name="line"),
    path("coupon/", asides.coupon, name="coupon"),
    path("note/", asides.note, name="note"),
]
_checkout = [
    path("", checkout.EmailView.as_view(), name="index"),
    path("shipping-address/", checkout.AddressView.as_view(), name="shipping-address"),
    path("shipping-method/", RedirectView.as_view(pattern_name="checkout:shipping-address"), name="shipping-method"),
    path("review/", checkout.ReviewView.as_view(), name="preview"),
    path("confirmation/", checkout.ConfirmationView.as_view(), name="thank-you"),
]
urlpatterns = [
    path("", browse.home, name="home"),
    path("search", browse.search, name="search"),
    path("collections/", browse.collection_list, name="collections"),
    path("collections/<slug:slug>/", browse.collection, name="collection"),
    path("products/<slug:slug>/", browse.product, name="product"),
    path("products/<slug:slug>/add/", cart.add, name="add"),
    path("newsletter/", asides.newsletter, name="newsletter"),
    path("consent/", asides.consent, name="consent"),
    path("account/login/", asides.login, name="login"),
    path("cart/", include((_cart, "basket"))),
    path("checkout/", include((_checkout, "checkout"))),
]
