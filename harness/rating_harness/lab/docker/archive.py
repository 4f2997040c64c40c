"""Files into containers and out of them, as tar archives."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

__all__ = ["pack", "unpack"]

OPEN_DIRECTORY = 0o777
PLAIN_FILE = 0o644


def pack(files: Mapping[str, bytes], directories: Iterable[str] = ()) -> bytes:
    """A tar archive for the root directory.

    :param files: absolute path -> content, readable by everybody.
    :param directories: absolute paths of directories that everybody can write to.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in directories:
            member = tarfile.TarInfo(directory.lstrip("/"))
            member.type, member.mode = tarfile.DIRTYPE, OPEN_DIRECTORY
            archive.addfile(member)
        for path, content in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), PLAIN_FILE
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack(chunks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """The plain files of an archive: name without its first part (the directory that was asked for), and content.

    A file that grew while the engine read it ends the archive early, behind all that the header announced: what was
    announced is yielded.
    """
    try:
        with tarfile.open(fileobj=_Stream(chunks), mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    yield str(PurePosixPath(*PurePosixPath(member.name).parts[1:])), content.read()
    except tarfile.ReadError:
        return


class _Stream(io.RawIOBase):
    """The chunks of a response as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._left) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._left += chunk
        size = len(self._left) if size < 0 else size
        taken, self._left = self._left[:size], self._left[size:]
        return taken
