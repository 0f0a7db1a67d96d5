"""Formats amounts for pages ("$12.00") and for events ({"amount": 12.0, "currencyCode": "USD"})."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.template import Library

register = Library()


@register.filter
def dollars(amount: Decimal) -> str:
    """Formats an amount as "$1,234.50"."""
    return f"${amount:,.2f}"


def money(amount: Decimal) -> dict[str, Any]:
    """An amount in the format of Web Pixels; null for an unknown price, which the store sells at 0."""
    return {"amount": float(amount) or None, "currencyCode": settings.OSCAR_DEFAULT_CURRENCY}
