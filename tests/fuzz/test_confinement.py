"""What reads uploads reaches nothing: whatever code a file might smuggle into a parser, it would run in here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from rm_engine.errors import InputError
from service.reading import MAX_ANSWER_BYTES
from service.sandbox import Sandbox

ATTEMPTS = {
    "read a file": "open('/etc/hostname')",
    "write a file": "open(sys.argv[1] + '/made', 'w')",
    "make a folder": "os.mkdir(sys.argv[1] + '/made')",
    "delete a file": "os.unlink(sys.argv[1] + '/kept')",
    "list a folder": "os.listdir('/')",
    "open a socket": "_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)",
    "open a local socket": "_socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)",
    "open a pipe": "os.pipe()",
    "fork": "os.fork()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal another process": "os.kill(os.getppid(), 0)",
    "get more files": "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))",
    "get more memory": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
}
PROGRAM = """
import _socket, json, os, resource, sys
from service import confinement
if sys.argv[2] == "limits":
    confinement._ARCHITECTURES.clear()
confinement.limit(10, 2**30, 2**20)
confinement.seal()
done = {}
for what, how in json.load(sys.stdin).items():
    try:
        exec(how)
        done[what] = True
    except (OSError, ValueError):
        done[what] = False
list(range(10**6))
json.dump(done, sys.stdout)
"""


DESCRIPTORS = {"read a file", "write a file", "list a folder", "open a socket", "open a local socket", "open a pipe"}
ELEMENT_999 = (
    '{"numbers": [999], "positions": [[0,0,0]], "cell": [[1,0,0],[0,1,0],[0,0,1]], "periodic": [true,true,true]}'
)


def attempt(what: Iterable[str], folder: Path, measure: str) -> set[str]:
    """Those that a sealed process succeeds in."""
    (folder / "kept").touch()
    command = [sys.executable, "-c", PROGRAM, str(folder), measure]
    attempts = json.dumps({name: ATTEMPTS[name] for name in what})
    child = subprocess.run(command, input=attempts, capture_output=True, text=True, check=True)
    return {what for what, is_done in json.loads(child.stdout).items() if is_done}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs seccomp filters")
def test_a_sealed_process_reaches_nothing(tmp_path: Path) -> None:
    assert attempt(ATTEMPTS, tmp_path, "filter") == set()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_limits_alone_keep_files_and_network_away(tmp_path: Path) -> None:
    """On other systems, and where the kernel has no filters."""
    assert attempt(DESCRIPTORS, tmp_path, "limits") == set()


def test_a_child_has_neither_our_environment_nor_our_descriptors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Told by a program that takes the place of the interpreter."""
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path}/environment\nls -l /proc/self/fd > {tmp_path}/descriptors\n")
    spy.chmod(0o755)
    monkeypatch.setenv("RMATCH_DATABASE_URL", "postgresql://user:secret@db/rmatch")
    monkeypatch.setattr(sys, "executable", str(spy))
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(secret, True)
    with pytest.raises(InputError, match="broke off"):
        Sandbox(seconds=5, memory_bytes=2**30).parse("text", "cif")
    os.close(secret)
    environment = (tmp_path / "environment").read_text()
    assert "secret" not in environment
    assert "PYTHONPATH" in environment
    assert "secret" not in (tmp_path / "descriptors").read_text()


@pytest.mark.parametrize(
    "answer",
    [
        "while :; do echo '[[[[[[[[[[[[[[[[[[[[[[[[[[[['; done",
        "echo '[]'",
        f"echo '[{ELEMENT_999}]'",
        "echo '{\"code\": 5}'",
        "sleep 60",
        "kill -9 $$",
    ],
    ids=["endless", "nothing", "element 999", "half an error", "silence", "killed"],
)
def test_a_child_that_lies_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str) -> None:
    impostor = tmp_path / "impostor"
    impostor.write_text(f"#!/bin/sh\nulimit -f {MAX_ANSWER_BYTES // 512}\n{answer}\n")
    impostor.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(impostor))
    with pytest.raises(InputError, match="broke off"):
        Sandbox(seconds=1, memory_bytes=2**30).parse("text", "cif")
