"""How amounts are written: on pages ("$12.00") and in events ({"amount": 12.0, "currencyCode": "USD"})."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.template import Library

register = Library()


@register.filter
def dollars(amount: Decimal) -> str:
    """"$1,234.50"."""  # fmt: skip
    return f"${amount:,.2f}"


def money(amount: Decimal) -> dict[str, Any]:
    """An amount as Web Pixels writes it; a price that is not known (sold at 0) has no amount."""
    return {"amount": float(amount) or None, "currencyCode": settings.OSCAR_DEFAULT_CURRENCY}
