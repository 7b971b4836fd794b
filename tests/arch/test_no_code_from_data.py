"""Nothing that is read becomes code: no pickle, no evaluation, no shell, in any of the packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for package in ("rm_engine", "service", "worker", "rmatch") for path in (ROOT / package).rglob("*.py")]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle", "code"}
CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "torch.jit.load", "torch.hub.load", "numpy.load", "np.load",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "pandas.read_pickle",
    "subprocess.getoutput", "subprocess.getstatusoutput",
}  # fmt: skip
KEYWORDS = {"shell": True, "allow_pickle": True, "weights_only": False}


def find_offences(source: str) -> Iterator[str]:
    """What of a module could make code of data."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            if (name := ast.unparse(node.func)) in CALLS:
                yield name
            for keyword in node.keywords:
                if keyword.arg in KEYWORDS and getattr(keyword.value, "value", None) is KEYWORDS[keyword.arg]:
                    yield f"{keyword.arg}={KEYWORDS[keyword.arg]}"


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 200


def test_no_data_becomes_code() -> None:
    found = {str(path.relative_to(ROOT)): list(find_offences(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert {path: offences for path, offences in found.items() if offences} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal",
        "from pickle import loads",
        "import cloudpickle.cloudpickle",
        "eval(text)",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(command, shell=True)",
        "torch.anything(path, weights_only=False)",
        "yaml.load(stream)",
        "def f():\n    exec(text)",
    ],
)
def test_an_offence_is_noticed(source: str) -> None:
    assert list(find_offences(source))


@pytest.mark.parametrize("source", ["model.eval()", "re.compile(x)", "yaml.safe_load(x)", "run(x, shell=False)"])
def test_what_only_looks_like_one_is_none(source: str) -> None:
    assert not list(find_offences(source))
