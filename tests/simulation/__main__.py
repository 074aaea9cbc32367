"""More seeds than a test has time for, on all processors: `make simulate RUNS=10000`, from seed `FROM` on.

.venv/bin/python -m tests.simulation [runs] [from]
"""

import sys
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import simulate

_TOLD_EVERY = 250


def fault(seed: int) -> str | None:
    """What is wrong with the run of the seed, if anything."""
    try:
        simulate(seed)
    except AssertionError as error:
        return str(error)
    return None


def main(runs: int = 10_000, first: int = 0) -> int:
    """Run them; ends with the first fault."""
    with ProcessPoolExecutor() as processors:
        found = processors.map(fault, range(first, first + runs), chunksize=10)
        for number, wrong in enumerate(found, 1):
            if wrong:
                processors.shutdown(cancel_futures=True)
                sys.stdout.write(f"{wrong}\n")
                return 1
            if number % _TOLD_EVERY == 0 or number == runs:
                sys.stdout.write(f"{number:,} of {runs:,} runs agree\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
