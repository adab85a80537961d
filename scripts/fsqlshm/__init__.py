"""The Python of the project: campaigns, nights, their reports, and the tools of the engines.

Commands in scripts/ run its modules with scripts/python.
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
