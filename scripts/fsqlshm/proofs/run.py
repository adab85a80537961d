"""What scripts/prove does: its options, the search and the replay."""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from fsqlshm import ROOT, command, files, results
from fsqlshm.processes import Stopper
from fsqlshm.proofs import compiler, document, show
from fsqlshm.proofs.mutants import read_table
from fsqlshm.proofs.obligations import OBLIGATIONS
from fsqlshm.results import CouldNotRun, Result

OUT = ROOT / "out" / "proofs"
LEVEL = 3
# What can be done, and the options that say how.
TASKS = {
    "list": (),
    "replay": ("names", "level"),
    "mutants": ("level", "shard", "json"),
    "": ("names", "level", "shard", "out", "json"),
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser(
        "scripts/prove",
        "Translates the core, as clang compiled it, to bit vectors, and decides with z3 what it does with any header.",
        f"obligations: {', '.join(OBLIGATIONS)}\nWhat is refuted is in out/proofs/found, with the header as a seed of"
        " the fuzz target open_raw.\n\nexit status: 0 everything proved, 1 something refuted, 2 could not run",
    )
    add, path = parser.add_argument, pathlib.Path
    add("names", nargs="*", metavar="OBLIGATION", help="only these")
    add("--list", action="store_true", help="say what there is to prove")
    level = f"of optimization: -O1 to -O3 (default {LEVEL}; for --replay that of input.json)"
    add("--level", type=int, choices=(1, 2, 3), help=level)
    add("--mutants", action="store_true", help="try the mutants of fuzz/proofs/mutants.toml: each must be refuted")
    add("--shard", type=command.shard, metavar="I/N", help="part I of N of the obligations or mutants")
    add("--replay", type=path, metavar="FILE", help="one input of one obligation: input.json, or a header")
    add("--out", type=path, metavar="DIR", help="for what is found (default out/proofs)")
    add("--json", type=command.output, metavar="FILE", help="write the result")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in OBLIGATIONS:
            parser.error(f"there is no obligation '{name}', but {', '.join(OBLIGATIONS)}")
    given = [name for name, value in vars(options).items() if value]
    options.task = next((task for task in TASKS if task in given), "")
    for name in given:
        if name not in (options.task, *TASKS[options.task]):
            other = "obligations" if name == "names" else f"--{name}"
            parser.error(f"--{options.task} and {other} exclude each other")
    if options.replay and len(options.names) != 1:
        parser.error("--replay needs one obligation")
    return options


def replay(options: argparse.Namespace) -> int:
    obligation = OBLIGATIONS[options.names[0]]
    kept = show.Kept.read(obligation, options.replay)
    module = compiler.linked(compiler.compile_units(options.level or kept.level or LEVEL))
    holds, text = show.replayed(obligation, module, kept)
    print(text)
    return results.CLEAN if holds else results.FOUND


def share(items: Sequence[Any], shard: str, what: str) -> list[Any]:
    """Part I of N. Nobody who asks for one by hand wants none of it."""
    part = document.share(items, shard)
    if not part:
        raise CouldNotRun(f"shard {shard} is empty; number of {what}: {len(items)}")
    return part


def search(options: argparse.Namespace) -> Result:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    stop, level, shard = Stopper(), options.level or LEVEL, options.shard or "1/1"
    if options.mutants:
        result = Result("proofs", f"mutants, -O{level}")
        chosen = share(read_table(), shard, "mutants")
        document.trials(result, chosen, level, say, stopped=lambda: stop.requested)
    else:
        result = Result("proofs", f"-O{level}")
        chosen = share([OBLIGATIONS[name] for name in options.names or OBLIGATIONS], shard, "obligations")
        out = (options.out or OUT).resolve()
        document.obligations(result, chosen, level, out, say, lambda: stop.requested)
    return result


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.list:
        for obligation in OBLIGATIONS.values():
            print(f"{obligation.name:15} {obligation.text}")
        return results.CLEAN
    if options.replay:
        return replay(options)
    result = search(options)
    print(result.headline)
    for finding in result.findings:
        print(f"\n{finding['severity']}: {finding['title']}\n{finding['detail']}\n  {finding['replay']}")
    whole = result.document()
    status = command.write(results.exit_status([whole]), options.json, files.json_text(whole))
    if result.reason and not result.findings:
        raise CouldNotRun(result.reason)
    if result.reason:
        print(result.reason, file=sys.stderr)
    return status
