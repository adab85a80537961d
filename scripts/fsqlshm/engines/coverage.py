"""Which lines of the core the fuzz corpora execute: scripts/fuzz all --coverage as a result document.

Finds nothing; it says where the fuzz targets do not look. It takes the time that it needs.
"""

import json
from collections.abc import Sequence

from fsqlshm import ROOT, command, engine, results
from fsqlshm.processes import Stopper

DESCRIPTION = engine.Description("coverage", __doc__, corpora=True)
COVERAGE = ROOT / "out" / "fuzz" / "coverage" / "coverage.json"


def main(arguments: Sequence[str]) -> int:
    options = engine.parse(DESCRIPTION, arguments)
    result = results.Result("fuzz", "lines covered")
    engine.say("coverage", "building and replaying the corpora")
    words = [ROOT / "scripts" / "fuzz", "all", "--coverage", "--corpus", options.out / "corpus"]
    if (code := Stopper().run(words, options.out / "coverage.log")) != results.CLEAN:
        raise results.CouldNotRun(f"scripts/fuzz ended with {code}, see {options.out / 'coverage.log'}")
    lines = json.loads(COVERAGE.read_text(encoding="utf-8"))
    result.counts = {"lines": lines["lines"], "lines_covered": lines["covered"]}
    result.headline = f"{lines['percent']:.1f} % of {lines['lines']} lines of the core"
    result.details = {"lines": lines}
    return result.write(options.out / "coverage.json")


if __name__ == "__main__":
    command.run("coverage", main)
