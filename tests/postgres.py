"""A real PostgreSQL for tests, which they may stop and start again."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.prediction_service.serving import free_port


class Postgres:
    """A PostgreSQL cluster of our own, made by Debian's tools in a temporary folder."""

    def __init__(self) -> None:
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        # pytest's own folders are closed to the user that PostgreSQL insists on.
        self.folder = Path(tempfile.mkdtemp(prefix="chatmod-postgres-"))
        self.port = free_port()
        self.user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            self.user = ["runuser", "-u", "postgres", "--"]
        self._run("initdb", "-D", str(self.folder / "data"), "--auth=trust", "--no-sync", "-U", "postgres")

    def _run(self, tool: str, *arguments: str) -> None:
        with (self.folder / "tool.log").open("ab") as log:
            subprocess.run(
                [*self.user, str(self.bin / tool), *arguments],
                check=True,
                stdout=log,
                stderr=log,
                cwd="/",
            )

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "server.log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        name = f"t{time.monotonic_ns()}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)
