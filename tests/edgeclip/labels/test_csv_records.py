from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeclip.errors import DataError
from edgeclip.labels.csv_records import QuotedCell, Records, quoted_cells
from edgeclip.labels.text_tables import parse_table

HEAD = "path,label,comment\n"


def _read(text: str, separator: str = ",") -> Records:
    records = Records(text, separator, "labels.csv")
    list(records)
    return records


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + 'a.jpg,cat,\nb.jpg,"cat,\nc.jpg,cat,\nd.jpg,cat,\n',
            "line 3 and closes it nowhere, so that the rows between are lost",
        ),
        (HEAD + 'a.jpg,"cat,', "line 2 and closes it nowhere"),
        (
            HEAD + 'a.jpg,"cat,\nb.jpg,cat,\nc.jpg,cat,"two"\n',
            "line 2 and closes it in line 4, so that the rows between are lost",
        ),
        (
            HEAD + 'a.jpg,"cat,\nb.jpg,cat,\nc.jpg,cat",\nd.jpg,cat,\n',
            "line 2 and closes it in line 4, but line 3 looks like a row of its own",
        ),
        (HEAD + 'a.jpg,"cat,\nb.jpg,cat",\n', "line 2 and closes it in line 3, but line 3 looks"),
        (
            HEAD + 'a.jpg,cat,"one\ntwo"\nb.jpg,"cat,\nc.jpg,cat,\n',
            "line 4 and closes it nowhere",
        ),
        ('path,"label\na.jpg,cat\nb.jpg,cat\n', "line 1 and closes it nowhere"),
    ],
    ids=[
        "never closed", "in the last line", "closed by the next quote", "closed by a stray one",
        "over two lines", "after a comment of two lines", "in the header",
    ],
)  # fmt: skip
def test_a_stray_quote_is_refused_by_the_line_in_which_it_opens(text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"labels.csv: a double quote opens a cell in {message}"):
        _read(text)


def test_a_row_of_a_table_without_files_is_known_by_its_many_cells() -> None:
    columns = [f"c{number}" for number in range(8)]
    row = ["x"] * 8
    stray = ['"x', *row[1:]]
    closing = [*row[:-1], 'x"']
    lines = [columns, row, stray, row, closing, row]
    text = "\n".join(",".join(cells) for cells in lines)
    with pytest.raises(DataError, match="in line 3 and closes it in line 5, but line 4 looks like"):
        _read(text)


@pytest.mark.parametrize(
    "comment",
    ['"one\ntwo"', '"male, adult\r\nresting, as in a.jpg\r\n\r\nlooks ""odd"""', '"\n"'],
    ids=["two lines", "as a spreadsheet writes it", "nothing but a break"],
)
def test_comments_of_several_lines_are_read_and_said(comment: str) -> None:
    table = parse_table(f"{HEAD}a.jpg,cat,{comment}\r\nb.jpg,dog,\r\n".encode(), "labels.csv")
    rows = list(table.rows())
    assert [(number, row["label"]) for number, row in rows] == [(2, "cat"), (3, "dog")]
    assert table.notes()[1:] == ["1 rows have line breaks inside quotes, the first in line 2"]


@pytest.mark.parametrize(
    "row", ['a.jpg,cat,5" of rain', 'a.jpg,"cat" ,', 'a.jpg,"c""at",', '"a.jpg","cat",""', "a.jpg"]
)
def test_other_quotes_and_short_rows_are_read_as_ever(row: str) -> None:
    table = parse_table(f"{HEAD}{row}\n\nb.jpg,dog,".encode(), "labels.csv")
    rows = list(table.rows())
    expected = list(csv.DictReader(io.StringIO(f"{HEAD}{row}\n\nb.jpg,dog,")))
    assert [dict(row) for _, row in rows] == expected
    assert len(table.notes()) == 1


def test_a_comment_of_several_lines_may_be_the_first_column() -> None:
    many = ",".join(["x"] * 8)
    assert _read('"one\ntwo",a.jpg,cat\n"three\nfour",b.jpg,cat\n').notes()
    assert _read(f'{many}\n"one\ntwo",{many[2:]}\n{many}').notes()


def test_an_endless_cell_says_where_its_quote_may_be() -> None:
    rows = "b.jpg,cat,\n" * 20_000
    with pytest.raises(DataError, match=r"row 2 is broken .*look for a stray double quote in line"):
        _read(f'{HEAD}a.jpg,"cat,\n{rows}')


def test_cells_in_quotes_are_found_with_their_lines() -> None:
    lines = ['a,"b ""c"" d",x"y"\n', '"e\n', 'f","g\n']
    assert quoted_cells(["".join(lines[:1])], ",") == [QuotedCell(1, 1, is_clean=True, column=1)]
    assert quoted_cells(lines[1:], ",") == [
        QuotedCell(1, 2, is_clean=True, column=0),
        QuotedCell(2, None, is_clean=False, column=1),
    ]  # fmt: skip


CELL = st.text(st.sampled_from('ab ,;"\n\r'), max_size=8)


@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=6))
def test_whatever_a_writer_wrote_comes_back(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    assert list(Records(out.getvalue(), ",", "x")) == rows
