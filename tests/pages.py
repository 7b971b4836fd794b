"""The pages of the documentation, and the blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
PAGES: Final = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
COMMANDS: Final = frozenset({"bash", "sh", "console", "python"})

_BLOCK: Final = re.compile(r"^(?:<!-- (?P<mark>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        language: of the opening fence.
        text: all lines.
        mark: the comment on the line before; empty without one.
        line: number of the opening fence, from 1.
    """

    language: str
    text: str
    mark: str
    line: int

    @property
    def is_command(self) -> bool:
        return self.language in COMMANDS

    @property
    def reason(self) -> str:
        """Why it is not run; empty where it is."""
        found = re.fullmatch(r"not run: (\w+).*", self.mark)
        return found[1] if found else ""

    def to_shell(self) -> list[str]:
        """A line of the shell for each of its own, the fences among them."""
        lines = self.text.splitlines()
        if self.language == "python":
            return ["python - <<'END'", *lines, "END"]
        if self.language == "console":  # the rest is output
            lines = [line.removeprefix("$ ") if line.startswith("$ ") else "" for line in lines]
        if self.mark == "refused":  # by the status of curl
            return ["set +e", *lines, "[ $? = 22 ] || exit 1; set -e"]
        return ["", *lines, ""]


def find_blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page from top to bottom."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        opening = text.count("\n", 0, found.start("language")) + 1
        yield Block(found["language"], found["text"], found["mark"] or "", opening)


def to_script(page: Path) -> str:
    """A page as a script of the shell with the same numbers of lines: all that is no command becomes empty lines."""
    script = [""] * len(page.read_text(encoding="utf-8").splitlines())
    for block in find_blocks(page):
        if block.is_command and not block.reason:
            lines = block.to_shell()
            script[block.line - 1 : block.line - 1 + len(lines)] = lines
    return "\n".join(script)
