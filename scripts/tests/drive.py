"""drive.py campaign|nightly ENGINES ARGUMENT...: runs it with the pretended engines in a folder."""

import pathlib
import sys

import support  # noqa: F401

import campaign
import engines
import nightly

script, folder, *arguments = sys.argv[1:]
engines.program_of = lambda name: pathlib.Path(folder) / name
engines.build = lambda *_: None
nightly.SLICE_SECONDS = 15
sys.exit({"campaign": campaign, "nightly": nightly}[script].main(arguments))
