"""Which kind of file system a folder lies on, and whether it can be written."""

from __future__ import annotations

import os
import re
from pathlib import Path

SHARED_FILE_SYSTEMS = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "fhgfs", "fuse.ceph", "fuse.glusterfs",
        "fuse.juicefs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "mmfs", "ncpfs", "nfs",
        "nfs3", "nfs4", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "sshfs", "wekafs",
    }
)  # fmt: skip
"""Types in ``/proc/mounts`` that several hosts may have mounted at once."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system_type(folder: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that holds a folder; empty when it is not known.

    Parameters
    ----------
    folder
        Any path; it need not exist.
    mounts
        Text in the form of ``/proc/mounts``; the running system's own when not given.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    resolved = folder.resolve()
    best_depth, best_type = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        mount_point = Path(_OCTAL.sub(lambda m: chr(int(m[1], 8)), fields[1]))
        depth = len(mount_point.parts)
        # Later lines hide earlier ones on the same mount point, hence >=.
        if depth >= best_depth and resolved.is_relative_to(mount_point):
            best_depth, best_type = depth, fields[2]
    return best_type


def is_shared(folder: Path, mounts: str | None = None) -> bool:
    """Return whether several hosts may see this folder through a network file system."""
    return file_system_type(folder, mounts) in SHARED_FILE_SYSTEMS


def is_writable(folder: Path) -> bool:
    """Return whether files may be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)
