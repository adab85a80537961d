"""scripts/mutants: which engine finds which fault of the library. See harness/mutants/README.md."""

import argparse
import pathlib
import sys
import time
from collections.abc import Sequence

from fsqlshm import ROOT, command, files, limits, results
from fsqlshm.mutants import attacks, explained, matrix, run, schemata, survey, workshop
from fsqlshm.mutants.ledger import Ledger
from fsqlshm.mutants.mutant import Mutant
from fsqlshm.mutants.operators import OPERATORS
from fsqlshm.processes import Stopper, locked
from fsqlshm.results import CouldNotRun, Result
from fsqlshm.text import table

OUT = ROOT / "out" / "mutants"
NAMES = [engine.name for engine in attacks.ENGINES]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser(
        "scripts/mutants",
        "Makes one fault at a time in the library, and says which engine finds it.",
        f"classes: {', '.join(OPERATORS)}\nengines, cheapest first: {', '.join(NAMES)}\n"
        "What was judged is in DIR/judged-I-of-N.jsonl; the same command goes on from there.\n\n"
        "exit status: 0 every mutant is killed or explained, 1 one survives, 2 could not run",
    )
    add = parser.add_argument
    add("--list", action="store_true", help="name the mutants")
    add("--mutant", metavar="ID", help="show one, and attack it with every engine")
    add("--file", metavar="PATH", help="only those of files whose path begins so: core/src/draft.cc")
    add("--class", dest="operator", choices=OPERATORS, metavar="CLASS", help="only those of one class")
    add("--sample", type=command.number(int, 1, 10**6), metavar="N", help="only so many, always the same")
    add("--engines", type=lambda text: text.split(","), metavar="A,B", help="only these; a survivor is no finding then")
    add("--first-kill", action="store_true", help="no engine follows one that killed the mutant")
    add("--alone", action="store_true", help="build each mutant by itself, as --mutant does, not many at once")
    jobs = "mutants that are attacked at the same time (default: one for each processor); much of an attack waits"
    add("--jobs", type=command.number(int, 1, 256), default=limits.processors(), metavar="N", help=jobs)
    add("--minutes", type=command.number(float, 0.01, 1e5), metavar="N", help="time for all (default: no end)")
    add("--shard", type=command.shard, default="1/1", metavar="I/N", help="part I of N of the mutants")
    add("--out", type=pathlib.Path, default=OUT, metavar="DIR", help="for builds and results (default out/mutants)")
    add("--json", type=command.output, metavar="FILE", help="write the result")
    options = parser.parse_args(arguments)
    for name in options.engines or []:
        if name not in NAMES:
            parser.error(f"there is no engine '{name}', but {', '.join(NAMES)}")
    return options


def chosen(options: argparse.Namespace) -> list[Mutant]:
    mutants = survey.kept(options.out)
    if lost := explained.unknown(explained.read(), mutants):
        raise CouldNotRun(f"{explained.LIST} names mutants that there are not: {', '.join(lost)}")
    if options.mutant:
        mutants = [one for one in mutants if one.id == options.mutant]
        if not mutants:
            raise CouldNotRun(f"there is no mutant '{options.mutant}'")
    if options.file:
        mutants = [one for one in mutants if one.file.startswith(options.file)]
    if options.operator:
        mutants = [one for one in mutants if one.operator == options.operator]
    if options.list:
        return run.share(mutants, options.shard)
    return run.share(run.drawn(mutants), options.shard)[: options.sample]


def attack(
    result: Result, mutants: Sequence[Mutant], options: argparse.Namespace, stop: Stopper, seed: int = 0
) -> None:
    """Judges as many as there is time for (options.minutes, or no end)."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    index, _, count = options.shard.partition("/")
    out: pathlib.Path = options.out.resolve()
    engines = [one for one in attacks.ENGINES if not options.engines or one.name in options.engines]
    deadline = time.monotonic() + (options.minutes * 60 if options.minutes else 1e9)
    with locked(out / f"lock-{index}", f"another run is at work in {out}"):
        files_now = workshop.sources(ROOT)
        tree = workshop.Tree(out / f"tree-{index}", stop, engines)
        many = None if options.alone else schemata.Schemata(out / f"many-{index}", tree, files_now, options.jobs)
        ledger = Ledger(out / f"judged-{index}-of-{count}.jsonl", workshop.state_of(files_now), seed)
        one = run.Run(many or tree, ledger, explained.read(), options.first_kill, say, not options.engines)
        left = [mutant for mutant in mutants if mutant.id not in ledger.of_other_runs]
        try:
            tree.prepare(files_now)
            if many is None:
                tree.check()
            one.judge(left, lambda: not stop.requested and time.monotonic() < deadline)
        except CouldNotRun as problem:
            result.reason = str(problem)
        one.finish(result, len(left) if options.minutes is None else 0)


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    mutants = chosen(options)
    if options.list:
        for mutant in mutants:
            print(f"{mutant.id}  line {mutant.line}")
        return results.CLEAN
    if options.mutant:
        print(mutants[0].diff())
        options.alone = True
    first_kill = options.first_kill
    options.first_kill = lambda _: first_kill
    result = Result("mutants", "hardened")
    attack(result, mutants, options, Stopper())
    if options.engines:  # what these do not kill others may
        result.findings = []
    print(matrix.described(result.details["matrix"], result.details["engines"], table))
    for row in matrix.survivors(result.details["matrix"]) or []:
        print(f"survives: {row['mutant']}")
    document = result.document()
    status = command.write(results.exit_status([document]), options.json, files.json_text(document))
    if result.reason and not result.findings:
        raise CouldNotRun(result.reason)
    return status


if __name__ == "__main__":
    command.run("mutants", main)
