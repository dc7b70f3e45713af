"""The wheel as a stranger meets it: built from the sdist, installed into empty environments, used by README.

`make test-wheel` runs all of it; `--only NAME` a part, `--wheel FILE` takes a wheel that is there. Each part
says what it did and what it measured; the exit code is 1 if one failed.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

from requirements import APART

ROOT = Path(__file__).parents[2]
MOST_BYTES = 6 * 1024 * 1024
MOST_IMPORT_MS = 30.0
CORE = {"tfruns-rs", "click", "numpy", "polars", "pyyaml", "rich"}
#: What the core dependencies bring along.
BROUGHT = {"markdown-it-py", "mdurl", "pygments", "polars-runtime-32", "polars-runtime-64", "colorama"}
HEAVY = {"mlflow"}
_TESTING = ("pytest>=8.3", "pytest-timeout>=2.3", "hypothesis>=6.100", "tensorboard>=2.20")

#: Loaded by every interpreter of an environment: the first use of a network address ends it.
GUARD = """
import os, sys

def _guard(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"} or (
        event == "socket.connect" and not isinstance(arguments[1], (str, bytes))
    ):
        with open(os.environ["NETWORK_LOG"], "a") as file:
            file.write(f"{event} {arguments!r} {sys.argv}\\n")
        raise OSError(f"the network is not for this: {event}")

if os.environ.get("NETWORK_LOG"):
    sys.addaudithook(_guard)
"""

FEATURES = {
    "view": """
import tfruns_rs as tfr
run = tfr.unique_run_dir("runs")
tfr.write_run_metadata("metrics", {"loss": [1.0, 0.5]}, run)
tfr.write_run_metadata("properties", {"type": "training"}, run)
page = tfr.save_run_view(run, "report.html").read_text()
assert "vega" in page and run.name in page
""",
    "remote": """
import tfruns_rs as tfr
tfr.login("memory:///bucket")
with tfr.create_run(name="mnist") as run:
    run.log("train", {"loss": 1.0}, step=1)
assert tfr.upload(run.local, "team", True)["bytes_sent"].item() > 0
""",
    "system": """
import time, tfruns_rs as tfr
with tfr.create_run(name="mnist", system_metrics=0.1) as run:
    time.sleep(0.5)
assert run.metrics["system"]
""",
    "tune": """
import optuna, tfruns_rs as tfr
optuna.logging.disable_default_handler()
def train(x):
    tfr.write_run_metadata("evaluation", {"loss": (x - 0.3) ** 2})
frame = tfr.tuning_run(train, flags={"x": [0.0, 0.3, 0.9]}, search=optuna.samplers.TPESampler(seed=1),
                       metric="loss", max_runs=4, confirm=False, progress=False, echo=False)
assert frame.height == 4
""",
    "distributed": """
from distributed import Client
import tfruns_rs as tfr
def train(x):
    tfr.write_run_metadata("evaluation", {"loss": x})
if __name__ == "__main__":
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        frame = tfr.tuning_run(train, flags={"x": [0.0, 0.3]}, executor=client.get_executor(), confirm=False,
                               progress=False, echo=False)
    assert frame["completed"].all()
""",
    "mlflow": """
import tfruns_rs as tfr
tfr.login("mlflow+sqlite:///mlflow.db")
with tfr.create_run(name="mnist") as run:
    run.log("train", {"loss": 1.0}, step=1)
run.upload(make_folder=True)
""",
}

USER = """
import polars as pl
import tfruns_rs as tfr
from typing_extensions import assert_type

frame = tfr.collect_events("logs", type="scalar")
assert_type(frame, pl.DataFrame)
assert_type(tfr.scan_events("logs"), pl.LazyFrame)
assert_type(tfr.ls_runs(), pl.DataFrame)
writer = tfr.EventWriter("logs")
assert_type(writer, tfr.EventWriter)
writer.add_scalar("loss", 1.0)
assert_type(tfr.tag_runs("run", ["a"]), dict[str, list[str]])
"""
WRONG = """
import tfruns_rs as tfr

