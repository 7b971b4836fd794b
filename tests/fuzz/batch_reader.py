"""The child of ``service.sandbox``, but for many files one after the other: a line of JSON in, a line of JSON out.

Importing the parsers takes a hundred times as long as reading a file. Limits, seal and reading are the service's own;
what the sandbox would see as a child that broke off is told by the name of the exception here.
"""

from __future__ import annotations

import json
import sys
import time

from rm_engine.files import FORMATS
from service.confinement import limit, seal
from service.reading import MAX_ANSWER_BYTES, answer, load_parser
from service.settings import Settings


def main() -> None:
    limit(3600, Settings().sandbox_memory_bytes, MAX_ANSWER_BYTES)
    for format_ in FORMATS:
        load_parser(format_)
    seal()
    for line in sys.stdin:
        start = time.process_time()
        try:
            said = answer(*json.loads(line))
        except Exception as error:  # noqa: BLE001  whatever it is, it is to be told
            said = {"code": "broke off", "reason": repr(error)[:500]}
        print(json.dumps([said, time.process_time() - start]), flush=True)


if __name__ == "__main__":
    main()
