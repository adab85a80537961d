"""Turns the folder of a campaign into a report. Called by scripts/report and at the end of a campaign.

Reads summary.json (written by campaign.py, nightly.py or merge.py) and nothing else, so every number in the report
comes from there.
"""

import argparse
import os
import pathlib
import sys

from fsqlshm import files, junit, results
from fsqlshm.report import sarif
from fsqlshm.report.page import markdown, page
from fsqlshm.schema import BadDocument

NAME = "report.html"


def write(folder: pathlib.Path, out: pathlib.Path | None = None) -> results.Summary:
    """Writes the report's files; returns the summary that they show. Raises BadDocument."""
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
    return summary


def main(arguments: list[str]) -> int:
    """The command line of scripts/report."""
    parser = argparse.ArgumentParser(
        prog="scripts/report",
        allow_abbrev=False,
        description="Makes a report of the folder of a campaign: report.html (one file, nothing else needed to "
        "read it), junit.xml, summary.md (for a CI step's summary) and report.sarif.",
        epilog="Exit status: 0 written, 2 could not be written.",
    )
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path, help="a campaign's, with a summary.json")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="where the files go (default: the same)")
    options = parser.parse_args(arguments)
    try:
        write(options.folder, options.out)
        print(os.path.relpath((options.out or options.folder) / NAME), flush=True)
    except (BadDocument, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
