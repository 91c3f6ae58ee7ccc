"""How much memory a threaded process keeps that it no longer uses. Knows glibc and the collector.

glibc gives each thread a heap of its own, and raises the size from which on a block is handed back as
soon as it is free. Eight threads that have each read one large body then hold it for good, in pieces.
With one heap, which the interpreter's lock makes wait for nobody, a worker's memory is flat.
"""

import ctypes
import gc
from typing import Final

# <malloc.h>: these have not changed since they exist
TRIM_THRESHOLD: Final = -1
MMAP_THRESHOLD: Final = -3
ARENA_MAX: Final = -8
LARGE: Final = 131_072


def keep_flat() -> bool:
    """Use one heap and hand large blocks back; False where the allocator is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = {ARENA_MAX: 1, MMAP_THRESHOLD: LARGE, TRIM_THRESHOLD: LARGE}
    return all(mallopt(name, value) for name, value in wanted.items())


def set_aside() -> None:
    """Let the collector pass over what lives as long as the process: modules, application, model.

    It looks at everything only once a quarter as many objects are new, and a refused request leaves cycles
    behind (an exception and its traceback): with the modules counted in, megabytes of them gather.
    """
    gc.collect()
    gc.freeze()
