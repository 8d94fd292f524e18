"""The zoo: small rating files, bad and odd, each with its verdict. A new kind of bad file is a new line here."""

import gzip
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import DataRefused, OvernightError, UsageError

H = b"user,item,rating,timestamp\n"
GOOD = H + b"1,2,3.5,964\n1,3,4,965\n"
POSITIONS = ("source.header=false", "source.columns={user=1,item=2,rating=3,timestamp=4}")
STRINGS = ("source.ids=string",)
CONTINUOUS = ("source.scale={min=-10,max=10}",)
ISO = ('source.timestamp_unit="iso"',)
PARQUET = ('source.format="parquet"',)


@dataclass(frozen=True)
class Animal:
    """A file, its settings, and its verdict: counts and reasons by line, or an error and a phrase of its message."""

    name: str
    data: bytes
    overrides: tuple[str, ...] = ()
    loaded: int = 0
    duplicates: int = 0
    quarantined: dict[int, str] = field(default_factory=dict)
    error: type[OvernightError] | None = None
    phrase: str = ""
    file_name: str = "ratings.csv"


def parquet(**columns: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(
        pa.table({"user": [1, 1], "item": [2, 3], "rating": [3.5, 4.0], "timestamp": [964, 965]} | columns), target
    )
    return target.getvalue()


def one(fields: str) -> bytes:
    """The good file with one more line, number 4."""
    return GOOD + fields.encode() + b"\n"


def refused(name: str, data: bytes, phrase: str, *overrides: str) -> Animal:
    return Animal(name, data, overrides, error=DataRefused, phrase=phrase)


def unusable(name: str, data: bytes, phrase: str, *overrides: str) -> Animal:
    return Animal(name, data, overrides, error=UsageError, phrase=phrase)


def odd_line(name: str, fields: str, reason: str, *overrides: str) -> Animal:
    """One bad line among good ones."""
    return Animal(name, one(fields), overrides, loaded=2, quarantined={4: reason})


def fine_line(name: str, fields: str, *overrides: str) -> Animal:
    """A line that looks odd and is none."""
    return Animal(name, one(fields), overrides, loaded=3)


def _damaged_checksum() -> bytes:
    packed = bytearray(gzip.compress(GOOD, mtime=0))
    packed[-8] ^= 1
    return bytes(packed)


WHOLE_FILES = [
    Animal("good", GOOD, loaded=2),
    refused("empty", b"", "0 bytes"),
    refused("empty gz", gzip.compress(b""), "no line in it"),
    refused("only a BOM", b"\xef\xbb\xbf", "is empty"),
    Animal("header only", H),
    Animal("header only, unterminated", H[:-1]),
    unusable("missing header", b"1,2,3.5,964\n1,3,4,965\n", "no column 'user'"),
    Animal("swapped header", b"timestamp,rating,item,user\n964,3.5,2,1\n", loaded=1),
    Animal("a column more", b"user,item,rating,timestamp,comment\n1,2,3.5,964,fine\n", loaded=1),
    unusable("missing column", b"user,item,timestamp\n1,2,964\n", "no column 'rating' (source.columns.rating)"),
    unusable("column in another case", b"User,item,rating,timestamp\n1,2,3,964\n", "did you mean 'User'?"),
    unusable("doubled column", b"user,item,rating,rating,timestamp\n1,2,3,4,964\n", "more than one column 'rating'"),
    unusable("too few columns for the positions", b"1,2,3\n", "has 3 columns", *POSITIONS),
    Animal("cut last value", GOOD + b"1,4,3.5,96", loaded=2, quarantined={4: "unterminated_line"}),
    Animal("cut last value, allowed", GOOD + b"1,4,3.5,96", ('source.final_newline="optional"',), loaded=3),
    Animal("CRLF", GOOD.replace(b"\n", b"\r\n"), loaded=2),
    Animal("mixed line ends", H + b"1,2,3.5,964\r\n1,3,4,965\n1,4,4,966\r\n", loaded=3),
    refused("old Mac line ends", GOOD.replace(b"\n", b"\r"), "carriage return"),
    refused("cut between CR and LF", GOOD + b"1,4,3,966\r", "lone carriage return"),
    Animal("BOM", b"\xef\xbb\xbf" + GOOD, loaded=2),
    refused("UTF-16", GOOD.decode().encode("utf-16"), "UTF-16"),
    refused("UTF-16 without BOM", GOOD.decode().encode("utf-16-le"), "NUL"),
    refused("UTF-16 as Latin-1", GOOD.decode().encode("utf-16"), "UTF-16", 'source.encoding="latin-1"'),
    refused("Latin-1 undeclared", H + b"Andr\xe9,2,3.5,964\n", "not utf-8", *STRINGS),
    Animal("Latin-1 declared", H + b"Andr\xe9,2,3.5,964\n", (*STRINGS, 'source.encoding="latin-1"'), loaded=1),
    refused("NUL byte", H + b"1,2,3.5,964\x00\n", "NUL"),
    Animal("gz", gzip.compress(GOOD), loaded=2),
    Animal("gz in members", gzip.compress(H) + gzip.compress(b"1,2,3.5,9") + gzip.compress(b"64\n"), loaded=1),
    refused("gz truncated", gzip.compress(GOOD)[:-4], "gz is damaged"),
    refused("gz with a wrong checksum", _damaged_checksum(), "gz is damaged"),
    refused("gz with garbage behind", gzip.compress(GOOD) + b"garbage", "gz is damaged"),
    refused("endless line", GOOD + b"9" * 2_200_000 + b"\n", "line 4 is longer than"),
    Animal("blank lines", H + b"\n1,2,3.5,964\n\n\n1,3,4,965\n\n", loaded=2),
    Animal("a line of blanks", GOOD + b"  \n", loaded=2, quarantined={4: "wrong_columns"}),
    Animal("duplicate rows", GOOD + b"1,2,3.5,964\n1,2,3.50,964\n", loaded=2, duplicates=2),
    Animal("a pair rated twice", GOOD + b"1,2,5,970\n", loaded=3),
    Animal("semicolons", GOOD.replace(b",", b";"), ('source.delimiter=";"',), loaded=2),
    Animal("tabs", GOOD.replace(b",", b"\t"), ('source.delimiter="\\t"',), loaded=2),
    Animal("pipes", GOOD.replace(b",", b"|"), ('source.delimiter="|"',), loaded=2),
    Animal("double colons", b"1::2::3.5::964\n", (*POSITIONS, 'source.delimiter="::"'), loaded=1),
    Animal(
        "a delimiter beyond ASCII",
        GOOD.replace(b",", "€".encode()) + '"1"€4€3€9\n'.encode(),
        ('source.delimiter="€"',),
        loaded=3,
    ),
    unusable("another delimiter", GOOD.replace(b",", b";"), "no column 'user'"),
    Animal("positions", b"1,2,3.5,964\n", POSITIONS, loaded=1),
    Animal(
        "column names like SQL",
        b'"x""; drop table ratings; --",item,rating,timestamp\n1,2,3.5,964\n',
        ("source.columns.user='x\"; drop table ratings; --'",),
        loaded=1,
    ),
    *(
        Animal(f"file name {name!r}", GOOD, loaded=2, file_name=name)
        for name in (
            "[x].csv",
            "*.csv",
            "it's; drop table files;--.csv",
            'a"b.csv',
            "$path {0} %s.csv",
            "r\udce9.csv",
            "日本.csv",
        )
    ),
]

LINES = [
    odd_line("float for an integer id", "1.7,4,3,966", "bad_user_id"),
    odd_line("hexadecimal id", "0x1F,4,3,966", "bad_user_id"),
    odd_line("leading zeros in an integer id", "007,4,3,966", "bad_user_id"),
    odd_line("plus sign in an id", "+5,4,3,966", "bad_user_id"),
    odd_line("space before an id", " 5,4,3,966", "bad_user_id"),
    odd_line("integer id overflow", "1,9223372036854775808,3,966", "bad_item_id"),
    odd_line("digits of another script", "1,٣,3,966", "bad_item_id"),
    odd_line("control character", "1,\x014,3,966", "bad_item_id"),
    fine_line("largest integer id", "1,9223372036854775807,3,966"),
    fine_line("negative id", "-1,0,3,966"),
    odd_line("empty user", ",4,3,966", "bad_user_id"),
    odd_line("empty item", "1,,3,966", "bad_item_id"),
    odd_line("empty rating", "1,4,,966", "bad_rating"),
    odd_line("empty timestamp", "1,4,3,", "bad_timestamp"),
    odd_line("rating nan", "1,4,nan,966", "bad_rating"),
    odd_line("rating inf", "1,4,inf,966", "bad_rating"),
    odd_line("rating 1e400", "1,4,1e400,966", "rating_off_scale"),
    odd_line("rating with a decimal comma", '1,4,"3,5",966', "bad_rating"),
    odd_line("rating off the scale", "1,4,5.5,966", "rating_off_scale"),
    odd_line("rating between the steps", "1,4,3.25,966", "rating_between_steps"),
    fine_line("rating in scientific notation", "1,4,35e-1,966"),
    fine_line("continuous rating", "1,4,-9.8765,966", *CONTINUOUS),
    fine_line("continuous rating, tiny", "1,4,1e-05,966", *CONTINUOUS),
    odd_line("continuous rating, off", "1,4,10.0001,966", "rating_off_scale", *CONTINUOUS),
    odd_line("too many fields", "1,4,3,966,1", "wrong_columns"),
    odd_line("too few fields", "1,4,3", "wrong_columns"),
    fine_line("quoted fields", '"1","4","3","966"'),
    odd_line("quotes that do not close", '"1,4,3,966', "wrong_columns"),
    odd_line("a quote within a field", '1,4"5,3,966', "wrong_columns"),
    odd_line("text behind a closing quote", '"1"0,4,3,966', "wrong_columns"),
    odd_line("timestamp in milliseconds, declared as seconds", "1,4,3,1700000000000", "timestamp_in_future"),
    odd_line("timestamp that overflows", "1,4,3,999999999999999999", "bad_timestamp"),
    odd_line("negative timestamp", "1,4,3,-1", "timestamp_before_1970"),
    odd_line("timestamp two days ahead", "1,4,3,1767398400", "timestamp_in_future"),
    fine_line("timestamp half a day ahead", "1,4,3,1767268800"),
    odd_line("fraction of a second", "1,4,3,966.5", "bad_timestamp"),
    fine_line("milliseconds", "1,4,3,1700000000000", 'source.timestamp_unit="ms"'),
    fine_line("microseconds", "1,4,3,1700000000000000", 'source.timestamp_unit="us"'),
]

ISO_GOOD = H + b"1,2,3.5,2020-02-29\n"
OTHER_KINDS = [
    Animal("string ids", H + "007,0001,3,964\n7,0001,3,964\n080442957X,日本,3,965\n".encode(), STRINGS, loaded=3),
    Animal("string id of 128 bytes", H + b"u" * 128 + b",i,3,964\n", STRINGS, loaded=1),
    Animal("string id of 129 bytes", H + b"u" * 129 + b",i,3,964\n", STRINGS, quarantined={2: "bad_user_id"}),
    Animal(
        "string id of 65 characters, 130 bytes",
        H + "é".encode() * 65 + b",i,3,964\n",
        STRINGS,
        quarantined={2: "bad_user_id"},
    ),
    Animal("quoted string ids", H + b'"a,b","c""d",3,964\n', STRINGS, loaded=1),
    Animal(
        "one id of each kind",
        H + b"u1,2,3,964\nu1,x,3,965\n",
        ('source.ids={user="string",item="integer"}',),
        loaded=1,
        quarantined={3: "bad_item_id"},
    ),
    Animal(
        "times in ISO 8601",
        ISO_GOOD + b"1,3,3,2020-01-01T10:00:00Z\n1,4,3,2020-01-01 10:00:00.5+02:00\n",
        ISO,
        loaded=3,
    ),
    Animal(
        "times that are none",
        ISO_GOOD + b"1,3,3,2021-02-29\n1,4,3,2020-01-01T24:00\n1,5,3,01/02/2020\n1,6,3,0000-01-01\n",
        ISO,
        loaded=1,
        quarantined={3: "bad_timestamp", 4: "bad_timestamp", 5: "bad_timestamp", 6: "timestamp_before_1970"},
    ),
    Animal("Parquet", parquet(), PARQUET, loaded=2),
    Animal(
        "Parquet with times",
        parquet(timestamp=pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("ms", "UTC"))),
        PARQUET,
        loaded=2,
    ),
    Animal(
        "Parquet with nulls",
        parquet(user=pa.array([1, None], pa.int64()), timestamp=pa.array([None, 5], pa.int64())),
        PARQUET,
        quarantined={1: "bad_timestamp", 2: "bad_user_id"},
    ),
    Animal("Parquet with NaN", parquet(rating=[float("nan"), 4.0]), PARQUET, loaded=1, quarantined={1: "bad_rating"}),
    Animal(
        "Parquet with float32 ratings",
        parquet(rating=pa.array([1e-05, 0.1], pa.float32())),
        (*PARQUET, *CONTINUOUS),
        loaded=2,
    ),
    Animal(
        "Parquet with an odd column name",
        parquet(**{'"; drop table files; --': [1, 2]}),
        (*PARQUET, "source.columns.user='\"; drop table files; --'"),
        loaded=2,
    ),
    unusable("Parquet with float ids", parquet(user=[1.0, 2.5]), "is DOUBLE", *PARQUET),
    unusable("Parquet with text ratings", parquet(rating=["3", "4"]), "is VARCHAR", *PARQUET),
    unusable("Parquet with lists", parquet(rating=[[3.0], [4.0]]), "is DOUBLE[]", *PARQUET),
    unusable("Parquet without a column", parquet(), "no column 'person'", *PARQUET, 'source.columns.user="person"'),
    refused("Parquet torn", parquet()[:-9], "damaged", *PARQUET),
    refused("Parquet that is none", GOOD, "no Parquet file", *PARQUET),
    refused("Parquet declared as CSV", parquet(), "onvert the file"),
]

ANIMALS = [*WHOLE_FILES, *LINES, *OTHER_KINDS]
