"""The cards on the page, and the numbers behind the charts."""

import dataclasses

from simpersona.contracts import CARDS, SCALARS
from simpersona.report.inputs import ReportInputs
from simpersona.report.page import render_report

HOSTILE = "<script>alert('x')</script>"
SHARES = dict(zip([f"share_{stratum}" for stratum in "ABCDE"], ([0.1], [0.0], [0.2], [0.7], [0.0]), strict=True))


def card(**columns):
    return CARDS.sample(
        1, **{"code": [0], "buyers": [40], "shops": [3], "stratum": ["D"], "purchase": ["low"]} | SHARES | columns
    )


def test_a_card_tells_strata_shops_scalars_session_and_types():
    types = [[{"product_type": "skirts", "share": 0.62, "lift": 2.13}]]
    numbers = {"session_count": [2.5], "session_count_percentile": [81.2], "search_session_count": None}
    html = render_report(
        ReportInputs(
            cards=card(product_types=types, session=["Views one product, leaves."], shop_share=[0.5], **numbers)
        )
    )
    assert "A purchasers: 10.0%, C cart builders: 20.0%, D window shoppers: 70.0%" in html
    assert "A 10.0% · B 0.0% · C 20.0% · D 70.0% · E 0.0%. 50% of its buyers are in one store, the others in 2." in html
    assert "Views one product, leaves." in html
    assert "skirts" in html
    assert "(62% of its viewers, 2.1 × the usual)" in html
    row = '<td>session count</td><td class="number">2.50</td><td class="number">81</td>'
    assert row in html


def test_what_a_source_cannot_tell_has_no_row_on_a_card():
    unknown = {name: [None] for name in SCALARS if name != "session_count"}
    html = render_report(ReportInputs(cards=card(**unknown, session=[None], product_types=[None])))
    assert "<td>session count</td>" in html
    assert "<td>mean order value</td>" not in html
    assert "Typical session:</span>" not in html
    assert "Views most:" not in html


def test_hostile_product_types_and_sessions_are_shown_not_run():
    types = [[{"product_type": HOSTILE, "share": 0.5, "lift": 1.0}]]
    html = render_report(
        ReportInputs(cards=card(product_types=types, session=[HOSTILE]), strata_by_shop={HOSTILE: {"A": 3}})
    )
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; <span" in html
    assert '<th scope="row">&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</th>' in html  # the chart of the shops


def test_membership_is_told_where_it_was_measured(inputs):
    told = dataclasses.replace(inputs, metrics=inputs.metrics | {"privacy.membership_auc": 0.5321})
    assert "an AUC of 0.532; 0.5 is chance" in render_report(told)
    assert "an AUC of" not in render_report(inputs)
