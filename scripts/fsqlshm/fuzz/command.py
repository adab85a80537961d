"""Fuzzes, replays, reduces and measures the fuzz targets. See --help and fuzz/README.md."""

import argparse
import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

from fsqlshm import ROOT
from fsqlshm.fuzz import fuzzing


def parse(arguments):
    def fail(message):
        raise fuzzing.CouldNotRun(f"{message}; see --help")

    parser = argparse.ArgumentParser(
        prog="fuzz", allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Fuzzes one target, or all of them one after the other.",
        epilog="targets: " + ", ".join(fuzzing.TARGETS) + ", canary, schedule_reference\n"
        "The working corpus and what was found are in out/fuzz/TARGET.\n\n"
        "exit status: 0 nothing found, 1 something found, 2 could not run")
    parser.error = fail
    parser.add_argument("target", help="a target, or all")
    parser.add_argument("--minutes", type=float, default=1, help="for each target (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes for each target (default 1)")
    parser.add_argument("--seed", type=int, help="of the first process (default: random)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "asan",
                        help="build folder to take the programs from (default build/asan)")
    parser.add_argument("--only", metavar="DEFECT",
                        help="schedule_reference: look for this defect alone, D1 to D5")
    parser.add_argument("--replay", type=pathlib.Path, metavar="FILE",
                        help="run one input, and say what it does")
    parser.add_argument("--minimize", type=pathlib.Path, metavar="FILE",
                        help="make a failing input as plain as possible; writes FILE.reduced")
    parser.add_argument("--coverage", action="store_true",
                        help="line coverage of the library by the corpus, as HTML and JSON")
    parser.add_argument("--corpus", type=pathlib.Path, metavar="DIR",
                        help="with --coverage: also the inputs in DIR/TARGET")
    parser.add_argument("--measure", action="store_true",
                        help="executions per second beside those of an empty target")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results")
    parser.add_argument("--junit", type=pathlib.Path, metavar="FILE", help="write them as JUnit")
    options = parser.parse_args(arguments)
    known = dict(fuzzing.TARGETS)
    known[fuzzing.CANARY.name] = fuzzing.CANARY
    known[fuzzing.REFERENCE.name] = fuzzing.REFERENCE
    if options.target == "all":
        options.targets = list(fuzzing.TARGETS.values())
    elif options.target in known:
        options.targets = [known[options.target]]
    else:
        fail(f"there is no target '{options.target}'")
    if not 0 < options.minutes <= 7 * 24 * 60:
        fail("--minutes must be above 0 and at most 10080")
    if not 1 <= options.jobs <= 256:
        fail("--jobs must be from 1 to 256")
    if options.only is not None and not re.fullmatch("D[1-5]", options.only):
        fail("--only must be D1 to D5")
    if options.seed is None:
        options.seed = random.randrange(1, 1 << 31)
    if not 0 < options.seed < 1 << 31:
        fail("--seed must be from 1 to 2^31-1")
    tasks = [name for name in ("replay", "minimize", "coverage", "measure")
             if getattr(options, name)]
    if len(tasks) > 1:
        fail(f"--{tasks[0]} and --{tasks[1]} exclude each other")
    if len(options.targets) != 1 and (options.replay or options.minimize):
        fail("--replay and --minimize need one target")
    if options.only and options.targets != [fuzzing.REFERENCE]:
        fail("--only is for schedule_reference")
    if options.corpus and not options.coverage:
        fail("--corpus is for --coverage")
    for path in (options.json, options.junit):
        if path and not os.access(path.resolve().parent, os.W_OK):
            fail(f"cannot write {path}")
    return options


def replay_options(options, target):
    return ["--option", f"only={options.only}"] if options.only else []


def replay(options):
    program = fuzzing.binary(options.build, options.targets[0].name + "_replay")
    command = [program, *replay_options(options, options.targets[0]), "--explain", options.replay]
    code = subprocess.run(command, check=False).returncode
    return code if code in (0, 1, 2) else fuzzing.FOUND  # a crash is a finding


def minimize(options):
    target = options.targets[0]
    program = fuzzing.binary(options.build, target.name + "_replay")
    output = options.minimize.with_name(options.minimize.name + ".reduced")
    return subprocess.run([program, *replay_options(options, target), "--reduce", options.minimize,
                           "--output", output], check=False).returncode


