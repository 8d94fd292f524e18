"""The MovieLens data sets at GroupLens, for people who have a network: address, checksum, and a ready TOML for each."""

import hashlib
import shutil
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.atomic import new_folder, write_text
from data.errors import MachineError, UsageError

ADDRESS = "https://files.grouplens.org/datasets/movielens/"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class DataSet:
    """One archive: its published MD5, and the TOML that reads it."""

    md5: str
    toml: str


DATA_SETS = {
    "ml-100k": DataSet(
        "0e33842e24a9c977be4e0107933c0723",
        """\
[source]
ratings = ["u.data"]
delimiter = "\\t"
header = false
columns = { user = 1, item = 2, rating = 3, timestamp = 4 }
scale = { min = 1, max = 5, step = 1 }

[source.items]
path = "u.item"
delimiter = "|"
header = false
encoding = "latin-1"
columns = { item = 1, title = 2 }
""",
    ),
    "ml-1m": DataSet(
        "c4d9eecfca2ab87c1945afe126590906",
        """\
[source]
ratings = ["ratings.dat"]
delimiter = "::"
header = false
columns = { user = 1, item = 2, rating = 3, timestamp = 4 }
scale = { min = 1, max = 5, step = 1 }

[source.items]
path = "movies.dat"
delimiter = "::"
header = false
encoding = "latin-1"
columns = { item = 1, title = 2, features = [3] }
""",
    ),
    "ml-25m": DataSet(
        "6b51fb2759a8657d3bfcbfc42b592ada",
        """\
[source]
ratings = ["ratings.csv"]
columns = { user = "userId", item = "movieId", rating = "rating", timestamp = "timestamp" }
scale = { min = 0.5, max = 5.0, step = 0.5 }

[source.items]
path = "movies.csv"
columns = { item = "movieId", title = "title", features = ["genres"] }
""",
    ),
}


def fetch(name: str, to: Path, on_bytes: Callable[[int, int], None], address: str = ADDRESS) -> Path:
    """Download, compare with the checksum, unpack to `to/name` and add overnight.toml; returns that folder.

    on_bytes    called with (bytes so far, bytes in all or 0)
    Raises UsageError for an unknown name or a folder that is there, MachineError for the network or a wrong checksum.
    """
    if name not in DATA_SETS:
        raise UsageError(f"{name}: no such data set; there are {', '.join(DATA_SETS)}. Nothing was downloaded.")
    folder = to.absolute() / name
    if folder.exists():
        raise UsageError(
            f"{folder} is there already. Nothing was downloaded. Delete it, or choose another folder with --to."
        )
    to.mkdir(parents=True, exist_ok=True)
    archive = to / f".{name}.zip.tmp"
    try:
        found = _download(f"{address}{name}.zip", archive, on_bytes)
        if found != DATA_SETS[name].md5:
            raise MachineError(
                f"{name}.zip has MD5 {found}, GroupLens published {DATA_SETS[name].md5}. Nothing was kept. Try again."
            )
        with new_folder(folder) as unfinished:
            _unpack(archive, unfinished)
            write_text(unfinished / "overnight.toml", DATA_SETS[name].toml)
    finally:
        archive.unlink(missing_ok=True)
    return folder


def _download(url: str, archive: Path, on_bytes: Callable[[int, int], None]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with urllib.request.urlopen(url, timeout=60) as response, archive.open("wb") as file:
            total, done = int(response.headers.get("Content-Length") or 0), 0
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                on_bytes(done, total)
    except OSError as error:
        raise MachineError(
            f"{url}: cannot be downloaded ({error}). Nothing was kept. Check the network, then try again."
        ) from None
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    """The files of the archive without its folders: a name that would leave the folder cannot."""
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                if not member.is_dir():
                    with packed.open(member) as source, (folder / Path(member.filename).name).open("wb") as target:
                        shutil.copyfileobj(source, target)
    except zipfile.BadZipFile as error:
        raise MachineError(f"{archive.name}: the archive is damaged ({error}). Nothing was kept. Try again.") from None
