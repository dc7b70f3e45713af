"""What the tests of uploads ask of a destination."""

import hashlib
from pathlib import Path

from tfruns_rs.tracking import _nodes


def everything(destination, root=""):
    """All files of a directory destination, with their content."""
    files = (path for path in Path(destination.root, root).rglob("*") if path.is_file())
    return {str(path.relative_to(destination.root)): path.read_bytes() for path in files}


def resolve(destination, path):
    """Whose a name is, after all bytes it leads to were read and checked; None if it leads nowhere."""
    node = _nodes.current(destination, path)
    if node is None or not node.alternative_name:
        return None
    manifest = _nodes.read_manifest(destination, node.pointer["manifest"])
    assert manifest["files"]
    for file in manifest["files"]:
        for digest, size in file["chunks"]:
            data = b"".join(destination.stream(_nodes.blob_path(digest)))
            assert (len(data), hashlib.sha256(data).hexdigest()) == (size, digest)
    return node.alternative_name
