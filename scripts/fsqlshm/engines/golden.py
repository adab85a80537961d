"""The golden vectors of the Rust original, replayed on both protocols. They need no time worth mentioning."""

import sys
from collections.abc import Sequence

from fsqlshm import ROOT, command, engine, processes

DESCRIPTION = engine.Description("golden", __doc__)


def main(arguments: Sequence[str]) -> int:
    options = engine.parse(DESCRIPTION, arguments)
    stop = processes.Stopper()
    program = ROOT / "build" / "release" / "core" / "tools" / "fsqlshm-golden"
    words = [program, ROOT / "corpus" / "golden", "--json", options.out / "golden.json"]
    return engine.worst([stop.wait(stop.start(words, stdout=sys.stderr))])


if __name__ == "__main__":
    command.run("golden", main)
