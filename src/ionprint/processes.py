"""Who is at work: processes named so that others can tell whether they are still there."""

import contextlib
import os
import platform
from pathlib import Path


def this_host() -> str:
    """Name this machine, and the container on it: process ids mean nothing elsewhere."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]"))
    return "/".join(parts)


def this_worker() -> str:
    """Name this process as host:id-start."""
    return f"{this_host()}:{os.getpid()}-{_started(os.getpid())}"


def worker_gone(worker: str) -> bool | None:
    """Tell whether the process that `this_worker` named is gone; None where that is not known."""
    host, _, process = worker.rpartition(":")
    alive = _alive(process) if host == this_host() else None
    return None if alive is None else not alive


def _started(pid: int) -> str | None:
    """Return when a process of this machine started; None where it is not there."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # after the name in brackets: the state, and the start as the 20th value
    values = status.rpartition(")")[2].split()
    return None if values[0] in "ZX" else values[19]


def _alive(process: str) -> bool | None:
    """Tell whether a process of this machine is there; None where that cannot be told."""
    pid, _, started = process.partition("-")
    if not Path("/proc/self/stat").exists() or not pid.isdigit():
        return None
    return _started(int(pid)) == started
