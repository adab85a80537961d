"""Turns the folder of a campaign into a report. Called by scripts/report and at the end of a campaign.

Reads summary.json (written by campaign.py, nightly.py or merge.py) and nothing else, so every number in the report
comes from there.
"""

import os
import pathlib
from collections.abc import Sequence

from fsqlshm import command, files, junit, results
from fsqlshm.report import sarif
from fsqlshm.report.page import markdown, page

NAME = "report.html"
HELP = (
    "Makes a report of the folder of a campaign: report.html (one file, nothing else needed to read it), junit.xml,\n"
    "summary.md (for a CI step's summary) and report.sarif.",
    "Exit status: 0 written, 2 could not be written.",
)


def write(folder: pathlib.Path, out: pathlib.Path | None = None) -> None:
    """Writes the report's files. Raises BadDocument."""
    out = out or folder
    summary = results.load_summary(folder / "summary.json")
    texts = {
        NAME: page(summary),
        "junit.xml": junit.text(summary["results"]),
        "summary.md": markdown(summary),
        "report.sarif": sarif.text(summary),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        files.write_text(out / name, text)


def main(arguments: Sequence[str]) -> int:
    parser = command.Parser("scripts/report", *HELP)
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path, help="a campaign's, with a summary.json")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="where the files go (default: the same)")
    options = parser.parse_args(arguments)
    write(options.folder, options.out)
    print(os.path.relpath((options.out or options.folder) / NAME), flush=True)
    return results.CLEAN


if __name__ == "__main__":
    command.run("report", main)
