"""Pictures of items: from files in the user's folder, from bytes or pixel arrays in the table."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from tornado.ioloop import IOLoop
from tornado.web import authenticated

from ..data.errors import InputError
from ..data.workspace import Workspace
from .card_settings import pixel_settings, stored_in
from .cells import cell_array

# Formats that a browser shows as they are; anything else that Pillow can read is sent as PNG.
# SVG is not among them: it can carry scripts.
PASSED_ON = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
LARGEST_FILE = 50 * 2**20
MOST_PIXELS = 50_000_000
READERS = ThreadPoolExecutor(2, thread_name_prefix="pictures")
# Viridis (Smith and van der Walt, 2015) at five places, and what lies between them.
_AT = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_STEPS = np.linspace(0, 255, len(_AT))
_CHANNELS = [np.interp(np.arange(256), _STEPS, one) for one in zip(*_AT, strict=True)]
VIRIDIS = np.stack(_CHANNELS, axis=1).astype(np.uint8)
ROUTE = "item-image"


def image_address(workspace: Workspace, row: int) -> str | None:
    """Where the browser finds the picture of a row: a path on this server, an http(s) address, or None."""
    roles = workspace.roles
    if roles.image is None:
        return None
    if roles.image_kind != "url":
        version = stored_in(workspace).get("pictures")  # the browser keeps what it has had from an address
        return f"{ROUTE}/{row}?v={version}" if isinstance(version, int) else f"{ROUTE}/{row}"
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
    if column and workspace.roles.image_kind == "array":
        return _array_picture(workspace, row, column), "image/png"
    value = workspace.table.row(row, [column])[column] if column else None
    where = f"row {row} of {workspace.source.name}"
    if value is None:
        raise InputError(f"{where} has no picture in column '{column}'")
    if workspace.roles.image_kind == "path":
        value = _read_inside(Path(workspace.images_root), str(value), where)
    if not isinstance(value, bytes):
        raise InputError(f"{where}: column '{column}' holds no bytes of a picture")
    return browser_ready(value, where)


def _read_inside(root: Path, name: str, where: str) -> bytes:
    """Read a file named in the table; symbolic links and ``..`` must not lead out of the folder."""
    root = root.resolve()
    try:
        path = (root / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, with a null byte, a loop of links
        raise InputError(f"{where} names no file: {name[:80]!r}") from error
    if not path.is_relative_to(root):
        raise InputError(f"{where} names a picture outside {root.name}: '{name}' is not opened")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{where}: the picture '{name}' is larger than {LARGEST_FILE // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror
        raise InputError(f"{where}: the picture '{name[:80]}' cannot be read ({reason})") from error


def browser_ready(content: bytes, where: str) -> tuple[bytes, str]:
    """A picture as a browser takes it, with its media type; only its header is read to refuse it.

    Raises
    ------
    InputError
        When it is no picture, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise InputError(
                    f"{where}: the picture has {width:,} × {height:,} pixels, and {MOST_PIXELS:,} is the most"
                )
            if picture.format in PASSED_ON:
                return content, PASSED_ON[picture.format]
            target = io.BytesIO()
            picture.convert("RGB").save(target, "PNG")
            return target.getvalue(), "image/png"
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{where}: the picture is in no format that can be shown") from error


# ---- pictures made of numbers -----------------------------------------------------------------------


