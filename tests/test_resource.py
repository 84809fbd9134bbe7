"""Files out of a resource of Qt's, written here as Qt's compiler writes it."""

import struct
from pathlib import Path

import pytest

from model.data.resource import member


def resource(files: dict[str, bytes], version: int = 3, flags: int = 0) -> bytes:
    """A folder `sounds` below the root, with these files."""
    names, called = b"", {}
    for name in ("sounds", *files):
        called[name] = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    data, starts = b"", {}
    for name, file in files.items():
        starts[name] = len(data)
        data += struct.pack(">I", len(file)) + file
    dated = b"" if version < 2 else bytes(8)
    tree = struct.pack(">IHII", 0, 2, 1, 1) + dated
    tree += struct.pack(">IHII", called["sounds"], 2, len(files), 2) + dated
    for name in files:
        tree += struct.pack(">IHHHI", called[name], flags, 0, 0, starts[name]) + dated
    head = 20 if version < 3 else 24
    tables = head, head + len(tree), head + len(tree) + len(data)
    begin = b"qres" + struct.pack(">4I", version, *tables)
    return begin + bytes(head - 20) + tree + data + names


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_is_found_by_its_name(tmp_path, version):
    path = tmp_path / "animals.rcc"
    path.write_bytes(resource({"dog.ogg": b"woof", "cät.ogg": b"meow" * 9}, version))
    assert member(path, "dog.ogg") == b"woof"
    assert member(path, "cät.ogg") == b"meow" * 9
    with pytest.raises(ValueError, match="no 'cow.ogg' in"):
        member(path, "cow.ogg")


def test_what_cannot_be_read_is_said(tmp_path):
    path = tmp_path / "animals.rcc"
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="is no resource of Qt's"):
        member(path, "dog.ogg")
    path.write_bytes(resource({"dog.ogg": b"woof"}, flags=1))
    with pytest.raises(ValueError, match="compressed"):
        member(path, "dog.ogg")
    with pytest.raises(FileNotFoundError):
        member(Path(tmp_path / "none.rcc"), "dog.ogg")
