"""One file out of a resource of Qt's (.rcc), in which GCompris keeps its sounds.

    member(Path("/usr/share/gcompris-qt/rcc/explore_farm_animals.rcc"), "dog.ogg")   # bytes

A header tells where three tables begin: a tree of 14 or 22 bytes a node, names in UTF-16 after
length and hash, and the files, each behind its length (Qt's qresource.cpp, versions 1 to 3).

Left out: compressed files, which sounds are not; folders, as a name is there once.
"""

import struct
from pathlib import Path

FOLDER, PACKED = 2, 1 | 4  # flags of a node


def member(path: Path, name: str) -> bytes:
    """The file of a name."""
    data = path.read_bytes()
    if data[:4] != b"qres":
        raise ValueError(f"{path} is no resource of Qt's")
    version, tree, files, names = struct.unpack(">4I", data[4:20])
    size = 14 if version < 2 else 22

    def found(node: int) -> bytes | None:
        at = tree + size * node
        called, flags = struct.unpack(">IH", data[at : at + 6])
        if flags & FOLDER:
            count, first = struct.unpack(">II", data[at + 6 : at + 14])
            inside = (found(child) for child in range(first, first + count))
            return next((file for file in inside if file is not None), None)
        (length,) = struct.unpack(">H", data[names + called : names + called + 2])
        text = data[names + called + 6 : names + called + 6 + 2 * length].decode("utf-16-be")
        if text != name:
            return None
        if flags & PACKED:
            raise ValueError(f"{name} in {path} is compressed; expected one that is not")
        start = files + struct.unpack(">I", data[at + 10 : at + 14])[0]
        (length,) = struct.unpack(">I", data[start : start + 4])
        return data[start + 4 : start + 4 + length]

    file = found(0)
    if file is None:
        raise ValueError(f"no {name!r} in {path}")
    return file
