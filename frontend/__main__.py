"""`python -m frontend [streamlit options]`: check the settings, then become Streamlit's server."""

import os
import sys
from pathlib import Path

from frontend import settings
from frontend.exceptions import SettingsError

BAD_SETTING = 2


def main() -> None:
    """Start the chat; a setting that cannot be used ends it here, before any page is opened."""
    try:
        chosen = settings.load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(BAD_SETTING)
    page = Path(__file__).with_name("app.py")
    quiet = ["--server.headless", "true", "--browser.gatherUsageStats", "false"]
    static = ["--server.fileWatcherType", "none"]
    where = ["--server.address", "127.0.0.1", "--server.port", str(chosen.port)]
    options = [*quiet, *static, *where, *sys.argv[1:]]
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(page), *options])  # noqa: S606


if __name__ == "__main__":
    main()
