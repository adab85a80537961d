"""clang-tidy over every source, for a nightly run: scripts/test looks only at what changed."""

import random
import subprocess
import time
from collections.abc import Sequence

from fsqlshm import ROOT, command, engine, tidy
from fsqlshm.processes import Stopper
from fsqlshm.results import Result

DESCRIPTION = engine.Description("tidy", __doc__)


def look_at(files: Sequence[str], result: Result, seconds: float) -> None:
    """Adds a finding for each complaint about `files`, as far as there is time."""
    deadline, stop = time.monotonic() + seconds, Stopper()
    seen: set[tidy.Diagnostic] = set()
    done = 0
    for file, output in tidy.check(files, lambda: not stop.requested and time.monotonic() <= deadline):
        done += 1
        engine.say("tidy", f"{done} of {len(files)} sources")
        found = tidy.diagnostics(output)
        if output and not found:
            result.find("violation", "clang-tidy", f"{file}: clang-tidy failed", detail=output)
        for one in sorted(found - seen):  # a header's are seen from every source
            place = {"file": one.file, "line": one.line}
            replay = f"clang-tidy-19 -p build/release-clang {file}"
            title = f"{one.file}: {one.text}"
            result.find("violation", f"clang-tidy {one.check}", title, replay=replay, source=place)
        seen |= found
    result.counts = {"sources": done, "complaints": len(seen)}
    result.headline = f"{done} sources, {len(seen)} complaints"
    if done < len(files):
        result.reason = "interrupted" if stop.requested else f"time for {done} of {len(files)} sources only"


def main(arguments: Sequence[str]) -> int:
    options = engine.parse(DESCRIPTION, arguments)
    result = Result("tidy", "every source", seed=options.seed, budget={"seconds": options.seconds})
    index, count = (int(part) for part in options.shard.split("/"))
    files = tidy.sources()[index - 1 :: count]
    # If there is not time for all, another seed looks at others.
    random.Random(options.seed).shuffle(files)
    # There has to be a compilation database to go by.
    configure = ["cmake", "--preset", "release-clang"]
    if subprocess.run(configure, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        look_at(files, result, options.seconds)
    else:
        result.reason = f"{' '.join(configure)} failed"
    return engine.worst([result.write(options.out / "tidy.json")])


if __name__ == "__main__":
    command.run("tidy", main)
