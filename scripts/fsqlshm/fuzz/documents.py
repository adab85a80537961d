"""Result documents of runs of a fuzz target."""

from typing import Any

from fsqlshm import results, text
from fsqlshm.fuzz.runs import Outcome
from fsqlshm.fuzz.targets import Target


def unreached(target: Target, outcome: Outcome) -> list[str]:
    """What a run should have reached and has not."""
    if not outcome.counters:
        return []  # it did not end normally, so it said nothing
    missing = [name for name in target.reaches if not outcome.counters.get(name)]
    if target.share and outcome.share(target.share.counter) <= target.share.at_least:
        missing.append(f"{target.share.counter} in over {100 * target.share.at_least:.0f} % of executions")
    return missing


def result(target: Target, outcome: Outcome, seed: int, budget: dict[str, Any], expected: str = "") -> results.Result:
    """The document of a run. `expected`: the known fault that it had to find.

    details: coverage (edges), features, corpus (inputs), counters (what was reached, see the
    targets), over_time (rows of seconds, executions, coverage, features and corpus), and accept_ratio
    for a target that has to get a share of its inputs accepted.
    """
    rate = outcome.executions / outcome.seconds if outcome.seconds > 0 else 0.0
    sizes = {"coverage": outcome.coverage, "corpus": outcome.corpus}
    made = results.Result(
        "fuzz",
        target.name,
        seed=seed,
        budget=budget,
        started=outcome.started,
        duration_seconds=outcome.seconds,
        counts={"executions": outcome.executions, **sizes},
        headline=f"{text.number(outcome.executions)} executions, {text.number(rate)}/s",
        reason=outcome.error or ("" if outcome.executions else "no executions"),
        details={**sizes, "features": outcome.features, "counters": outcome.counters, "over_time": outcome.over_time},
    )
    if target.share:
        made.details["accept_ratio"] = outcome.share(target.share.counter)
    for failure in {failure.key(): failure for failure in reversed(outcome.findings)}.values():
        severity = "expected" if expected and failure.fault == expected else "violation"
        more = {"defect": failure.defect, "detail": failure.text[:20000], "replay": failure.replay}
        made.find(severity, failure.property.split(":")[0], failure.title, artefacts=[failure.input], **more)
    for name in unreached(target, outcome) if not made.findings and not made.reason else []:
        detail, replay = "The run did not reach what it exists for.", f"scripts/fuzz {target.name} --minutes 1"
        made.find("vacuous", "reach", f"never: {name}", detail=detail, replay=replay)
    return made