def working_corpus(target):
    folder = ROOT / "out" / "fuzz" / target.name / "corpus"
    old = folder.with_name("corpus.old")
    if old.is_dir() and not folder.exists():  # a merge was killed between its two renames
        old.rename(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def alone(target):
    """Two runs at the same time would merge each other's corpus away."""
    with open(working_corpus(target).parent / "lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise fuzzing.CouldNotRun(f"{target.name} is being fuzzed already, in "
                                      f"{working_corpus(target).parent}") from None
        yield


def kept_inputs(target):
    """Seeds and regressions: read, never written."""
    folders = [fuzzing.CORPUS / target.name, fuzzing.CORPUS / "regressions" / target.name]
    return [folder for folder in folders if folder.is_dir()]


def merge(options, target, corpus):
    """The smallest part of the corpus with the same coverage takes its place."""
    before = sum(1 for _ in corpus.iterdir())
    fresh = corpus.with_name("corpus.merging")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    command = [fuzzing.binary(options.build, target.name), "-merge=1", f"-max_len={target.max_len}",
               fresh, *kept_inputs(target), corpus]
    with tempfile.TemporaryDirectory(prefix="fsqlshm-fuzz-merge-") as scratch:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False,
                              env=dict(os.environ, TMPDIR=scratch))
    if done.returncode != 0:  # an input that fails: the corpus stays as it is
        shutil.rmtree(fresh)
        return before, before
    old = corpus.with_name("corpus.old")
    shutil.rmtree(old, ignore_errors=True)
    corpus.rename(old)
    fresh.rename(corpus)
    shutil.rmtree(old)
    return before, sum(1 for _ in corpus.iterdir())


def fuzz_target(options, target, stop):
    corpus = working_corpus(target)
    crashes = corpus.parent / "crashes"
    started = fuzzing.now()
    must_find = target in (fuzzing.CANARY, fuzzing.REFERENCE)
    extra = [f"--only={options.only}"] if options.only else []
    folders = [corpus, *kept_inputs(target)]
    if must_find:  # from nothing
        folders = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(fuzzing.fuzz, options.build, target, options.minutes * 60,
                            (options.seed + i) % (1 << 31), folders, crashes, stop, extra,
                            must_find) for i in range(options.jobs)]
        total = fuzzing.Outcome()
        for run in runs:
            total.add(run.result())
            total.seconds = max(total.seconds, run.result().seconds)
    result = fuzzing.document(target, total, options.seed, {"seconds": options.minutes * 60},
                              started)
    if not must_find and not stop.requested.is_set():
        result["details"]["corpus_before_merge"], result["details"]["corpus_after_merge"] = merge(
            options, target, corpus)
    fuzzing.write_json(corpus.parent / "stats.json", result)
    print(f"{target.name}: {result['headline']}, coverage {total.coverage} edges, "
          f"{result['status'].replace('_', ' ')}")
    if target.name == "open_sealed":
        print(f"  past the checksum: {100 * fuzzing.accept_ratio(total):.1f} % of executions")
    for finding in result["findings"]:
        print(f"  {finding['severity']}: {finding['title']}\n    {finding['replay']}")
    if "reason" in result:
        print(f"  {result['reason']}")
    return result


def measure(options):
    """The targets and an empty one in turns, in executions per second of processor time, which a
    loaded machine changes less than the clock on the wall."""
    stop = fuzzing.Stopper()
    seconds = max(2.0, options.minutes * 60 / 4)
    rates = {}
    with tempfile.TemporaryDirectory(prefix="fsqlshm-measure-") as crashes:
        for _ in range(2):
            for target in (fuzzing.Target("empty", 512), *options.targets):
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                outcome = fuzzing.fuzz(options.build, target, seconds, options.seed, [], crashes,
                                       stop)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if outcome.error:
                    raise fuzzing.CouldNotRun(outcome.error)
                used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                rates.setdefault(target.name, []).append(outcome.executions / used)
    empty = max(rates["empty"])
    for name, rate in rates.items():
        print(f"{name}: {fuzzing.human(max(rate))} executions per CPU second, "
              f"{max(rate) / empty:.2f} of an empty target")
    return fuzzing.CLEAN


