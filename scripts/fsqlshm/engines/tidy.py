"""clang-tidy over every source, for a nightly run: scripts/test looks only at what changed."""

import concurrent.futures
import os
import random
import subprocess
import time
from collections.abc import Sequence

from fsqlshm import ROOT, command, engine, processes, tidy
from fsqlshm.results import Result

DESCRIPTION = engine.Description("tidy", __doc__)


def configured() -> bool:
    """Whether there is a compilation database to go by."""
    done = subprocess.run(["cmake", "--preset", "release-clang"], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def look_at(files: Sequence[str], result: Result, seconds: float) -> None:
    """Adds a finding for each complaint about `files`, as far as there is time."""
    deadline = time.monotonic() + seconds
    signals = processes.Stopper()
    seen: set[tidy.Diagnostic] = set()
    done = 0

    def one(file: str) -> tuple[int, str] | None:
        late = signals.requested or time.monotonic() > deadline
        return None if late else tidy.check(file)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, answer in zip(files, pool.map(one, files)):
            if answer is None:
                continue
            done += 1
            engine.say("tidy", f"{done} of {len(files)} sources")
            code, output = answer
            found = set(tidy.diagnostics(output))
            if code != 0 and not found:
                result.find("violation", "clang-tidy", f"{file}: clang-tidy failed", detail=output)
            for one_found in sorted(found - seen):  # a header's are seen from every source
                place = {"file": one_found.file, "line": one_found.line}
                replay = f"clang-tidy-19 -p build/release-clang {file}"
                title = f"{one_found.file}: {one_found.text}"
                result.find("violation", f"clang-tidy {one_found.check}", title, replay=replay, source=place)
            seen |= found
    result.counts = {"sources": done, "complaints": len(seen)}
    result.headline = f"{done} sources, {len(seen)} complaints"
    if done < len(files):
        result.reason = "interrupted" if signals.requested else f"time for {done} of {len(files)} sources only"


def main(arguments: Sequence[str]) -> int:
    options = engine.parse(DESCRIPTION, arguments)
    result = Result("tidy", "every source", seed=options.seed, budget={"seconds": options.seconds})
    index, count = (int(part) for part in options.shard.split("/"))
    files = tidy.sources()[index - 1 :: count]
    # If there is not time for all, another seed looks at others.
    random.Random(options.seed).shuffle(files)
    if configured():
        look_at(files, result, options.seconds)
    else:
        result.reason = "cmake --preset release-clang failed"
    return engine.worst([result.write(options.out / "tidy.json")])


if __name__ == "__main__":
    command.run("tidy", main)
