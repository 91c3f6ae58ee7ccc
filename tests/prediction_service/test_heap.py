"""What lives as long as the process is no work for the collector."""

import subprocess
import sys

PROGRAM = """
import gc
import weakref
from prediction_service import heap

class Circle:
    def __init__(self):
        self.me = self

gc.disable()
left = weakref.ref(Circle())
heap.set_aside()
assert left() is None
assert gc.get_freeze_count() > 1_000
"""


def test_set_aside_leaves_no_garbage_and_nothing_to_look_at() -> None:
    # in a process of its own: this one's objects shall be collected
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


def test_a_ready_worker_has_set_its_model_aside() -> None:
    program = """
import gc, os, sys, tempfile, time
from pathlib import Path
from tests.bundles import trained
from tests.corpus import make_rows

with tempfile.TemporaryDirectory() as place:
    os.environ["CHATMOD_API_BUNDLE"] = str(trained(Path(place) / "bundle", make_rows(400)))
    from prediction_service.app import wsgi
    app = wsgi()
    client = app.test_client()
    until = time.monotonic() + 30
    while client.get("/readyz").status_code != 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert gc.get_freeze_count() > 1_000
"""
    subprocess.run([sys.executable, "-c", program], check=True)