def pixels_to_png(
    values: Any, given: tuple[int, ...] | None = None, palette: str = "grey", cell: tuple[int, ...] = ()
) -> bytes:
    """Pixels, row by row, as PNG; numbers other than bytes are stretched from their least to their greatest.

    Parameters
    ----------
    values
        Numbers ``(n_values,)``, or in the shape of the picture; what is not finite is black.
    given
        ``(height, width)`` or ``(height, width, channels)`` with 1, 3 or 4 channels; without it the shape of
        the cell, or a square of one or three channels.
    palette
        Grey or viridis, for pictures of one channel.
    cell
        The shape of the lists in the table.

    Raises
    ------
    InputError
        When the values do not fill that shape, are too many, or are no numbers.
    """
    pixels = np.asarray(values)
    if pixels.dtype.kind not in "biuf" or not pixels.size:
        raise InputError("the cell holds no numbers, so it is no picture")
    if pixels.size > MOST_PIXELS:
        raise InputError(f"{pixels.size:,} numbers are too many for a picture: {MOST_PIXELS:,} is the most")
    shape = checked_shape(pixels.size, given, cell)
    bytes_ = _as_bytes(pixels).reshape(shape)
    if bytes_.ndim == 3 and shape[2] == 1:
        bytes_ = bytes_[:, :, 0]
    if bytes_.ndim == 2 and palette == "viridis":
        bytes_ = VIRIDIS[bytes_]
    target = io.BytesIO()
    Image.fromarray(bytes_).save(target, "PNG")
    return target.getvalue()


def checked_shape(n: int, given: tuple[int, ...] | None, cell: tuple[int, ...]) -> tuple[int, ...]:
    """Height, width and channels of a picture of n values; raises InputError, see `pixels_to_png`."""
    if given is not None:
        if len(given) not in (2, 3) or (len(given) == 3 and given[2] not in (1, 3, 4)):
            raise InputError(f"{' × '.join(map(str, given))} is no shape of a picture: give height and width")
        for shape in (given, *((*given, c) for c in (3, 4) if len(given) == 2)):
            if math.prod(shape) == n:
                return shape
        raise InputError(f"{n:,} numbers do not fill a picture of {' × '.join(map(str, given))}")
    if len(cell) > 1:
        if min(cell) < 1 or len(cell) > 3 or (len(cell) == 3 and cell[2] not in (1, 3, 4)):
            raise InputError("the lists in the cell are no rows of a picture")
        return cell
    for channels in (1, 3):
        side = math.isqrt(n // channels)
        if side * side * channels == n:
            return (side, side) if channels == 1 else (side, side, 3)
    raise InputError(f"{n:,} numbers are no square picture: give its shape in the settings of the card")


def _as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind in "iu" and pixels.min() >= 0 and pixels.max() <= 255:
        return pixels.astype(np.uint8)
    known = np.isfinite(pixels)
    if not known.any():
        return np.zeros(pixels.shape, np.uint8)
    low, high = float(pixels[known].min()), float(pixels[known].max())
    stretched = (pixels.astype(np.float64) - low) / (high - low or 1) * 255
    return np.where(known, stretched, 0).round().astype(np.uint8)


def _array_picture(workspace: Workspace, row: int, column: str) -> bytes:
    found = cell_array(workspace.table, row, column)
    if found is None:
        raise InputError(f"row {row} has no list of numbers in column '{column}'")
    values, cell = found
    if -1 in cell:
        raise InputError(f"row {row}: the lists in '{column}' differ in length, so they are no picture")
    shape, palette = pixel_settings(workspace)
    return pixels_to_png(values, shape, palette, cell)


# ---- the server -------------------------------------------------------------------------------------


class PictureHandler(AuthRequestHandler):
    """Sends pictures, behind the same login as the page; a refusal is one sentence of plain text.

    Reading and decoding happen in threads: the page must not wait for them.
    """

    async def send(self, read: Callable[[], tuple[bytes, str]]) -> None:
        """Send what `read` gives, a picture and its media type, or 404 with what its InputError says."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
        try:
            content, media_type = await IOLoop.current().run_in_executor(READERS, read)
        except InputError as error:
            self.set_status(404)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(str(error))
            return
        self.set_header("Content-Type", media_type)
        self.set_header("Cache-Control", "private, max-age=3600")
        self.finish(content)


class ImageHandler(PictureHandler):
    """Serves ``/item-image/ROW``."""

    def initialize(self, workspace: Workspace) -> None:
        """Take the workspace whose pictures are served."""
        self.workspace = workspace

    @authenticated
    async def get(self, row: str) -> None:
        """Send the picture of a row."""

        def read() -> tuple[bytes, str]:
            if int(row) >= self.workspace.table.n_rows:
                raise InputError(f"there is no row {row}")
            return image_bytes(self.workspace, int(row))

        await self.send(read)
