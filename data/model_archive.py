"""Archives of skops: written the same way each time, and looked at before anything of them is loaded."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import InputError

SCHEMA = "schema.json"
MANIFEST, CARD = "manifest.json", "MODEL_CARD.md"
SKOPS_FILE = "model.skops"
MOST_BYTES = 2**31  # of an archive, packed and unpacked
MOST_MEMBERS = 100_000
MOST_TEXT = 2**26  # of manifest and card each
MEMBER = re.compile(r"\d{5}\.npy|schema\.json|manifest\.json|MODEL_CARD\.md")
EPOCH = (1980, 1, 1, 0, 0, 0)
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


# ---- writing ----------------------------------------------------------------------------------------


def members_of(dumped: bytes) -> dict[str, bytes]:
    """The members of what skops dumped, named by their order and not by addresses in memory."""
    with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
        stored = {info.filename: archive.read(info) for info in archive.infolist()}
    schema = json.loads(stored.pop(SCHEMA))
    ids: dict[int, int] = {}
    names: dict[str, str] = {}
    _rename(schema, ids, names)
    members = {new: _settled(stored[old]) for old, new in names.items() if old in stored}
    return {SCHEMA: json.dumps(schema, indent=1).encode()} | members


def _settled(content: bytes) -> bytes:
    """An array as a file, without the chance bytes between the fields of a record."""
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError:  # no array
        return content
    if values.dtype.names is None:
        return content
    clean = np.zeros(values.shape, values.dtype)
    for field in values.dtype.names:
        clean[field] = values[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _rename(node: Any, ids: dict[int, int], names: dict[str, str]) -> None:
    """Number objects and files of a skops schema in the order in which they come."""
    if isinstance(node, list):
        for each in node:
            _rename(each, ids, names)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if "__loader__" in node and isinstance(node.get("file"), str):
            suffix = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names):05}.{suffix}")
        for key, each in node.items():
            if key not in ("__id__", "file") or isinstance(each, dict):
                _rename(each, ids, names)


def packed(members: Mapping[str, bytes]) -> bytes:
    """The members as one archive, the same bytes for the same members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def checksums(members: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each member, in hexadecimal."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}


# ---- looking ----------------------------------------------------------------------------------------


def look_into(data: bytes, name: str) -> tuple[dict[str, str], dict[str, bytes]]:
    """Check an archive without loading anything of it.

    Parameters
    ----------
    name
        What it is called.

    Returns
    -------
    tuple
        The SHA-256 of each member, and the contents of manifest and card where they are inside.

    Raises
    ------
    InputError
        When it is no archive, or has members that no model of ours has: too many or too large, packed or named
        otherwise, or arrays that are not what they say.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_members(infos, name)
            sums, texts = {}, {}
            for info in infos:
                content = archive.read(info)
                sums[info.filename] = hashlib.sha256(content).hexdigest()
                if info.filename in (MANIFEST, CARD):
                    texts[info.filename] = content
                elif info.filename.endswith(".npy"):
                    _check_array(content, info.filename, name)
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise InputError(f"{name} is no model that rareloop wrote, or damaged: save the model again") from error
    return sums, texts


def member(data: bytes, name: str) -> bytes:
    """One member of an archive that `look_into` has passed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


def _check_members(infos: list[zipfile.ZipInfo], name: str) -> None:
    names = [info.filename for info in infos]
    wrong = next(
        (
            info.filename
            for info in infos
            if not MEMBER.fullmatch(info.filename)
            or info.flag_bits & 1
            or info.compress_type not in PACKINGS
            or (info.filename in (MANIFEST, CARD) and info.file_size > MOST_TEXT)
        ),
        None,
    )
    if wrong is not None or len(set(names)) < len(names) or SCHEMA not in names:
        raise InputError(f"{name} holds '{(wrong or SCHEMA)[:60]}' as no model of rareloop does: do not use it")
    if len(infos) > MOST_MEMBERS or sum(info.file_size for info in infos) > MOST_BYTES:
        raise InputError(f"{name} is larger unpacked than a model may be: do not use it")


def _check_array(content: bytes, member: str, name: str) -> None:
    """Raise InputError unless an array is as large as it says, and holds no Python objects."""
    buffer = io.BytesIO(content)
    version = np.lib.format.read_magic(buffer)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(buffer)
    size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
    if dtype.hasobject or size != len(content) - buffer.tell():
        raise InputError(f"{name} holds the array {member}, which is not what it says: do not use it")
