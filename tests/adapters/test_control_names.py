"""How the names of a page's controls are cleaned, cut and told apart, with examples by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpersona.adapters.storefronts.names import short_name, whole_name
from simpersona.shopper.prices import amounts


@pytest.mark.parametrize(
    ("name", "pieces", "shown"),
    [
        ("Tin mug Tin mugTin mug$9.50", ("Tin mug", "Tin mug", "Tin mug", "$9.50"), "Tin mug $9.50"),
        ("Tin mugSale price€ 9,50", ("Tin mug", "Sale price", "€ 9,50"), "Tin mug Sale price € 9,50"),
        ("Tin mug Tin mug $12.50", ("Tin mug Tin mug $12.50",), "Tin mug $12.50"),
        ("Linen Skirt $12.50", ("Linen Skirt ", "$12.50"), "Linen Skirt $12.50"),
        ("Bora Bora", ("Bora Bora",), "Bora Bora"),
        ("Cart", ("2",), "Cart"),  # named by its label
        ("Linen", ("L", "inen"), "Linen"),
    ],
)
def test_a_title_is_said_once_and_a_price_stands_apart(name, pieces, shown):
    assert whole_name(name, pieces) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Short - $9.50", "Short - $9.50"),
        ("A long title that goes on for ever in Navy Blue - $1,299.00", "A long title that goes… Blue - $1,299.00"),
        ("A long title that goes on for ever in Navy Blue 1.299,00 €", "A long title that goes… Blue 1.299,00 €"),
        ("$9.50 A long title that goes on for ever in Navy Blue", "$9.50 A long title that goes on for eve…"),
        ("A long text without a price that goes on for ever and ever", "A long text without a price that goes o…"),
    ],
)
def test_the_middle_of_a_long_title_is_left_out_and_the_price_stays(name, shown):
    assert short_name(name, 40) == shown


@given(
    st.text(st.sampled_from("abc de"), min_size=1),
    st.sampled_from(["$9.50", "1.299,00 €", "CHF 12.–", "1 299 kr"]),
    st.integers(16, 80),
)
def test_no_limit_cuts_a_price_and_no_name_is_longer_than_it(title, price, limit):
    shown = short_name(f"{title} - {price}", limit)
    assert len(shown) <= limit
    assert amounts(shown) == (price,)
