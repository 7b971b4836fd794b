"""``python -m rmatch``."""

from rmatch.main import main

main()
