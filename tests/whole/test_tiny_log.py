"""A whole run of a log that is too small: the console and the report say what it cannot carry."""

from __future__ import annotations

import html
import re

import pytest

from tests.whole.conftest import command

pytestmark = pytest.mark.slow

CONFIG = """
name = "tiny"
[source]
format = "table"
path = "log.csv"
[buyers]
embedder = "hashing"
channel_dim = 16
[personas]
codes = 8
epochs = 1
[store]
driver = "http"
[traces]
sessions = 8
[agent]
policies = ["scorer"]
[simulation]
policy = "scorer"
episodes = 4
max_steps = 8
[tasks]
count = 2
repetitions = 1
[evaluation]
bootstrap = 10
permutations = 20
"""


def test_58_buyers_are_too_few(tmp_path):
    lines = ["buyer_id,time,event,product_id,title,price,order_id"]
    for buyer in range(58):
        kinds = ["product_viewed"] * (1 + buyer % 3) + ["product_added_to_cart"] * (buyer % 3 == 0)
        kinds += ["checkout_completed"] * (buyer % 6 == 0)
        for minute, kind in enumerate(kinds):
            product, order = (buyer + minute) % 6 + 1, f"o{buyer}" if kind == "checkout_completed" else ""
            time = f"2026-05-{1 + buyer % 20:02}T10:{minute:02}:00Z"
            lines.append(f"b{buyer},{time},{kind},p{product},Mug {product},{product}.50,{order}")
    lines.append("b1,2026-05-03T10:00:00Z,order_cancelled,,,,o999")
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "c.toml").write_text(CONFIG, encoding="utf-8")
    said = command(tmp_path, "run", "c.toml")
    page = html.unescape(re.sub(r"\s+", " ", (tmp_path / "runs/tiny/report/index.html").read_text(encoding="utf-8")))
    for sentence in ("58 buyers did more than leave", "too few for personas or mixes", "name no order of the log"):
        assert sentence in said
        assert sentence in page
    assert "All 58 buyers are on one code" in said
    assert "the alignment says nothing about it" in said
    assert "All buyers are on one code" in page
    assert "Too little for personas" in page
