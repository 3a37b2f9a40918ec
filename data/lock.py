"""One server for a workspace: a lock file that says who has it, and that a dead process does not keep."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

from .errors import InputError


def take(path: Path, url: str) -> None:
    """Make the lock file for this process; one whose process is gone is taken over.

    Raises
    ------
    InputError
        When another process has it, with the address at which it serves; or the file cannot be written.
    """
    mine = json.dumps({"pid": os.getpid(), "url": url, "started": _started(os.getpid())})
    for _ in range(2):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(mine)
            return
        except FileExistsError:
            holder = _holder(path)
            if holder is not None and _is_running(holder):
                raise InputError(
                    f"{path.parent} is open in another rareloop (process {holder['pid']}, {holder.get('url')}): "
                    "use that page, or end that process first"
                ) from None
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{path.parent} cannot be written ({error.strerror}): check its permissions"
            ) from error
    raise InputError(f"{path.parent} is being opened by another rareloop at this moment: try again")


def release(path: Path) -> None:
    """Remove the lock file, if it is this process's."""
    holder = _holder(path)
    if holder is not None and holder["pid"] == os.getpid():
        path.unlink(missing_ok=True)


def _holder(path: Path) -> dict[str, Any] | None:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return holder if isinstance(holder, dict) and isinstance(holder.get("pid"), int) else None


def _is_running(holder: dict[str, Any]) -> bool:
    """Whether the very process that made the lock still runs, and not another that got its number."""
    pid, started = holder["pid"], holder.get("started")
    if pid == os.getpid() or pid <= 0 or not _is_alive(pid):
        return False
    now = _started(pid)
    return started is None or now is None or started == now


def _started(pid: int) -> str | None:
    """When a process was started, where the system tells (clock ticks since boot, and the boot)."""
    with contextlib.suppress(OSError, IndexError):
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {ticks}"
    return None


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # there os.kill would end the process, or press Ctrl-C in it
        query_limited_information = 0x1000
        handle = ctypes.windll.kernel32.OpenProcess(query_limited_information, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
