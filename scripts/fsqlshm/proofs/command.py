"""scripts/prove: decides what the compiled core does with every header. See fuzz/proofs/README.md."""

from collections.abc import Sequence

from fsqlshm import command


def main(arguments: Sequence[str]) -> int:
    # Here, because it needs z3: command.run() says what is missing.
    from fsqlshm.proofs import run

    return run.main(arguments)


if __name__ == "__main__":
    command.run("prove", main)
