"""`simpersona lab store` as a person uses it: every shop of a catalogue, or one, until Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def catalog(tmp_path, catalogue):
    """products.parquet of two shops, with their collections beside it."""
    pairs = [catalogue(shop) for shop in ("alpha", "beta")]
    for name, tables in zip(("products", "collections"), zip(*pairs, strict=True), strict=True):
        pq.write_table(pa.concat_tables(tables), tmp_path / f"{name}.parquet")
    return tmp_path / "products.parquet"


def page(url):
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read().decode()


def served(catalog, *options, seen):
    """What `seen` makes of the lines up to the one that names Ctrl-C; the exit code after Ctrl-C, and the lines."""
    command = [sys.executable, "-m", "simpersona", "lab", "store", "--catalog", catalog, "--port", 0, *options]
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(catalog.parent), "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            lines.append(line)
        seen("".join(lines))
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert process.stderr.read() == ""
    return process.returncode


def test_all_shops_are_served_in_turns_of_theme_until_ctrl_c(catalog):
    urls = []

    def look(said):
        found = dict(re.findall(r"^(\S+ \(\w+\)) at (http://\S+/)$", said, re.MULTILINE))
        assert list(found) == ["alpha (classic)", "beta (sidebar)"]
        for name, url in found.items():
            assert f"<title>{name.split()[0].title()}</title>" in page(url)
            urls.append(url)

    assert served(catalog, seen=look) == 0
    for url in urls:
        with pytest.raises(OSError, match="refused"):
            page(url)


def test_one_shop_is_served_alone_in_the_theme_and_variant_asked_for(catalog):
    def look(said):
        (url,) = re.findall(r"^beta \(outlet\) at (http://[\d.:]+/) ", said)
        assert "$27.00" in page(f"{url}products/wool-skirt/")  # 13.50 × 2
        assert "Buy now" in page(f"{url}products/wool-skirt/")

    assert served(catalog, "--shop", "beta", "--theme", "outlet", "--variant", "price_factor=2", seen=look) == 0
