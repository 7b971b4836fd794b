"""Takes away from the process that calls it what reading a text does not need: memory, time, files, the network.

Resource limits hold on every POSIX system: without descriptors there is neither file nor socket. On Linux a seccomp
filter comes on top, which needs no privilege: all that the process may still ask of the kernel is memory, the
descriptors that are open, and its end.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import resource
import struct
from collections.abc import Sequence
from typing import Final

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What the kernel calls the system calls of a machine (AUDIT_ARCH of linux/audit.h)."""

_ALLOWED: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "exit": (60, 93),
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}
"""The system calls that stay, with their numbers on each of the architectures."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_LET_PASS: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def limit(seconds: int, memory_bytes: int, file_bytes: int) -> None:
    """Bound the process's CPU time, address space and the length of what it writes into files; it leaves no core."""
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def seal() -> None:
    """Let the process open nothing any more, no file and no socket, and start no other; what is open stays.

    To be called once everything is imported, with a single thread: the filter holds for the calling one.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    machine = platform.machine()
    if platform.system() == "Linux" and machine in _ARCHITECTURES:
        column = list(_ARCHITECTURES).index(machine)
        _filter_syscalls(_ARCHITECTURES[machine], [numbers[column] for numbers in _ALLOWED.values()])


def _filter_syscalls(architecture: int, allowed: Sequence[int]) -> None:
    """Let the kernel answer every system call but the allowed ones with EPERM; one built without filters does not."""
    n = len(allowed)
    program = b"".join(
        struct.pack("HBBI", *instruction)  # operation, instructions to skip if true, if false, operand
        for instruction in (
            (_LOAD, 0, 0, 4),  # seccomp_data.arch
            (_JUMP_IF_EQUAL, 0, n + 1, architecture),
            (_LOAD, 0, 0, 0),  # seccomp_data.nr
            *((_JUMP_IF_EQUAL, n - k, 0, number) for k, number in enumerate(allowed)),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _LET_PASS),
        )
    )
    instructions = ctypes.create_string_buffer(program)
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, None, 0, 0)
    filter_ = _Program(n + 5, ctypes.addressof(instructions))
    prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filter_), 0, 0)
