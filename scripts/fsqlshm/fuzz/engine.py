"""The fuzz targets within a time budget, two at a time. See --help.

First what must be found: the regressions of the published protocol, the planted fault of the canary
from nothing, and D3, D4 and D5: from nothing if there is time for that, else from the seeds. Then every
target gets its share of what is left. What is not found although there was time makes the run blind.
"""

import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile
import time

from fsqlshm import ROOT, engine
from fsqlshm.fuzz import fuzzing

DESCRIPTION = engine.Description("fuzz", __doc__, corpora=True, planted="canary")
JOBS = 2
# What the canary and a defect get at most from nothing, and from when on a miss counts.
CANARY_SECONDS, CANARY_JUDGED_FROM = 60, 10
DEFECT_SECONDS = 120
# From the seeds a defect takes seconds.
SEEDED_JUDGED_FROM = 30


def parse(arguments):
    options = engine.parse(DESCRIPTION, arguments)
    # Shards differ in their seeds; libFuzzer's are below 2^32.
    options.seed = (options.seed * 1000003 + int(options.shard.split("/")[0])) % (1 << 31) or 1
    return options


def replay_known(build):
    """Old findings must fail as before, and what was repaired must not: instantly."""
    problems = []
    for defect in ("D1", "D2", "D3", "D4", "D5"):
        command = [fuzzing.binary(build, "schedule_reference_replay"), "--quiet",
                   fuzzing.CORPUS / "regressions" / "schedule_reference" / defect, "--option",
                   f"only={defect}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != fuzzing.FOUND or f": {defect}:" not in done.stderr:
            problems.append(f"the kept input of {defect} does not fail any more")
    return problems


def must_find(build, target, seconds, judged_from, expected, options, stop, extra=(), seeds=()):
    """A run that has to find `expected`, from nothing or from `seeds`; a miss is blindness if it had
    the time."""
    started = fuzzing.now()
    crashes = options.out / "found" / target.name
    with tempfile.TemporaryDirectory(prefix="fsqlshm-fuzz-") as scratch:  # for what the engine adds
        outcome = fuzzing.fuzz(build, target, seconds, options.seed,
                               [scratch, *seeds] if seeds else [], crashes, stop, extra, True)
    result = fuzzing.document(target, outcome, options.seed, {"seconds": seconds}, started,
                              expected)
    found = any(f["severity"] == "expected" for f in result["findings"])
    result["details"]["found_after_seconds"] = outcome.seconds if found else None
    what = "planted fault" if target.name == "canary" else expected.rstrip(":")
    origin = "the seeds" if seeds else "nothing"
    if found:
        result["headline"] = f"{what} found after {outcome.seconds:.1f} s from {origin}"
    elif seconds >= judged_from and not stop.requested.is_set() and not outcome.error:
        result["findings"].append({
            "severity": "vacuous", "property": "sight", "title": f"blind: {what} not found",
            "detail": f"{outcome.executions} executions in {outcome.seconds:.0f} s from {origin} did "
                      "not find what is known to be there.",
            "replay": f"scripts/fuzz {target.name} --minutes 2", "artefacts": []})
        result["status"] = "found"
    else:
        result["headline"] = (f"{what}: not looked for long enough, {outcome.seconds:.0f} s of the "
                              f"{judged_from} s from {origin} after which a miss counts")
    return result


def main(arguments):
    options = parse(arguments)
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    build = ROOT / "build" / "asan"
    for target in (*fuzzing.TARGETS.values(), fuzzing.CANARY, fuzzing.REFERENCE):
        fuzzing.binary(build, target.name)
    stop = fuzzing.Stopper()
    start = time.monotonic()
    results = []

    def keep(name, result):
        fuzzing.write_json(options.out / f"fuzz-{name}.json", result)
        fuzzing.say(f"fuzz: {time.monotonic() - start:.0f} s, {name}: {result['headline']}")
        results.append(result)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        # Sight first.
        problems = replay_known(build)
        canary = min(CANARY_SECONDS, options.seconds / 4)
        defect = min(DEFECT_SECONDS, options.seconds / 8)
        sights = {"canary": pool.submit(must_find, build, fuzzing.CANARY, canary,
                                        CANARY_JUDGED_FROM,
                                        "open: expected invalid_page_size, found accept", options,
                                        stop)}
        from_nothing = defect >= DEFECT_SECONDS
        for name in ("D3", "D4", "D5"):
            sights[f"reference-{name}"] = pool.submit(
                must_find, build, fuzzing.REFERENCE, defect,
                DEFECT_SECONDS if from_nothing else SEEDED_JUDGED_FROM, f"{name}:", options, stop,
                [f"--only={name}"], [] if from_nothing else [fuzzing.CORPUS / "schedule"])
        for name, sight in sights.items():
            result = sight.result()
            if name == "canary":
                for problem in problems:
                    result["findings"].append({
                        "severity": "vacuous", "property": "sight", "title": problem,
                        "detail": problem, "replay": "ctest -L fuzz", "artefacts": []})
                    result["status"] = "found"
            keep(name, result)

        # The targets share what is left, heavy ones first so that both jobs end together.
        left = max(1.0 * len(fuzzing.TARGETS), options.seconds - (time.monotonic() - start)) * JOBS
        weights = sum(t.weight for t in fuzzing.TARGETS.values())

        def attack(target):
            started = fuzzing.now()
            # Never asked to do more than is left, however long what came before took.
            share = min(left * target.weight / weights,
                        max(2.0, options.seconds - (time.monotonic() - start)))
            corpus = [fuzzing.CORPUS / target.name, fuzzing.CORPUS / "regressions" / target.name]
            outcome = fuzzing.fuzz(build, target, share, options.seed,
                                   [options.out / "corpus" / target.name] +
                                   [folder for folder in corpus if folder.is_dir()],
                                   options.out / "crashes" / target.name, stop)
            return target, fuzzing.document(target, outcome, options.seed, {"seconds": share},
                                            started)

        for target in fuzzing.TARGETS.values():
            (options.out / "corpus" / target.name).mkdir(parents=True, exist_ok=True)
        heavy_first = sorted(fuzzing.TARGETS.values(), key=lambda t: -t.weight)
        for done in concurrent.futures.as_completed(pool.submit(attack, t) for t in heavy_first):
            target, result = done.result()
            keep(target.name, result)
    return fuzzing.exit_status(results)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (fuzzing.CouldNotRun, OSError) as error:
        print(f"fuzz: {error}", file=sys.stderr)
        sys.exit(fuzzing.COULD_NOT_RUN)
