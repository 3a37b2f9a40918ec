"""Pictures of items: from files in the user's folder, from bytes or pixel arrays in the table."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from PIL import Image, UnidentifiedImageError
from tornado.web import HTTPError, authenticated

from ..data.errors import InputError
from ..data.workspace import Workspace

# Formats that a browser shows as they are; anything else that Pillow can read is sent as PNG.
# SVG is not among them: it can carry scripts.
PASSED_ON = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
LARGEST_FILE = 50 * 2**20
ROUTE = "item-image"


def image_address(workspace: Workspace, row: int) -> str | None:
    """Where the browser finds the picture of a row: a path on this server, an http(s) address, or None."""
    roles = workspace.roles
    if roles.image is None:
        return None
    if roles.image_kind != "url":
        return f"{ROUTE}/{row}"
    value = workspace.table.row(row, [roles.image])[roles.image]
    return value if isinstance(value, str) and urlsplit(value).scheme in ("http", "https") else None


def image_bytes(workspace: Workspace, row: int) -> tuple[bytes, str]:
    """Read the picture of a row.

    Returns
    -------
    (bytes, str)
        The picture and its media type.

    Raises
    ------
    InputError
        When the cell is empty, the file is missing, outside the folder of the pictures, too large, or
        not a picture.
    """
    column = workspace.roles.image
    value = workspace.table.row(row, [column])[column] if column else None
    where = f"row {row} of {workspace.source.name}"
    if value is None:
        raise InputError(f"{where} has no picture in column '{column}'")
    if workspace.roles.image_kind == "array":
        return _pixels_to_png(value), "image/png"
    if workspace.roles.image_kind == "path":
        value = _read_inside(Path(workspace.images_root), str(value), where)
    return _browser_ready(bytes(value), where)


def _read_inside(root: Path, name: str, where: str) -> bytes:
    """Read a file named in the table; symbolic links and ``..`` must not lead out of the folder."""
    root = root.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise InputError(f"{where} names a picture outside {root.name}: '{name}' is not opened")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{where}: the picture '{name}' is larger than {LARGEST_FILE // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: the picture '{name}' cannot be read ({error.strerror})") from error


def _browser_ready(content: bytes, where: str) -> tuple[bytes, str]:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if picture.format in PASSED_ON:
                return content, PASSED_ON[picture.format]
            target = io.BytesIO()
            picture.convert("RGB").save(target, "PNG")
            return target.getvalue(), "image/png"
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise InputError(f"{where}: the picture is in no format that can be shown") from error


def _pixels_to_png(values: Any) -> bytes:
    """Grey (n × n) or colour (n × n × 3) pixels, row by row, as PNG; numbers other than bytes are scaled."""
    pixels = np.asarray(values)
    channels = 1 if math.isqrt(pixels.size) ** 2 == pixels.size else 3
    side = math.isqrt(pixels.size // channels)
    if pixels.size == 0 or side * side * channels != pixels.size:
        raise InputError(f"{pixels.size} numbers are no square picture")
    if pixels.dtype != np.uint8 and not (pixels.min() >= 0 and pixels.max() <= 255 and pixels.dtype.kind in "iu"):
        low, high = np.nanmin(pixels), np.nanmax(pixels)
        pixels = (pixels - low) / (high - low or 1) * 255
    square = np.nan_to_num(pixels).astype(np.uint8).reshape((side, side) if channels == 1 else (side, side, 3))
    target = io.BytesIO()
    Image.fromarray(square).save(target, "PNG")
    return target.getvalue()


class ImageHandler(AuthRequestHandler):
    """Serves ``/item-image/ROW``, behind the same login as the page."""

    def initialize(self, workspace: Workspace) -> None:
        """Take the workspace whose pictures are served."""
        self.workspace = workspace

    @authenticated
    def get(self, row: str) -> None:
        """Send the picture of a row, or 404 with one sentence."""
        try:
            if int(row) >= self.workspace.table.n_rows:
                raise InputError(f"there is no row {row}")
            content, media_type = image_bytes(self.workspace, int(row))
        except InputError as error:
            raise HTTPError(404, reason="no picture", log_message=str(error)) from error
        self.set_header("Content-Type", media_type)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "private, max-age=3600")
        self.write(content)
