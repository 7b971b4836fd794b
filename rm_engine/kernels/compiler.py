"""Compile the C kernel for one configuration, once per machine.

A compiled file is kept in the user's cache and found again by the hash of everything that went into it: sources,
options, compiler and processor. Where there is no compiler, or it fails, there is no kernel, and the plain path does
the work.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_SOURCES: Final = Path(__file__).parent / "source"
_COMPILERS: Final = ("cc", "gcc", "clang")
_OPTIONS: Final = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-std=gnu11", "-shared", "-fPIC")
_TIMEOUT: Final = 120
"""Seconds; it takes one or two."""

_log = logging.getLogger(__name__)


@functools.cache
def compile_kernel(source: str, constants: tuple[tuple[str, str], ...] = ()) -> ctypes.CDLL | None:
    """A kernel with these preprocessor constants, or None where it cannot be had; the reason is logged once."""
    compiler = _find_compiler()
    if compiler is None:
        return None
    options = [*_OPTIONS, *(f"-D{name}={value}" for name, value in constants)]
    try:
        path = _cache() / f"{source}-{_fingerprint(compiler, options)}.so"
        return _load(path) or _compile(compiler, options, source, path)
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stderr", None) or ""
        _log.warning("no compiled kernel (%s %s): the slower plain path is taken", error, output[-500:])
        return None


@functools.cache
def _find_compiler() -> str | None:
    """Path of the compiler; that there is none is logged once."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        _log.warning("no C compiler (%s): structures are relaxed on the slower plain path", ", ".join(_COMPILERS))
    return compiler


def _load(path: Path) -> ctypes.CDLL | None:
    """The library of a file; None where there is none, or none that can be loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def _compile(compiler: str, options: list[str], source: str, path: Path) -> ctypes.CDLL:
    """Compile to a file of its own first, so that nobody ever loads half a library."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        command = [compiler, *options, str(_SOURCES / f"{source}.c"), "-o", str(built), "-lm"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)  # noqa: S603
        built.replace(path)
    return ctypes.CDLL(str(path))


def _fingerprint(compiler: str, options: list[str]) -> str:
    digest = hashlib.sha256()
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.read_bytes())
    found = os.stat(compiler)
    digest.update(repr((options, os.path.realpath(compiler), found.st_size, found.st_mtime_ns, _processor())).encode())
    return digest.hexdigest()[:32]


def _processor() -> str:
    """What the processor can do: a home folder may be shared between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {line.partition(":")[0].strip(): line for line in lines}
    return "".join(told.get(key, "") for key in ("flags", "Features", "model name")) or platform.processor()


@functools.cache
def _cache() -> Path:
    """A folder that only this user can write: what lies in it is loaded and run. Else one for this process alone."""
    try:
        folder = Path.home() / ".cache" / "rm_engine"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
        if (
            found.st_uid == os.getuid()
            and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            and os.access(folder, os.W_OK)
        ):
            return folder
        _log.info("kernels are not kept in %s: others can write there, or this user cannot", folder)
    except (OSError, RuntimeError) as error:
        _log.info("no cache for compiled kernels: %s", error)
    return Path(_temporary_folder().name)


@functools.cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="rm_engine-")
