"""What the compiled core does with every header, proven: its LLVM IR as bit vectors, decided by z3.

Takes the time that it needs for a release's level of optimization, about a minute. With a minute or more to spend it
decides another level, too, and tries the mutants, which must be refuted.
"""

from fsqlshm.engine import Description, Job, worst

NO_OBJECT = "a shared object is machine code, and what is proved is LLVM IR"
DESCRIPTION = Description(__doc__, no_object=NO_OBJECT)
LEVEL, OTHER_LEVELS = 3, (2,)
SECONDS_FOR_MORE = 60


def main(job: Job) -> int:
    # Here, because they need z3, which nobody needs to describe an engine.
    from fsqlshm.proofs import document
    from fsqlshm.proofs.mutants import read_table
    from fsqlshm.proofs.obligations import OBLIGATIONS

    more = job.seconds >= SECONDS_FOR_MORE
    codes = []
    for level in (LEVEL, *OTHER_LEVELS) if more else (LEVEL,):
        if job.stop.requested or (level != LEVEL and not job.left()):
            break
        result = job.result(f"-O{level}")
        chosen = document.share(list(OBLIGATIONS.values()), job.shard)
        document.obligations(result, chosen, level, job.out, job.say, lambda: job.stop.requested)
        codes.append(result.write(job.out / f"proofs-O{level}.json"))
    if more and job.left() and not job.stop.requested:
        result = job.result("mutants")
        document.trials(
            result, document.share(read_table(), job.shard), LEVEL, job.say, job.left, lambda: job.stop.requested
        )
        codes.append(result.write(job.out / "proofs-mutants.json"))
    return worst(codes)
