"""How long work shows where it is: a bar on a terminal, a plain line now and then in a log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from tqdm import tqdm

Progress = Callable[[int, int], None]  # done, of how many

LINE_EVERY = 100


@contextmanager
def progress(say: Callable[[str], None], unit: str) -> Iterator[Progress]:
    start = monotonic()
    with tqdm(unit=f" {unit}", disable=None, leave=False) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if bar.disable and (done % LINE_EVERY == 0 or done == total):
                say(f"{done:,} of {total:,} {unit}, {done / (monotonic() - start):.1f} a second")

        yield tell
