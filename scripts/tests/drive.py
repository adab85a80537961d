"""drive.py campaign|nightly ENGINES ARGUMENT...: runs it with the pretended engines in a folder.

With FSQLSHM_TEST_NO_REPORT it draws none, which takes longest.
"""

import os
import pathlib
import sys

import support  # noqa: F401  it says that no bytecode is written

from fsqlshm import campaign, command, engine, nightly, runner

script, folder, *arguments = sys.argv[1:]
engine.command_of = lambda name: [str(pathlib.Path(folder) / name)]
runner.bootstrap = lambda *_: None
# Of a commit while a test is at work the night would say that the code has changed.
campaign.commit = lambda: "commit"
runner.build = lambda *_, **__: None
nightly.SLICE_SECONDS = 15
if os.environ.get("FSQLSHM_TEST_NO_REPORT"):
    campaign.make_report = lambda folder: folder / "summary.json"
sys.argv = [script, *arguments]
command.run(script, {"campaign": campaign, "nightly": nightly}[script].main)
