"""Prices in every currency format that stores use, and lines that hold an amount and are no price."""

import pytest

from simpersona.shopper.prices import amount_value, amounts, has_amount, is_price_line, is_priced_title, title_in


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("€ 12,50", "€ 12,50"),
        ("12.50 EUR", "12.50 EUR"),
        ("USD 12", "USD 12"),
        ("1 299 kr", "1 299 kr"),
        ("¥1,200", "¥1,200"),
        ("Rs. 499", "Rs. 499"),
        ("12 zł", "12 zł"),
        ("CHF 12.–", "CHF 12.–"),
        ("ab 12,50 €", "12,50 €"),
        ("from $9", "$9"),
        ("Regular price $14.00 USD", "$14.00 USD"),
        ("1.299,00 €", "1.299,00 €"),
        ("R$ 49,90", "R$ 49,90"),
        ("kr 1 299,-", "kr 1 299,-"),
        ("12,50 € / 100 g", "12,50 €"),
        ("18٫00 ر.س", "18٫00 ر.س"),
        ("١٬٢٩٩ د.إ", "١٬٢٩٩ د.إ"),
    ],
)
def test_an_amount_is_found_as_it_is_written(text, amount):
    assert amounts(text) == (amount,)
    assert is_price_line(text)


@pytest.mark.parametrize(
    "text", ["Set of 3 mugs", "Size 42", "2 for 1", "Free shipping over $50", "Versandkostenfrei ab 50 €", "Unter 10 €"]
)
def test_other_numbers_and_limits_are_no_prices(text):
    assert not is_price_line(text)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Tin mug $9.50", "Tin mug"),
        ("Tin mug, from $12", "Tin mug"),
        ("12.50 € – Tin mug", "Tin mug"),
        ("Becher ab 12,50 €", "Becher"),
        ("Tin mug Sale price 12,50 € Regular price 15 €", "Tin mug"),
        ("Wasserkocher 1,7 l 39,99 €", "Wasserkocher 1,7 l"),
    ],
)
def test_a_title_with_a_price_is_that_of_a_product(name, title):
    assert is_priced_title(name)
    assert title_in(name) == title


@pytest.mark.parametrize(
    "name",
    [
        "Under $10",
        "$10 - $20",
        "Unter 10 €",
        "From $50",
        "50 € – 100 €",
        "Gifts under $25",
        "$5 flat rate shipping",
        "Tin mug",
    ],
)
def test_a_limit_or_a_range_is_no_product(name):
    assert not is_priced_title(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 items $36.00", 36),
        ("1.236,00 €", 1236),
        ("1\u00a0299,50 kr", 1299.5),
        ("¥1,200", 1200),
        ("CHF 12.–", 12),
        ("Rs. 499", 499),
        ("1.299.000 ₫", 1_299_000),
        ("Was $5, now $4", 5),
        ("2 items", None),
    ],
)
def test_the_value_of_the_first_amount_in_a_text(text, value):
    assert amount_value(text) == value
    assert has_amount(text) == (value is not None)


def test_a_year_after_a_price_is_no_part_of_it():
    assert amounts("$5 2024 edition") == ("$5",)
