"""The catalogue for pages and events, read from Oscar's tables.

The catalogue never changes while it is served, so results are cached per shop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Min, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse
from oscar.core.loading import get_model

from simpersona.lab.storefront.money import money
from simpersona.lab.storefront.shop import cached_per_shop

Product = get_model("catalogue", "Product")
Category = get_model("catalogue", "Category")


@dataclass(frozen=True)
class Collection:
    """A collection; `id` is the catalogue's collection_id."""

    id: str
    title: str
    slug: str

    @property
    def url(self) -> str:
        return reverse("collection", args=[self.slug])


class _HasPage:
    """The address and colour of a product's page."""

    key: int
    slug: str

    @property
    def url(self) -> str:
        return reverse("product", args=[self.slug])

    @property
    def hue(self) -> int:
        """The product's colour on the pages, in degrees; neighbours in the catalogue differ clearly."""
        return self.key * 137 % 360


@dataclass(frozen=True)
class Card(_HasPage):
    """A product in a list; `key` is its key in Oscar's product table."""

    key: int
    title: str
    slug: str
    price: Decimal


@dataclass(frozen=True)
class Variant:
    """A variant of a product that can be added to a cart, or the product itself if it has no variants.

    `key` is its key in Oscar's product table. `id` is the catalogue's product_id, with ":n" for the nth variant.
    """

    key: int
    id: str
    title: str
    price: Decimal


@dataclass(frozen=True)
class Item(_HasPage):
    """A product; `id` is the catalogue's product_id, `key` its key in Oscar's product table."""

    key: int
    id: str
    title: str
    slug: str
    text: str
    vendor: str
    kind: str
    variants: tuple[Variant, ...]
    has_choice: bool

    @property
    def price(self) -> Decimal:
        return self.variants[0].price

    def variant(self, key: int) -> Variant:
        """The variant with this key. Raises StopIteration if the product has no such variant."""
        return next(variant for variant in self.variants if variant.key == key)

    def name(self, variant: Variant) -> str:
        """The title with the chosen variant: "Linen Skirt (Small)"."""
        return f"{self.title} ({variant.title})" if self.has_choice else self.title

    def pixel(self, variant: Variant) -> dict[str, Any]:
        """The variant as `productVariant` of Web Pixels."""
        return {
            "id": variant.id,
            "sku": variant.id,
            "title": variant.title if self.has_choice else None,
            "price": money(variant.price),
            "product": {"id": self.id, "title": self.title, "vendor": self.vendor or None, "type": self.kind or None},
        }


@dataclass(frozen=True)
class CartLine:
    """A line of a cart; `key` is its key in Oscar's table of lines."""

    key: int
    item: Item
    variant: Variant
    quantity: int

    @property
    def name(self) -> str:
        return self.item.name(self.variant)

    @property
    def cost(self) -> Decimal:
        return self.variant.price * self.quantity


def lines_in(basket: Any) -> list[CartLine]:
    """The lines of an Oscar basket."""
    return [CartLine(line.pk, *item_in_cart(line.product), line.quantity) for line in basket.all_lines()]


@cached_per_shop(maxsize=1)
def collections() -> tuple[Collection, ...]:
    """All collections in the catalogue's order."""
    rows = Category.objects.order_by("path").values_list("code", "name", "slug")
    return tuple(Collection(*row) for row in rows)


@cached_per_shop(maxsize=1024)
def in_collection(collection_id: str) -> tuple[int, ...]:
    """Keys of a collection's products, in the catalogue's order."""
    rows = Product.objects.filter(categories__code=collection_id).order_by("pk").values_list("pk", flat=True)
    return tuple(rows)


@cached_per_shop(maxsize=256)
def in_order(keys: tuple[int, ...], sort: str) -> tuple[int, ...]:
    """The products sorted by one of themes.SORTS; "featured" leaves their order unchanged."""
    match sort:
        case "price-up":
            ordered = sorted(cards(keys), key=lambda card: card.price)
        case "price-down":
            ordered = sorted(cards(keys), key=lambda card: card.price, reverse=True)
        case "title":
            ordered = sorted(cards(keys), key=lambda card: card.title.casefold())
        case _:
            return keys
    return tuple(card.key for card in ordered)


@cached_per_shop(maxsize=4096)
def cards(keys: tuple[int, ...]) -> Sequence[Card]:
    """The products with these keys, in this order."""
    by_key = {card.key: card for card in (Card(*row) for row in _priced().filter(pk__in=keys))}
    return [by_key[key] for key in keys]


@cached_per_shop(maxsize=1)
def featured(size: int) -> Sequence[Card]:
    """A fixed selection of products, evenly spaced over the catalogue."""
    keys = tuple(Product.objects.exclude(structure="child").order_by("pk").values_list("pk", flat=True))
    return cards(keys[:: max(1, len(keys) // size)][:size])


@cached_per_shop(maxsize=8192)
def related(key: int, size: int) -> Sequence[Card]:
    """The products that follow this one in its first collection."""
    collection = Category.objects.filter(product=key).order_by("path").values_list("code", flat=True).first()
    keys = in_collection(collection) if collection else (key,)
    index = keys.index(key)
    return cards((keys[index + 1 :] + keys[:index])[:size])


@cached_per_shop(maxsize=8192)
def item(slug: str) -> Item:
    """The product with this slug. Raises Product.DoesNotExist."""
    product = (
        Product.objects.exclude(structure="child")
        .select_related("product_class")
        .prefetch_related("stockrecords__partner", "children__stockrecords__partner")
        .get(slug=slug)
    )
    sold = sorted(product.children.all(), key=lambda child: child.pk) or [product]
    stock = [each.stockrecords.all()[0] for each in sold]
    return Item(
        key=product.pk,
        id=product.upc,
        title=product.title,
        slug=product.slug,
        text=product.description,
        vendor=stock[0].partner.name,
        kind=product.product_class.name,
        variants=tuple(
            Variant(each.pk, each.upc, each.title, record.price) for each, record in zip(sold, stock, strict=True)
        ),
        has_choice=product.structure == "parent",
    )


def item_in_cart(product: Any) -> tuple[Item, Variant]:
    """The item and variant of an Oscar product in a cart or order."""
    return _item_of(product.pk)


@cached_per_shop(maxsize=8192)
def _item_of(key: int) -> tuple[Item, Variant]:
    product = Product.objects.select_related("parent").get(pk=key)
    product_item = item((product.parent or product).slug)
    return product_item, product_item.variant(key)


def _priced() -> QuerySet[Any]:
    price = Coalesce(Min("stockrecords__price"), Min("children__stockrecords__price"))
    return Product.objects.annotate(price=price).order_by().values_list("pk", "title", "slug", "price")