tfr.collect_events("logs", type="nonsense")
tfr.EventWriter("logs").add_scalar(1.0, "loss")
"""


class Environment:
    """An empty virtual environment and a working directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home / "work"
        self.work.mkdir(parents=True)
        self._uv = shutil.which("uv")  # does what pip does, in a fraction of the time
        if self._uv:
            run([self._uv, "venv", "--quiet", "--python", sys.executable, home / "venv"])
        else:
            run([sys.executable, "-m", "venv", home / "venv"])
        self.python = home / "venv/bin/python"
        self.network_log = home / "network.log"

    def install(self, *requirements: str) -> None:
        """Installs packages; the one step that may use the network."""
        pip: list[object] = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if self._uv:
            pip = [self._uv, "pip", "install", "--quiet", "--python", self.python]
        run([*pip, *requirements])

    def guard(self) -> None:
        """From now on the first use of the network by any of its interpreters is an error, and told."""
        (packages,) = (self.home / "venv").glob("lib/python*/site-packages")
        (packages / "network_guard.py").write_text(GUARD)
        (packages / "network_guard.pth").write_text("import network_guard\n")

    def call(self, *words: object, code: int = 0, stdout: bool = False) -> str:
        """Runs the environment's Python, or a command of its `bin`, and returns what it printed."""
        head = self.python if words[0] == "python" else self.home / "venv/bin" / str(words[0])
        environment = {"PATH": f"{self.home}/venv/bin:/usr/bin:/bin", "HOME": str(self.home), "CI": "1"}
        environment["NETWORK_LOG"] = str(self.network_log)
        done = subprocess.run(
            [head, *map(str, words[1:])],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout if stdout else done.stdout + done.stderr

    def network_uses(self) -> str:
        """What tried to use the network."""
        return self.network_log.read_text() if self.network_log.exists() else ""


def run(command: list[object]) -> None:
    """Runs a command that has to succeed."""
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def build(dist: Path) -> Path:
    """The sdist, and the wheel built from that alone."""
    run([sys.executable, "-m", "pip", "install", "--quiet", "maturin>=1.14,<2"])
    run([sys.executable, "-m", "maturin", "sdist", "-m", ROOT / "crates/tfruns-py/Cargo.toml", "-o", dist])
    (sdist,) = dist.glob("*.tar.gz")
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", dist, sdist])
    (wheel,) = dist.glob("*.whl")
    return wheel


def requirements(wheel: Path) -> tuple[list[str], dict[str, list[str]]]:
    """The core requirements, and those of each extra."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    core: list[str] = []
    extras: dict[str, list[str]] = {extra: [] for extra in metadata.get_all("Provides-Extra", [])}
    for requirement in metadata.get_all("Requires-Dist", []):
        text, _, marker = requirement.partition(";")
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        (extras[extra[1]] if extra else core).append(text.strip())
    return core, extras


def size(wheel: Path, _: Path) -> str:
    """It is small, and holds what type checkers and the command need."""
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("tfruns_rs/py.typed", "tfruns_rs/_core.pyi", "tfruns_rs/cli/_app.py"):
        assert needed in names, f"{needed} is not in the wheel"
    assert not [name for name in names if name.startswith(("tests/", "benches/")) or name.endswith(".pyc")]
    count = wheel.stat().st_size
    assert count <= MOST_BYTES, f"the wheel has {count} bytes, more than {MOST_BYTES}"
    return f"{count / 1024 / 1024:.2f} MiB, at most {MOST_BYTES / 1024 / 1024:.0f}"


def core(wheel: Path, home: Path) -> str:
    """From README.md alone to a report and a Parquet file, with core dependencies, without a network."""
    environment = Environment(home)
    environment.install(str(wheel))
    distributions = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    names = set(environment.call("python", "-c", distributions).lower().split())
    names -= {"pip", "setuptools", "wheel"}
    assert names >= CORE, CORE - names
    assert names <= CORE | BROUGHT, f"beside the core dependencies: {names - CORE - BROUGHT}"
    environment.guard()

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) >= 3
    (environment.work / "first.py").write_text(blocks[0])
    assert "loss" in environment.call("python", "first.py")
    # The second block is the script of a run, the third lists runs.
    (environment.work / "train.py").write_text("import tfruns_rs as tfr\n\n" + blocks[1])
    said = environment.call("tfruns", "run", "train.py", "-f", "learning_rate=0.1")
    assert "Run completed" in said, said
    listed = environment.call("tfruns", "ls", "--json", stdout=True)
    (row,) = json.loads(listed)
    assert (row["flag_learning_rate"], row["status"]) == (0.1, "completed")
    assert "learning_rate" in environment.call("tfruns", "show", "latest")
    assert "1 row to events.parquet" in environment.call("tfruns", "events", "latest", "-o", "events.parquet")
    frame = 'import polars as pl; print(pl.read_parquet("events.parquet")["value"].to_list())'
    assert environment.call("python", "-c", frame).strip() == "[0.1]"
    (environment.work / "list.py").write_text("import tfruns_rs as tfr\n\n" + blocks[2])
    environment.call("python", "list.py")
    environment.call("tfruns", "verify", "logs")
    environment.call("tfruns", "tail", "logs", "--once")
    environment.call("tfruns", "doctor")
    missing = environment.call("tfruns", "view", code=1)
    assert "pip install 'tfruns-rs[view]'" in missing, missing
    assert not environment.network_uses(), environment.network_uses()

    environment.install(f"{wheel}[view]")
    environment.call("tfruns", "view", "-o", "report.html")
    page = environment.work / "report.html"
    shown = _in_browser(page)
    assert not environment.network_uses(), environment.network_uses()
    return f"README, run, ls, show, events, report ({page.stat().st_size // 1024} KiB, {shown}); no network"


def _in_browser(page: Path) -> str:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return "no browser to open it"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium, *options, f"--user-data-dir={profile}", page.as_uri()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=120,
            check=True,
        )
    assert "learning_rate" in done.stdout
    assert "train.py" in done.stdout
    return "opened in Chromium"


def import_cost(wheel: Path, home: Path) -> str:
    """What `import tfruns_rs` costs over a bare interpreter, in CPU time."""
    environment = Environment(home)
    environment.install(str(wheel))

    def milliseconds(code: str) -> float:
        def once() -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run([environment.python, "-c", code])
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000

        once()
        return statistics.median(once() for _ in range(21))

    over = milliseconds("import tfruns_rs") - milliseconds("pass")
    help_ms = milliseconds(
        "import sys; sys.argv = ['tfruns', '--version']; from tfruns_rs.cli._app import main; main()"
    )
    loaded = (
        "import sys, tfruns_rs; print([m for m in ('polars', 'numpy', 'click', 'rich') if m in sys.modules])"
    )
    assert environment.call("python", "-c", loaded).strip() == "[]"
    assert over <= MOST_IMPORT_MS, f"{over:.1f} ms, more than {MOST_IMPORT_MS}"
    return (
        f"{over:.1f} ms over bare Python, at most {MOST_IMPORT_MS:.0f}; `tfruns --version` {help_ms:.0f} ms"
    )


def extras(wheel: Path, home: Path, *, with_heavy: bool = False) -> str:
    """Each extra installs, and what it is for works."""
    _, provided = requirements(wheel)
    tried: list[str] = []
    for extra in sorted(set(provided) - APART):
        assert extra in FEATURES, f"nothing tries the extra {extra}"
        if extra in HEAVY and not with_heavy:
            continue
        environment = Environment(home / extra)
        environment.install(f"{wheel}[{extra}]")
        (environment.work / "try.py").write_text(FEATURES[extra])
        environment.call("python", "try.py")
        tried.append(extra)
    return ", ".join(tried) + (
        "" if with_heavy else f" (not tried: {', '.join(sorted(HEAVY))}; --heavy does)"
    )


def types(wheel: Path, home: Path) -> str:
    """pyright and mypy see types from outside, and see what is wrong."""
    environment = Environment(home)
    environment.install(str(wheel), "mypy>=1.15", "pyright[nodejs]>=1.1.400", "typing_extensions")
    (environment.work / "user.py").write_text(USER)
    (environment.work / "wrong.py").write_text(WRONG)
    environment.call("mypy", "--strict", "user.py")
    found = environment.call("mypy", "--strict", "wrong.py", code=1)
    assert found.count("error:") >= 3, found
    environment.call("pyright", "--pythonpath", environment.python, "user.py")
    found = environment.call("pyright", "--pythonpath", environment.python, "wrong.py", code=1)
    assert "3 errors" in found, found
    return "mypy --strict and pyright: user code passes, three wrong arguments are found"


def oldest(wheel: Path, home: Path) -> str:
    """The oldest versions of all core dependencies at once pass the tests of what depends on them.

    `make test-oldest` has those of `scan_events`, with the oldest Polars alone, on every Python.
    """
    needed, _ = requirements(wheel)
    pinned = [re.sub(r">=\s*([\d.]+).*", r"==\1", requirement) for requirement in needed]
    assert all("==" in requirement for requirement in pinned), pinned
    environment = Environment(home)
    environment.install(str(wheel), *pinned, *_TESTING)
    tests = ["tests/cli/test_runs.py", "tests/cli/test_events.py", "tests/tfruns/test_ls_runs.py"]
    tests += ["tests/tfruns/test_scan_runs.py", "tests/tfruns/test_flags.py"]
    tests += ["tests/tfevents/test_value.py", "tests/tfevents/test_tensor.py"]
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", ROOT, "-c", ROOT / "pyproject.toml"]
    said = environment.call("python", "-m", "pytest", *options, *(ROOT / test for test in tests))
    return f"{', '.join(pinned)}: {said.strip().splitlines()[-1]}"


PARTS = {
    "size": size,
    "core": core,
    "import": import_cost,
    "extras": extras,
    "types": types,
    "oldest": oldest,
}


def main() -> int:
    """Builds, tries each part, tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help="a wheel that is there, instead of building one")
    parser.add_argument("--dist", type=Path, help="where the sdist and the wheel are built and stay")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone")
    parser.add_argument("--heavy", action="store_true", help="the large extras as well")
    given = parser.parse_args()
    failed = 0
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory(prefix="tfruns-wheel-") as directory:
        home = Path(directory)
        wheel = (given.wheel or build(given.dist or home / "dist")).resolve()
        print(f"{wheel.name}")
        for name, part in PARTS.items():
            if given.only and name not in given.only:
                continue
            options = {"with_heavy": given.heavy} if name == "extras" else {}
            try:
                print(f"{name:<7} ok: {part(wheel, home / name, **options)}", flush=True)
            except (AssertionError, ValueError, subprocess.SubprocessError) as error:
                print(f"{name:<7} FAILED: {error}", flush=True)
                failed += 1
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
