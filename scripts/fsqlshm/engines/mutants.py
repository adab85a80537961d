"""The library with one fault at a time, and which engine finds it: a survivor without an explanation is a finding.

One mutant in eight is judged by every engine, which shows what each finds alone; of the others the first kill is
enough.
Goes through all mutants from night to night, as many as there is time for, in an order that is drawn once; with other
code it begins again. What was judged is kept in out/mutants, so that an interrupted slice goes on where it was.
"""

import argparse

from fsqlshm.engine import Description, Job, worst

DESCRIPTION = Description(__doc__)
JUDGED_BY_ALL = "1/8"
RESERVE_SECONDS = 90  # for the mutant at work when the time is up


def main(job: Job) -> int:
    # Here, because they need libclang, which nobody needs to describe an engine.
    from fsqlshm.mutants import command, run, survey

    options = argparse.Namespace(
        engines=None,
        alone=False,
        jobs=job.jobs,
        first_kill=lambda mutant: not run.share([mutant], JUDGED_BY_ALL),
        minutes=max(job.seconds - RESERVE_SECONDS, 1) / 60,
        shard=job.shard,
        out=command.OUT,
    )
    result = job.result("hardened")
    mutants = run.share(run.drawn(survey.kept(command.OUT)), job.shard)
    command.attack(result, mutants, options, job.stop, job.seed)
    return worst([result.write(job.out / "mutants.json")])
