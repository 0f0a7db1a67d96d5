"""Django's settings for the stores of one process. Only the data folders come from the environment."""

import json
import os
from pathlib import Path

from django.urls import reverse_lazy
from oscar.defaults import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary] - how Oscar is configured

from simpersona.lab.storefront.addresses import STORES_VARIABLE

STORES = {prefix: Path(folder) for prefix, folder in json.loads(os.environ[STORES_VARIABLE]).items()}
SECRET_KEY = "".join((folder / "secret.key").read_text(encoding="utf-8") for folder in STORES.values())

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "simpersona.lab.storefront.urls"
X_FRAME_OPTIONS = "DENY"

# The parts of Oscar that a shopper needs: no dashboard, no accounts, no review pages.
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sites",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "haystack",
    "treebeard",
]
MIDDLEWARE = [
    "simpersona.lab.storefront.cookies.CookieScopeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "simpersona.lab.storefront.event_log.VisitorMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simpersona.lab.storefront.cart.CartMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.csrf",
                "django.contrib.messages.context_processors.messages",
                "simpersona.lab.storefront.browse.page_context",
            ],
            "builtins": ["simpersona.lab.storefront.money"],
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",  # each shop replaces it by its own file: shop.Shop
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # With WAL, readers never wait for the writer. IMMEDIATE makes a writer take its lock at the start instead of
            # failing on the upgrade. Without fsync a killed process loses nothing; a power failure may, and a reset
            # repairs that.
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"


class _NoMigrations(dict[str, None]):
    """Disables migrations: tables are created from the models, which is faster. A store is rebuilt, never migrated."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> None:
        return None


MIGRATION_MODULES = _NoMigrations()

# The state of a visit is stored in signed cookies, so that parallel visitors share no database row.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "KEY_FUNCTION": "simpersona.lab.storefront.shop.cache_key",
    }
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"log": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["log"], "level": "ERROR"},
    "loggers": {"django": {"handlers": ["log"], "level": "ERROR", "propagate": False}},
}

SESSION_COOKIE_NAME, CSRF_COOKIE_NAME, OSCAR_BASKET_COOKIE_OPEN = "visit", "csrf", "cart"

SITE_ID = 1
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}  # Oscar requires one
OSCAR_HOMEPAGE = reverse_lazy("home")
OSCAR_DEFAULT_CURRENCY = "USD"
OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_REQUIRED_ADDRESS_FIELDS = ("last_name", "line1", "country")
OSCAR_DELETE_IMAGE_FILES = False
OSCAR_INITIAL_ORDER_STATUS = "Pending"
OSCAR_ORDER_STATUS_PIPELINE = {"Pending": ()}
