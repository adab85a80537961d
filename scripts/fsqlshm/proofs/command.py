"""scripts/prove: decides what the compiled core does with every header. See fuzz/proofs/README.md."""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from fsqlshm import ROOT, command, files, results
from fsqlshm.proofs import compiler, document, show
from fsqlshm.proofs.mutants import read_table
from fsqlshm.proofs.obligations import OBLIGATIONS
from fsqlshm.results import CouldNotRun, Result

OUT = ROOT / "out" / "proofs"
LEVEL = 3


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser(
        "scripts/prove",
        "Translates the core, as clang compiled it, to bit vectors, and decides with z3 what it does with any header.",
        f"obligations: {', '.join(OBLIGATIONS)}\nWhat is refuted is in out/proofs/found, with the header as a seed of"
        " the fuzz target open_raw.\n\nexit status: 0 everything proved, 1 something refuted, 2 could not run",
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="OBLIGATION", help="only these")
    add("--list", action="store_true", help="say what there is to prove")
    add("--level", type=int, choices=(1, 2, 3), default=LEVEL, help=f"of optimization: -O1 to -O3 (default {LEVEL})")
    add("--mutants", action="store_true", help="try the mutants of fuzz/proofs/mutants.toml: each must be refuted")
    add("--shard", type=command.shard, default="1/1", metavar="I/N", help="part I of N of the obligations or mutants")
    add("--replay", type=pathlib.Path, metavar="FILE", help="one input of one obligation: input.json, or a header")
    add("--out", type=pathlib.Path, default=OUT, metavar="DIR", help="for what is found (default out/proofs)")
    add("--json", type=pathlib.Path, metavar="FILE", help="write the result")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in OBLIGATIONS:
            parser.error(f"there is no obligation '{name}', but {', '.join(OBLIGATIONS)}")
    if options.replay and len(options.names) != 1:
        parser.error("--replay needs one obligation")
    if options.mutants and options.names:
        parser.error("--mutants tries them with every obligation")
    return options


def replay(options: argparse.Namespace) -> int:
    obligation = OBLIGATIONS[options.names[0]]
    kept = show.Kept.read(obligation, options.replay)
    module = compiler.linked(compiler.compile_units(options.level))
    holds, text = show.replayed(obligation, module, kept.values)
    print(text)
    return results.CLEAN if holds else results.FOUND


def run(options: argparse.Namespace) -> Result:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    if options.mutants:
        result = Result("proofs", f"mutants, -O{options.level}")
        document.trials(result, document.share(read_table(), options.shard), options.level, say)
    else:
        result = Result("proofs", f"-O{options.level}")
        chosen = [OBLIGATIONS[name] for name in options.names or OBLIGATIONS]
        document.obligations(result, document.share(chosen, options.shard), options.level, options.out.resolve(), say)
    return result


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.list:
        for obligation in OBLIGATIONS.values():
            print(f"{obligation.name:15} {obligation.text}")
        return results.CLEAN
    if options.replay:
        return replay(options)
    result = run(options)
    print(result.headline)
    for finding in result.findings:
        print(f"\n{finding['severity']}: {finding['title']}\n{finding['detail']}\n  {finding['replay']}")
    if result.reason:
        raise_after_writing(options, result)
    if options.json:
        files.write_json(options.json, result.document())
    return results.exit_status([result.document()])


def raise_after_writing(options: argparse.Namespace, result: Result) -> None:
    """What could not run is said last; what was found until then is still written."""
    if options.json:
        files.write_json(options.json, result.document())
    if not result.findings:
        raise CouldNotRun(result.reason)
    print(result.reason, file=sys.stderr)


if __name__ == "__main__":
    command.run("prove", main)
