"""Result documents of proofs: the obligations at one level of optimization, and the mutants."""

import contextlib
import pathlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fsqlshm.command import sentence
from fsqlshm.proofs import compiler, ir, mutants, prove, show, solver
from fsqlshm.proofs.mutants import Mutant, Trial
from fsqlshm.proofs.obligations import Obligation
from fsqlshm.proofs.prove import PROVED, REFUTED, UNDECIDED, VACUOUS, Decision
from fsqlshm.proofs.solver import Interrupted
from fsqlshm.results import CouldNotRun, Result

Stopped = Callable[[], bool]
Say = Callable[[str], None]


def share(items: Sequence[Any], shard: str) -> list[Any]:
    """Part I of N."""
    index, count = (int(part) for part in shard.split("/"))
    return list(items[index - 1 :: count])


@contextlib.contextmanager
def _as_far_as_it_goes(result: Result, of: str, rows: Sequence[Any], stopped: Stopped) -> Iterator[None]:
    """What ends the block before its end is the reason of the result; `rows`: what was done until then."""
    try:
        with solver.interruptible(stopped):
            yield
    except (Interrupted, CouldNotRun) as problem:
        # A signal from the keyboard ends the compiler, too.
        result.reason = f"interrupted after {len(rows)} of {of}" if stopped() else str(problem)


def obligations(
    result: Result,
    chosen: Sequence[Obligation],
    level: int,
    out: pathlib.Path,
    say: Say,
    stopped: Stopped = lambda: False,
) -> None:
    """Decides them; what is refuted is kept in out/found."""
    rows: list[dict[str, Any]] = []
    result.details = {"level": f"clang 19, -O{level}", "z3": prove.check_the_solver(), "proofs": rows}
    counts = dict.fromkeys(("obligations", "proved", "claims", "witnesses"), 0)
    with _as_far_as_it_goes(result, f"{len(chosen)} obligations", rows, stopped):
        module = compiler.linked(compiler.compile_units(level)) if chosen else ir.Module()
        for obligation in chosen:
            solver.poll()
            decision = prove.decide(obligation, module)
            say(f"-O{level} {obligation.name}: {decision.status}, {decision.seconds:.1f} s")
            rows.append(_row(decision))
            counts["obligations"] += 1
            counts["proved"] += decision.status == PROVED
            counts["claims"] += decision.claims
            counts["witnesses"] += len(decision.witnesses)
            _findings(result, decision, module, level, out)
    result.counts = {**counts}
    result.headline = f"{counts['proved']} of {len(chosen)} obligations proved, {counts['claims']} claims"


def _row(decision: Decision) -> dict[str, Any]:
    return {
        "name": decision.obligation.name,
        "text": decision.obligation.text,
        "status": decision.status,
        "claims": decision.claims,
        "witnesses": [one.text for one in decision.witnesses],
        "seconds": round(decision.seconds, 2),
    }


def _findings(result: Result, decision: Decision, module: ir.Module, level: int, out: pathlib.Path) -> None:
    obligation, example = decision.obligation, decision.example
    command = ["scripts/prove", obligation.name, "--level", str(level)]
    if decision.status == REFUTED and example:
        case = prove.run_with(obligation, module, example.values)
        detail, kept = show.described(obligation, module, case, example.values), []
        try:
            kept = [*show.keep(obligation, case, level, example, out / "found" / f"O{level}-{obligation.name}")]
            command += ["--replay", str(kept[0])]
        except OSError as error:
            detail += f"\n\nthe input could not be kept: {sentence(error)}"
        replay, artefacts = shlex.join(command), [str(path) for path in reversed(kept)]
        title = f"proof: {obligation.name}"
        result.find("violation", title, example.text, detail=detail, replay=replay, artefacts=artefacts)
    elif decision.status == UNDECIDED:
        result.reason = f"{obligation.name} is undecided: {decision.undecided[0]}"
    elif decision.status == VACUOUS:
        for text in decision.missing:
            result.find(
                "vacuous", f"proof: {obligation.name}", f"no input is: {text}", detail="", replay=shlex.join(command)
            )


def trials(
    result: Result,
    chosen: Sequence[Mutant],
    level: int,
    say: Say,
    left: Callable[[], float] = lambda: 1.0,
    stopped: Stopped = lambda: False,
) -> None:
    """Tries the mutants, as long as there is time."""
    rows: list[dict[str, Any]] = []
    result.details = {"level": f"clang 19, -O{level}", "mutants": rows}
    counts = dict.fromkeys(("mutants", "refuted", "equivalent"), 0)
    with _as_far_as_it_goes(result, f"{len(chosen)} mutants", rows, stopped):
        original: Mapping[str, ir.Module] = compiler.compile_units(level) if chosen else {}
        for mutant in chosen:
            solver.poll()
            if left() <= 0:
                raise CouldNotRun(f"time for {len(rows)} of {len(chosen)} mutants only")
            trial = mutants.attempt(mutant, level, original)
            say(f"{trial.status}{' by ' * bool(trial.by)}{trial.by}, {trial.seconds:.1f} s: {mutant.name}")
            rows.append(_trial_row(trial))
            counts["mutants"] += 1
            if trial.status in counts:
                counts[trial.status] += 1
            if not trial.as_expected:
                expected = mutants.EQUIVALENT if mutant.equivalent else REFUTED
                detail = f"{mutant.file}: {mutant.before!r} -> {mutant.after!r}\nexpected: {expected}"
                title = f"a mutant is {trial.status}: {mutant.name}"
                result.find("vacuous", "mutants", title, detail=detail, replay="scripts/prove --mutants")
    result.counts = {**counts}
    result.headline = f"{counts['refuted']} of {counts['mutants']} mutants refuted, {counts['equivalent']} equivalent"


def _trial_row(trial: Trial) -> dict[str, Any]:
    example = trial.decision.example if trial.decision else None
    shown = trial.mutant.equivalent or (example.text if example else "")
    return {
        "name": trial.mutant.name,
        "operator": trial.mutant.operator,
        "status": trial.status,
        "by": trial.by,
        "shown": shown,
        "header": example.header.hex() if example else "",
        "seconds": round(trial.seconds, 2),
    }
