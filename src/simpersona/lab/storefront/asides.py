"""What stands beside the purchase in some themes: newsletter, coupon, note to the order, login, cookie banner.

None of it changes what is sold or for how much, and nothing is recorded but the view of the login page: there are no coupons and
no accounts, and no message is sent. Every form leads back to the page that it stands on, with a status message.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from simpersona.lab.storefront.browse import CONSENT_COOKIE, current_asides, current_theme, page_title, record_view

NOTE_KEY, MAX_NOTE = "note", 200
"""The session's key of the note to the order, and its longest text in characters."""
CONSENT_SECONDS = 180 * 24 * 3600


@require_POST
def newsletter(request: HttpRequest) -> HttpResponse:
    messages.success(request, current_asides().subscribed)
    return _back(request)


@require_POST
def coupon(request: HttpRequest) -> HttpResponse:
    messages.error(request, current_asides().no_coupon)
    return redirect("basket:summary")


@require_POST
def note(request: HttpRequest) -> HttpResponse:
    """Keeps the note until the order is placed, which then has it."""
    request.session[NOTE_KEY] = " ".join(str(request.POST.get("note", "")).split())[:MAX_NOTE]
    messages.success(request, current_asides().saved_note)
    return redirect("basket:summary")


@require_POST
def consent(request: HttpRequest) -> HttpResponse:
    """Closes the cookie banner, whatever was answered: the store's cookies are all necessary."""
    messages.success(request, current_asides().saved_cookies)
    response = _back(request)
    answer = "all" if request.POST.get("cookies") == "all" else "necessary"
    response.set_cookie(CONSENT_COOKIE, answer, max_age=CONSENT_SECONDS, httponly=True, samesite="Lax")
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """The login; no account exists."""
    asides = current_asides()
    if request.method == "POST":
        messages.error(request, asides.no_login)
        return redirect("login")
    title = page_title(asides.login)
    record_view(request, "page_viewed", title)
    return render(request, current_theme().templates("login.html"), {"title": title})


def _back(request: HttpRequest) -> HttpResponse:
    """To the page that the form stands on."""
    address = str(request.POST.get("back", ""))
    is_ours = url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()})
    return HttpResponseRedirect(address if is_ours else resolve_url("home"))
