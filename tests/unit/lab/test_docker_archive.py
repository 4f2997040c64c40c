from __future__ import annotations

import io
import tarfile

import pytest

from rating_harness.lab.docker.archive import pack, unpack


def answer(files: dict[str, bytes]) -> bytes:
    """As an engine answers for the directory /work: names begin with its last part, directories are members too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        directory = tarfile.TarInfo("work/")
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for name, content in files.items():
            member = tarfile.TarInfo(f"work/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_files_are_readable_and_directories_writable_by_everybody() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack({"/etc/a.cfg": b"content"}, ["/run/lab"]))) as archive:
        directory, file = archive.getmembers()
        assert (directory.name, directory.isdir(), directory.mode) == ("run/lab", True, 0o777)
        assert (file.name, file.mode, file.size) == ("etc/a.cfg", 0o644, 7)


@pytest.mark.parametrize("size", [1, 511, 512, 513, 100_000])
def test_an_archive_is_read_whatever_its_chunks(size: int) -> None:
    files = {"a": b"x" * 1000, "empty": b"", "sub/b": b"y" * 70_000}
    data = answer(files)
    chunks = (data[start : start + size] for start in range(0, len(data), size))
    assert dict(unpack(chunks)) == files


def test_of_a_file_that_grew_what_was_announced_is_read() -> None:
    data = answer({"log": b"x" * 5000})
    announced = data.index(b"x" * 5000) + 5000
    assert dict(unpack([data[:announced]])) == {"log": b"x" * 5000}


def test_of_a_single_file_the_name_is_empty() -> None:
    assert [content for _, content in unpack([pack({"/messages.log": b"one"})])] == [b"one"]
