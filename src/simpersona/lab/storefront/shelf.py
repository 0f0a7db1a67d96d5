"""What is on sale, as the pages and the events need it, read from Oscar's tables.

The catalogue never changes while it is served, so each answer is read once and kept.
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
from simpersona.lab.storefront.shop import kept

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


@dataclass(frozen=True)
class Card:
    """A product in a list; `key` is the one in Oscar's product table."""

    key: int
    title: str
    slug: str
    price: Decimal

    @property
    def url(self) -> str:
        return reverse("product", args=[self.slug])

    @property
    def hue(self) -> int:
        return hue(self.key)


@dataclass(frozen=True)
class Variant:
    """What is put into a cart: one variant of a product, or the product itself where it has none.

    `key` is the key in Oscar's product table; `id` the catalogue's product_id, with ":n" for the nth variant.
    """

    key: int
    id: str
    title: str
    price: Decimal


@dataclass(frozen=True)
class Item:
    """A product; `id` is the catalogue's product_id, `key` the one in Oscar's product table."""

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
    def url(self) -> str:
        return reverse("product", args=[self.slug])

    @property
    def hue(self) -> int:
        return hue(self.key)

    @property
    def price(self) -> Decimal:
        return self.variants[0].price

    def variant(self, key: int) -> Variant:
        """The variant with that key; StopIteration if it is not one of this product's."""
        return next(variant for variant in self.variants if variant.key == key)

    def name(self, variant: Variant) -> str:
        """The title with the chosen variant: "Linen Skirt (Small)"."""
        return f"{self.title} ({variant.title})" if self.has_choice else self.title

    def pixel(self, variant: Variant) -> dict[str, Any]:
        """The variant as Web Pixels' `productVariant`."""
        return {
            "id": variant.id,
            "sku": variant.id,
            "title": variant.title if self.has_choice else None,
            "price": money(variant.price),
            "product": {"id": self.id, "title": self.title, "vendor": self.vendor or None, "type": self.kind or None},
        }


@dataclass(frozen=True)
class CartLine:
    """A line of a cart; `key` is the one in Oscar's table of lines."""

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


def hue(key: int) -> int:
    """A product's colour on the pages, in degrees: neighbours in the catalogue differ much."""
    return key * 137 % 360


@kept(maxsize=1)
def collections() -> tuple[Collection, ...]:
    """All collections in the catalogue's order."""
    rows = Category.objects.order_by("path").values_list("code", "name", "slug")
    return tuple(Collection(*row) for row in rows)


@kept(maxsize=1024)
def in_collection(collection_id: str) -> tuple[int, ...]:
    """Keys of a collection's products, in the catalogue's order."""
    rows = Product.objects.filter(categories__code=collection_id).order_by("pk").values_list("pk", flat=True)
    return tuple(rows)


@kept(maxsize=256)
def in_order(keys: tuple[int, ...], sort: str) -> tuple[int, ...]:
    """The products in one of the orders of themes.SORTS; "featured" is the order they come in."""
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


@kept(maxsize=4096)
def cards(keys: tuple[int, ...]) -> Sequence[Card]:
    """The products with these keys, in this order."""
    found = {card.key: card for card in (Card(*row) for row in _priced().filter(pk__in=keys))}
    return [found[key] for key in keys]


@kept(maxsize=1)
def featured(size: int) -> Sequence[Card]:
    """Products from all over the catalogue, always the same ones."""
    keys = tuple(Product.objects.exclude(structure="child").order_by("pk").values_list("pk", flat=True))
    return cards(keys[:: max(1, len(keys) // size)][:size])


@kept(maxsize=8192)
def related(key: int, size: int) -> Sequence[Card]:
    """The products that follow this one in its first collection."""
    own = Category.objects.filter(product=key).order_by("path").values_list("code", flat=True).first()
    keys = in_collection(own) if own else (key,)
    place = keys.index(key)
    return cards((keys[place + 1 :] + keys[:place])[:size])


@kept(maxsize=8192)
def item(slug: str) -> Item:
    """The product at that address. Raises Product.DoesNotExist."""
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
    """The item and variant behind an Oscar product in a cart or order."""
    return _item_of(product.pk)


@kept(maxsize=8192)
def _item_of(key: int) -> tuple[Item, Variant]:
    product = Product.objects.select_related("parent").get(pk=key)
    found = item((product.parent or product).slug)
    return found, found.variant(key)


def _priced() -> QuerySet[Any]:
    price = Coalesce(Min("stockrecords__price"), Min("children__stockrecords__price"))
    return Product.objects.annotate(price=price).order_by().values_list("pk", "title", "slug", "price")
