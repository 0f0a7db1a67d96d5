"""Records of text files as they come: encodings, line ends, quoted line ends, JSON documents, archives."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simpersona.adapters.text.csv_records import named_separator, whole_records
from simpersona.adapters.text.encoding import likely_encoding
from simpersona.adapters.text.files import NOT_TEXT, RECORDS, TextForm, guessed_encoding, text_blocks
from simpersona.adapters.text.json_records import json_records
from simpersona.errors import SourceError

CSV = TextForm(separator=",")
EACH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def records(folder, data, form=CSV, name="log.csv"):
    """(row, text) of each record that is not blank, with its fault if it has one."""
    path = folder / name
    path.write_bytes(data)
    read = [line for block in text_blocks(path, name, form) for line in block.to_pylist() if line["line"].strip()]
    return [(line["row"], line["line"], line["fault"])[: 3 if line["fault"] else 2] for line in read]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_lines_end_in_any_way(tmp_path, end):
    data = end.join(["a,b", "1,2", "", "3,4"])
    expected = [(1, "a,b"), (2, "1,2"), (4, "3,4")]
    assert records(tmp_path, data.encode()) == expected
    assert records(tmp_path, (data + end).encode()) == expected
    assert records(tmp_path, data.encode("utf-16")) == expected
    assert [text for _, text in records(tmp_path, data.encode(), TextForm())] == ["a,b", "1,2", "3,4"]


def test_a_lone_return_within_a_line_is_no_line_end(tmp_path):
    assert records(tmp_path, b"a,b\nx\ry,1\n") == [(1, "a,b"), (2, "x\ry,1")]


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        *[(code, None) for code in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")],
        *[(code, code) for code in ("utf-8", "cp1252", "latin-1", "utf-16", "utf-16-le", "mac_roman")],
        ("utf-16", "cp1252"),  # the mark is right, not the setting
        ("utf-8-sig", "latin-1"),
    ],
)
def test_an_encoding_is_seen_or_named(tmp_path, encoding, named):
    data = "name,n\nMüller,1\n".encode(encoding)
    assert records(tmp_path, data, TextForm(named, ",")) == [(1, "name,n"), (2, "Müller,1")]


def test_what_an_encoding_lacks_is_a_fault_of_its_line(tmp_path):
    assert records(tmp_path, b"a\n\x81\nb\n", TextForm("cp1252", ",")) == [
        (1, "a"),
        (2, "\ufffd", "not cp1252 text"),
        (3, "b"),
    ]
    assert records(tmp_path, b"a\n\xfc\nb\n") == [(1, "a"), (2, "\ufffd", NOT_TEXT), (3, "b")]
    assert records(tmp_path, b"a\r\xfc\rb\r") == [(1, "a"), (2, "\ufffd", NOT_TEXT), (3, "b")]


def test_an_encoding_is_guessed_by_several_lines(tmp_path):
    # the header alone could be Chinese as well
    (tmp_path / "log.csv").write_bytes(
        "日時,会員,行動\n".encode("euc_jp") + "1,2,カートに追加しました\n".encode("euc_jp")
    )
    assert guessed_encoding(tmp_path / "log.csv") == "euc_jp"


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("Müller, Café, für Größe", "cp1252", "cp1252"),
        ("12,50 €", "cp1252", "cp1252"),
        ("Куртка зимняя", "cp1251", "cp1251"),
        ("连衣裙 女装", "gb18030", "gb18030"),
        ("时间,用户,商品名称,浏览商品,加入购物车,价格", "gb18030", "gb18030"),
        ("時間,使用者,商品名稱,瀏覽商品,加入購物車", "big5", "big5"),
        ("日時,会員ID,行動,注文番号", "cp932", "cp932"),
        ("カート", "cp932", "cp932"),  # its second bytes are ASCII
        ("商品閲覧,カート追加", "euc_jp", "euc_jp"),
        ("상품 조회,장바구니", "cp949", "cp949"),
        ("Größe", "cp1252", "cp1252"),
        ("l’article d’été, fête", "cp1252", "cp1252"),
    ],
)
def test_an_encoding_is_guessed_by_the_letters_of_its_script(text, encoding, guess):
    assert likely_encoding(text.encode(encoding)) == guess
    assert likely_encoding(b"plain") is None


@pytest.mark.parametrize(("line", "separator"), [("sep=;", ";"), ('"sep=,"', ","), ("SEP=\t", "\t"), ("sep=|\r", "|")])
def test_the_separator_that_excel_names(line, separator, tmp_path):
    assert named_separator(line) == separator
    assert records(tmp_path, f"{line}\na\nb\n".encode(), TextForm(separator=separator)) == [(2, "a"), (3, "b")]
    assert records(tmp_path, b"a\nsep=;\n") == [(1, "a"), (2, "sep=;")]
    assert named_separator("sep=") is named_separator("separator") is None


def blocks_of(lines, size):
    """The lines as blocks of at most that many rows."""
    rows = [{"file": "f", "row": row, "line": line, "fault": None} for row, line in enumerate(lines, start=1)]
    return [pa.Table.from_pylist(rows[at : at + size], RECORDS) for at in range(0, len(rows), size)]


@EACH
@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.text('a1 "\n,;é', max_size=6), min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    all_quoted=st.booleans(),
    size=st.integers(1, 5),
)
def test_records_are_those_of_the_csv_module(rows, all_quoted, size):
    rows = [[f"h{index}" for index in range(len(rows[0]))], *rows]
    fields = [field for row in rows for field in row]
    if any("\n" in field and "," in (field[0], field[-1]) for field in fields):
        return  # taken for quotes of two other fields, see below
    written = io.StringIO()
    quoting = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    csv.writer(written, lineterminator="\n", quoting=quoting).writerows(rows)
    lines = written.getvalue().removesuffix("\n").split("\n")
    read = [line for block in whole_records(blocks_of(lines, size), ",") for line in block.to_pylist()]
    assert [next(csv.reader(io.StringIO(line["line"]))) for line in read] == rows
    starts = [line["row"] for line in read]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(
    "lines",
    [
        ['1,"forgotten', "2,good", "3,good"],
        ['1,"', "2,good", '3,"', "4,good"],  # two of them look like the quotes of one field
        ['1,"24"" wide', "2,good", '3,"24"" wide', "4,good"],
        ['1,"a', "2,good", '3,b",too many'],
        ['1,"a"b', "2,good"],
        ['"1,a', "2,good", '"3,b', "4,good"],
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_a_forgotten_quote_swallows_no_other_row(lines, size):
    read = [
        line["line"] for block in whole_records(blocks_of(["h,i", *lines], size), ",") for line in block.to_pylist()
    ]
    assert read == ["h,i", *lines]


DOCUMENTS = {
    "one line": json.dumps,
    "a line each": lambda objects: "[\n" + ",\n".join(map(json.dumps, objects)) + "\n]\n",
    "comma first": lambda objects: "[" + "\n,".join(map(json.dumps, objects)) + "]",
    "indented": lambda objects: json.dumps(objects, indent=2, ensure_ascii=False),
    "indented, no array": lambda objects: "\n".join(json.dumps(each, indent=1) for each in objects),
    "several arrays": lambda objects: "\n".join(json.dumps([each]) for each in objects),
    "Windows": lambda objects: json.dumps(objects, indent=4).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("form", DOCUMENTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_document_is_read_as_its_objects(tmp_path, form, encoding):
    objects = [{"a": 1, "b": {"c": ["]", "{", 'ü"']}}, {"a": None, "d": [[1], []]}, {"a": "x\ny"}]
    read = records(tmp_path, DOCUMENTS[form](objects).encode(encoding), TextForm(), "log.json")
    assert [(row, json.loads(text)) for row, text in read] == list(enumerate(objects, start=1))


@EACH
@given(
    objects=st.lists(
        st.dictionaries(
            st.text(max_size=3),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text('a"\\[]{},\né', max_size=8),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
                max_leaves=6,
            ),
        ),
        max_size=5,
    ),
    indent=st.sampled_from([None, 0, 2]),
    size=st.integers(1, 200),
)
def test_a_document_is_divided_alike_however_it_is_read(objects, indent, size):
    stream = io.BytesIO(json.dumps(objects, indent=indent, ensure_ascii=False).encode())
    assert [json.loads(record) for part in json_records(stream, size) for record in part] == objects


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}, {"b": "cut o', "ends within object 2"),
        ('[{"a": 1}, {"b": tr', "ends within object 2"),
        ('[{"a": 1}, {"b": 2}', "array does not end"),
        ('[{"a": 1}, {oops}, {"b": 2}]', "object 2 is no JSON"),
    ],
)
def test_a_document_that_cannot_be_read_to_its_end_is_an_error(tmp_path, text, reason):
    with pytest.raises(SourceError, match=rf"log.json: cannot be read to its end \(.*{reason}"):
        records(tmp_path, text.encode(), TextForm(), "log.json")


def test_a_bad_line_of_an_array_is_one_record(tmp_path):
    text = b'[\n{"a": 1},\n{oops},\n{"a": "\xfc"},\n{"a": 2}\n]'
    assert records(tmp_path, text, TextForm(), "log.json") == [
        (1, '{"a": 1}'),
        (2, "{oops},"),
        (3, '{"a": "\ufffd"}', NOT_TEXT),
        (4, '{"a": 2}'),
    ]


def test_an_archive_of_packed_files(tmp_path):
    path = tmp_path / "export.ZIP"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1/a.json.gz", gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
        archive.writestr("1/b.json.GZ", gzip.compress(b'[{"a": 3}]'))
        archive.writestr("c.json", b'{"a": 4}')
        archive.writestr("__MACOSX/._c.json", b"\0\5")
        archive.writestr(".DS_Store", b"\0")
    read = [(line["file"], line["line"]) for block in text_blocks(path, "x") for line in block.to_pylist()]
    assert read == [
        ("x/1/a.json.gz", '{"a": 1}'),
        ("x/1/a.json.gz", '{"a": 2}'),
        ("x/1/b.json.GZ", '{"a": 3}'),
        ("x/c.json", '{"a": 4}'),
    ]


@pytest.mark.parametrize("cut", [5, 20, -4])
def test_a_cut_off_gz_in_an_archive_is_named(tmp_path, cut):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json.gz", gzip.compress(b'{"a": 1}\n')[:cut])
    with pytest.raises(SourceError, match=r"export\.zip: cannot be read to its end"):
        list(text_blocks(path, "x"))