def explain(files):
    """The uncovered blocks of lines: those that fuzz/not_covered.txt explains, as pairs of the entry
    and the lines, and the others, as pairs of the file and the lines."""
    entries = []
    for line in (ROOT / "fuzz" / "not_covered.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            entries.append(dict(zip(("file", "text", "why"), line.split(" | "))))
    explained, unexplained = [], []
    for name, lines in sorted(files.items()):
        source = (ROOT / name).read_text(encoding="utf-8").splitlines()
        blocks = []
        for line in lines["uncovered"]:
            if blocks and line == blocks[-1][-1] + 1:
                blocks[-1].append(line)
            else:
                blocks.append([line])
        for block in blocks:
            text = "\n".join(source[line - 1] for line in block)
            entry = next((e for e in entries if e["file"] == name and e["text"] in text), None)
            if entry:
                explained.append((entry, block))
            else:
                unexplained.append((name, block))
    return explained, unexplained


def coverage(options):
    build = ROOT / "build" / "coverage"
    out = ROOT / "out" / "fuzz" / "coverage"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    names = [t.name for t in options.targets]
    if options.target == "all":
        names.append(fuzzing.REFERENCE.name)
    programs = [f"{name}_replay" for name in names]
    for command in (["cmake", "--preset", "coverage"],
                    ["cmake", "--build", build, "--target", *programs]):
        with open(out / "build.log", "ab") as log:
            if subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=False).returncode:
                raise fuzzing.CouldNotRun(f"the coverage build failed, see {out}/build.log")
    profiles = []
    for name, program in zip(names, programs):
        # The defects of the reference protocol are found; that is what it is for.
        source = fuzzing.Target("schedule", 128) if name == fuzzing.REFERENCE.name else \
            fuzzing.Target(name, 0)
        folders = [working_corpus(source), *kept_inputs(source)]
        if options.corpus and (options.corpus / source.name).is_dir():
            folders.append(options.corpus / source.name)
        folders = [f for f in folders if any(f.iterdir())]
        profile = out / f"{name}.profraw"
        with tempfile.TemporaryDirectory(prefix="fsqlshm-coverage-") as scratch:
            done = subprocess.run([build / "fuzz" / program, "--quiet", *folders], check=False,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=dict(os.environ, LLVM_PROFILE_FILE=str(profile),
                                           TMPDIR=scratch))
        if done.returncode not in (0, 1) or not profile.exists():
            raise fuzzing.CouldNotRun(f"{program} ended with {done.returncode}")
        profiles.append(profile)
    data = out / "merged.profdata"
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", *profiles, "-o", data], check=True)
    objects = [str(build / "fuzz" / programs[0])]
    for program in programs[1:]:
        objects += ["-object", str(build / "fuzz" / program)]
    sources = [str(ROOT / "core" / "include"), str(ROOT / "core" / "src")]
    common = [f"-instr-profile={data}", *objects]
    with open(out / "build.log", "ab") as log:
        subprocess.run(["llvm-cov-19", "show", "-format=html", f"-output-dir={out}/html",
                        "-show-line-counts-or-regions", *common, *sources], check=True,
                       stdout=subprocess.DEVNULL, stderr=log)
        # Line by line. The summary would take the best instantiation of a template, not all of them.
        lcov = subprocess.run(["llvm-cov-19", "export", "-format=lcov", *common, *sources],
                              check=True, stdout=subprocess.PIPE, stderr=log, text=True).stdout
    files = {}
    for part in lcov.split("end_of_record"):
        name = re.search(r"^SF:(.*)$", part, re.MULTILINE)
        lines = re.findall(r"^DA:(\d+),(\d+)$", part, re.MULTILINE)
        if not name or not lines:
            continue
        missed = [int(line) for line, times in lines if times == "0"]
        files[str(pathlib.Path(name[1]).relative_to(ROOT))] = {
            "count": len(lines), "covered": len(lines) - len(missed),
            "percent": 100 * (len(lines) - len(missed)) / len(lines), "uncovered": missed}
    explained, unexplained = explain(files)
    count = sum(f["count"] for f in files.values())
    covered = sum(f["covered"] for f in files.values())
    for name, lines in sorted(files.items()):
        print(f"{lines['covered']:5d} of {lines['count']:5d} lines  {lines['percent']:6.2f} %  {name}")
    for entry, lines in explained:
        print(f"not covered, {len(lines):2d} lines: {entry['file']}:{lines[0]}: {entry['why']}")
    for name, lines in unexplained:
        print(f"not covered and not explained: {name}:{lines[0]} to {lines[-1]}")
    percent = 100 * covered / count
    print(f"{covered:5d} of {count:5d} lines  {percent:6.2f} %  in all; {out}/html/index.html")
    fuzzing.write_json(out / "coverage.json", {"lines": count, "covered": covered,
                                               "percent": percent, "files": files,
                                               "explained": sum(len(l) for _, l in explained),
                                               "unexplained": sum(len(l) for _, l in unexplained)})
    return fuzzing.CLEAN


def main(arguments):
    options = parse(arguments)
    if options.replay:
        return replay(options)
    if options.minimize:
        return minimize(options)
    if options.measure:
        return measure(options)
    if options.coverage:
        return coverage(options)
    for target in options.targets:
        fuzzing.binary(options.build, target.name)
    stop = fuzzing.Stopper()
    results = []
    for target in options.targets:
        if stop.requested.is_set():
            break
        fuzzing.say(f"fuzz: {target.name} for {options.minutes:g} min, seed {options.seed}")
        with alone(target):
            results.append(fuzz_target(options, target, stop))
    if options.json:
        fuzzing.write_json(options.json, results[0] if len(results) == 1 else results)
    if options.junit:
        options.junit.write_text(fuzzing.junit(results), encoding="utf-8")
    status = fuzzing.exit_status(results)
    if stop.requested.is_set() and status == fuzzing.CLEAN:
        raise fuzzing.CouldNotRun("interrupted; nothing found until then")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except fuzzing.CouldNotRun as error:
        print(f"fuzz: {error}", file=sys.stderr)
        sys.exit(fuzzing.COULD_NOT_RUN)
    except OSError as error:
        print(f"fuzz: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(fuzzing.COULD_NOT_RUN)
    except subprocess.CalledProcessError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        sys.exit(fuzzing.COULD_NOT_RUN)
