"""A model as one file: what a folder of it holds, in a zip archive that nothing is unpickled or executed from."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prioria import hub, storage
from prioria.atomic import error_text, write_atomically
from prioria.storage import FORMAT, MOST_JSON

MODEL = (storage.ARCHITECTURE, storage.WEIGHTS)
NAMES = (*MODEL, "treatment.json", "evaluation.json", "README.md")
"""What a model that travels consists of; an archive has a list of digests beside, and nothing else."""
MANIFEST = "manifest.json"


def gather(folder: Path) -> dict[str, Path]:
    """The files of a model in a folder, by name; all else there is left where it is."""
    return {name: folder / name for name in NAMES if (folder / name).is_file()}


def pack(files: Mapping[str, Path], out: Path) -> None:
    """Writes files under their names into an archive, atomically, as they are, with the SHA-256 of each.

    Raises:
        ValueError: a name that a packed model does not have.
        OSError: it cannot be written.
    """
    if unknown := sorted(files.keys() - set(NAMES)):
        raise ValueError(f"{unknown[0]} is no part of a packed model; it has {', '.join(NAMES)}")

    def write(place: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="prioria-") as folder, zipfile.ZipFile(place, "w") as archive:
            manifest = Path(folder) / MANIFEST
            digests = {name: _digest(source) for name, source in files.items()}
            storage.write_sealed(manifest, {"format": FORMAT, "files": digests})
            for name, source in {MANIFEST: manifest, **files}.items():
                entry = zipfile.ZipInfo(name)  # of no time: the same model is the same file
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                with source.open("rb") as content, archive.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(content, target)

    write_atomically(out, write)


@contextmanager
def unpacked(place: str | Path) -> Iterator[Path]:
    """Gives the folder of a model: the place itself, that of best weights in a run, or a packed model for a while.

    Of an archive only the names that a packed model has are written, into a new folder; every entry is a plain file
    that is stored as it is, so that no archive becomes larger than itself, and is compared with its digest.

    Args:
        place: a folder, a .zip file that ``prioria pack`` wrote, or hf://user/name.

    Raises:
        ValueError: it is no archive, is damaged, or is not as it was packed.
    """
    if (name := hub.name_of(place)) is not None:
        yield hub.download(name, NAMES)
    elif not Path(place).is_file():
        yield storage.model_folder(Path(place))
    else:
        with tempfile.TemporaryDirectory(prefix="prioria-") as folder:
            _extract(Path(place), Path(folder))
            yield Path(folder)


def _extract(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _check(path, archive.infolist())
            for entry in archive.infolist():
                with archive.open(entry) as source, (folder / entry.filename).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(
            f"path={str(path)!r} is no model that prioria pack wrote, or damaged ({error_text(error)})"
        ) from error
    digests = storage.read_sealed(folder / MANIFEST, "a packed model").get("files")
    found = {name: _digest(file) for name, file in gather(folder).items()}
    if digests != found:
        changed = next((name for name, value in found.items() if dict(digests or {}).get(name) != value), "a file")
        raise ValueError(f"path={str(path)!r}: {changed} is not as it was packed; pack the model again")


def _check(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuses what ``pack`` never writes, before anything is read."""
    names = [entry.filename for entry in entries]
    if missing := [name for name in (MANIFEST, *MODEL) if name not in names]:
        raise ValueError(f"path={str(path)!r} holds no model: {missing[0]} is missing; write one by prioria pack RUN")
    strange = sorted(set(names) - {MANIFEST, *NAMES}) or [name for name in names if names.count(name) > 1]
    if strange:
        raise ValueError(f"path={str(path)!r}: {strange[0][:80]!r} is no part of a packed model, or there twice")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1:
            raise ValueError(f"path={str(path)!r}: {entry.filename} is a link, or encrypted; pack the model again")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise ValueError(f"path={str(path)!r}: {entry.filename} is compressed; unpack it, and give the folder")
        if entry.filename != storage.WEIGHTS and entry.file_size > MOST_JSON:
            raise ValueError(f"path={str(path)!r}: {entry.filename} has {entry.file_size:,} bytes, more than any text")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ValueError(f"path={str(path)!r}: its files overlap; pack the model again")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
