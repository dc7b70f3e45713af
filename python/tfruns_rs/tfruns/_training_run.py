"""`training_run`: a script, function or command, run and recorded."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from tfruns_rs import _core
from tfruns_rs.errors import FlagsError, RunBusyError, RunNotFoundError, TrainingRunError
from tfruns_rs.tfevents._lifecycle import flush
from tfruns_rs.tfruns import _active, _json, _record, _supervisor
from tfruns_rs.tfruns._capture import capture, show
from tfruns_rs.tfruns._child import Outcome, run_child
from tfruns_rs.tfruns._flags import log_flags
from tfruns_rs.tfruns._function import call, packed
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._pass_flags import PassFlags, as_arguments
from tfruns_rs.tfruns._recording import Recording
from tfruns_rs.tfruns._run_dir import unique_run_dir
from tfruns_rs.tfruns._run_metadata import META_DIR, check_name, present, write_run_metadata
from tfruns_rs.tfruns._sources import Sources

if TYPE_CHECKING:
    import polars as pl

    PathLike = str | os.PathLike[str]

_RUNNER = Path(__file__).with_name("_runner.py")
_CALLER = Path(__file__).with_name("_caller.py")
WORKING_DIRECTORY: Any = object()


def training_run(
    file: PathLike | Callable[..., object] | None = None,
    *,
    command: Sequence[PathLike] | None = None,
    context: str = "local",
    config: str | None = None,
    flags: Mapping[str, Any] | PathLike | None = None,
    properties: Mapping[str, Any] | None = None,
    run_dir: PathLike | None = None,
    artifacts_dir: PathLike | None = WORKING_DIRECTORY,
    echo: bool = True,
    view: bool | Literal["auto", "save"] = "auto",
    envir: dict[str, Any] | None = None,
    encoding: str = "utf-8",
    runs_dir: PathLike | None = None,
    in_process: bool | None = None,
    autolog: bool = False,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    python: PathLike | None = None,
    resume: bool = False,
    pass_flags: PassFlags = None,
    sources: Sequence[str] = (),
) -> pl.DataFrame:
    """Runs a training script and records the run.

    The script runs as a process of its own in the working directory; it need not know of this library.
    Recorded are its flags, console, plots, sources, environment and git state, the files it creates or
    changes, and how it ends, even by a segmentation fault or SIGKILL.

    Args:
        file: The script; by default the only `*.py` of the working directory, else `train.py`. A function
            runs in this process, or with `in_process=False` in one of its own, which takes a function that
            can be pickled; it is given `flags` by name, as far as it takes them. What it returns, a number
            or a mapping of numbers, is the run's evaluation.
        command: A command to run instead, such as `["torchrun", "train.py"]`.
        context: What the run is part of.
        config: The configuration of `flags.yml`.
        flags: Values for the script's `flags()`, or the path of a YAML file that replaces `flags.yml`.
        properties: Anything else to know of the run; stored as text.
        run_dir: Where; None for a new directory below `runs_dir`.
        artifacts_dir: Where files that the script changes are looked for; None for nowhere, the working
            directory by default.
        echo: Show the console as well as keeping it.
        view: True opens a report afterwards, "save" writes it to `tfruns.d/view.html`, "auto" shows a link in
            notebooks.
        envir: Globals of the script; it then runs in this process.
        encoding: Of the console.
        runs_dir: Where new run directories go; None for the option `runs_dir`.
        in_process: Run in this process; by default functions do, and scripts with `envir`.
        autolog: Have Keras, Lightning, Hugging Face trainers, XGBoost, LightGBM, searches of scikit-learn,
            `SummaryWriter`s without a directory and matplotlib log into the run, whatever the script says;
            `tfruns_rs.frameworks` lists how.
        args: Its arguments.
        env: Environment variables, over those of this process.
        timeout: Seconds after which it is ended: asked by SIGTERM, killed 10 s later.
        python: The interpreter; None for this one.
        resume: Go on in an existing `run_dir`, with the flags of this call. What the flags were before, and
            an error, are in the sessions of its `run.json`.
        pass_flags: Hand the flags over as arguments too, for a script that parses its own: "argv" as
            `--name=value` (True as `--name`, False as `--no-name`, None not at all), "hydra" as `name=value`.
        sources: More files to archive, as globs.

    Returns:
        The run as a row, as in `ls_runs()`, texts whole.

    Raises:
        FileNotFoundError: There is no such script.
        FileExistsError: `run_dir` holds a run and `resume` is false.
        RunBusyError: The run to resume is running.
        TrainingRunError: The script failed; the run is recorded. In this process its own exception is raised.
        ValueError: Arguments that exclude each other, or mean nothing.

    Examples:
        >>> import tfruns_rs as tfr
        >>> def train(lr=0.1):
        ...     tfr.log_event(loss=lr / 2)
        >>> run = tfr.training_run(train, flags={"lr": 0.5}, runs_dir=tmp_path, artifacts_dir=None)
        >>> run.select("status", "flag_lr", "metric_loss").row(0)
        ('completed', 0.5, 0.25)
    """
    in_process = _in_process(file, command, envir=envir, in_process=in_process)
    if view not in {True, False, "auto", "save"}:
        raise ValueError(f'view is True, False, "auto" or "save", not {view!r}')
    if (timeout is not None or python is not None) and in_process:
        raise ValueError("timeout and python need a process of its own")
    target = None if command is not None else file if callable(file) else script_of(file)
    values, flags_file = _flag_values(flags)
    extra = as_arguments(values or {}, pass_flags)
    properties = dict(properties or {})
    for name in properties:
        check_name(name, "property")
    parent = _active.current()
    shown, runs_below, resumed = _directory(run_dir, runs_dir, resume=resume)
    run = _active.ActiveRun(
        os.path.abspath(shown),  # noqa: PTH100 - links stay as they are named
        config,
        {name: _json.plain(value) for name, value in values.items()} if values else None,
        flags_file,
        _active.ranks(),
    )
    name = Path(os.fspath(command[0])).name if command else name_of(target)
    facts: dict[str, Any] = {"type": "training", "context": context, **properties, "script": name}
    if parent is not None:
        facts["parent"] = os.path.basename(parent.run_dir)  # noqa: PTH119
    recording = Recording(run, {**facts, "start": time.time(), "completed": False}, encoding, resumed=resumed)
    archive = Sources(run.run_dir, target, [os.fspath(part) for part in command or ()], sources)
    archive.before()
    if pass_flags is not None:
        write_run_metadata("flags", values or {}, run.run_dir)
        log_flags(run.run_dir, values or {})
        flush()
    recording.watch(None if artifacts_dir is None else _absolute(artifacts_dir), _absolute(runs_below))
    _say(f"Using run directory {shown}\n")
    if in_process:
        with _autologging(autolog):
            _run_here(recording, target, values or {}, envir, [*args, *extra], echo=echo)
    else:
        environment = _environment(run, env, encoding, with_plots=command is None and python is None)
        _watch_below(environment, autolog)
        with _words(run, command, target, values or {}, python) as words:
            _run_apart(recording, [*words, *args, *extra], environment, echo=echo, timeout_secs=timeout)
    archive.after()
    if pass_flags is None:
        _warn_of_unused(run, target)
    _say(f"\nRun completed: {shown}\n\n")
    _view(run.run_dir, view)
    return _row(shown, run.run_dir)


def _in_process(file: object, command: object, *, envir: object, in_process: bool | None) -> bool:
    if isinstance(command, (str, bytes)):
        raise TypeError("command is a list of words; shlex.split() makes one of a text")
    if command is not None and not command:
        raise ValueError("the command has no words")
    if command is not None and file is not None:
        raise ValueError("give a file or a command, not both")
    if command is not None and (in_process or envir is not None):
        raise ValueError("a command runs in a process of its own")
    if in_process is False and envir is not None:
        raise ValueError("envir needs in_process=True")
    if in_process is None:
        return envir is not None or callable(file)
    return in_process


def _say(text: str) -> None:
    supervisor = _supervisor.current()
    if supervisor is None or not supervisor.is_quiet:
        show(sys.stderr, text)


def script_of(file: PathLike | Callable[..., object] | None) -> str:
    if file is None:
        scripts = sorted(path.name for path in Path().glob("*.py"))
        file = scripts[0] if len(scripts) == 1 else "train.py"
    if not isinstance(file, (str, os.PathLike)):
        raise TypeError(f"file is a script or a function, not {type(file).__name__}")
    path = os.fspath(cast("PathLike", file))
    if not Path(path).is_file():
        raise FileNotFoundError(f"The script '{path}' does not exist.")
    return path


def name_of(target: Any) -> str:
    return getattr(target, "__qualname__", repr(target)) if callable(target) else Path(target).name


def _flag_values(flags: Mapping[str, Any] | PathLike | None) -> tuple[dict[str, Any] | None, str | None]:
    if flags is None:
        return None, None
    if isinstance(flags, Mapping):
        return {str(name): value for name, value in flags.items()}, None
    if not isinstance(flags, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance] - what users pass
        raise FlagsError(f"flags must be a mapping or the path of a YAML file, not {type(flags).__name__}")
    if not Path(flags).is_file():
        raise FlagsError(
            f"flags must be a mapping or the path of a YAML file; there is no file {os.fspath(flags)!r}"
        )
    return None, _absolute(flags)


def _absolute(path: PathLike | object) -> str:
    return os.path.abspath("." if path is WORKING_DIRECTORY else os.fspath(cast("PathLike", path)))  # noqa: PTH100


def _directory(run_dir: PathLike | None, runs_dir: PathLike | None, *, resume: bool) -> tuple[str, str, bool]:
    """The run's directory, the one that holds the runs, and whether a run goes on in it."""
    below = runs_dir_or_option(runs_dir)
    if run_dir is None:
        if resume:
            raise ValueError("resume needs a run_dir")
        return str(unique_run_dir(below)), below, False
    path = Path(run_dir)
    is_run = (path / META_DIR).is_dir()
    if resume and not is_run:
        raise RunNotFoundError(f"there is no run to resume in {path}")
    if resume and _is_running(path):
        raise RunBusyError(
            f"{path} is running; it can be resumed once it has ended or its host has been silent for a minute"
        )
    if is_run and not resume:
        holds = any((path / META_DIR).iterdir())
        if holds:
            raise FileExistsError(f"{path} holds a run; resume=True goes on in it")
    path.mkdir(parents=True, exist_ok=True)
    return os.fspath(run_dir), below, is_run and resume


def _is_running(run: Path) -> bool:
    import polars as pl

    stream = _core.read_run(run)
    return stream is not None and pl.DataFrame(stream)["status"].to_list() == ["running"]


@contextmanager
def _words(
    run: _active.ActiveRun, command: Any, target: Any, values: Mapping[str, Any], python: PathLike | None
) -> Generator[list[str]]:
    """The words that start a command, a script or a function as a process."""
    if command:
        yield [os.fspath(part) for part in command]
        return
    first = [sys.executable if python is None else os.fspath(python), "-u"]
    meta = f"{run.run_dir}/{META_DIR}"
    if callable(target):
        with packed(target, values) as package:
            yield [*first, str(_CALLER), meta, package]
    else:
        yield [*first, str(_RUNNER), meta, target]


def _autologging(autolog: bool) -> AbstractContextManager[None]:  # noqa: FBT001 - the caller's argument
    if not autolog:
        return nullcontext()
    from tfruns_rs.frameworks._autolog import autologging

    return autologging()


def _watch_below(environment: dict[str, str], autolog: bool) -> None:  # noqa: FBT001 - the caller's argument
    """Tells the interpreters below whether to watch which frameworks they import."""
    environment.pop("TFRUNS_AUTOLOG", None)  # of a run around this one
    if autolog:
        from tfruns_rs.frameworks._autolog import to_environment

        environment.update(to_environment(environment))


def _environment(
    run: _active.ActiveRun, env: Mapping[str, str] | None, encoding: str, *, with_plots: bool
) -> dict[str, str]:
    environment = {**os.environ, **(env or {}), **_active.to_environment(run)}
    environment.setdefault("PYTHONUNBUFFERED", "1")
    environment.setdefault("PYTHONIOENCODING", encoding)
    if with_plots:
        environment["MPLBACKEND"] = "module://tfruns_rs.tfruns._plots"
    return environment


def _run_apart(
    recording: Recording,
    command: list[str],
    environment: Mapping[str, str],
    *,
    echo: bool,
    timeout_secs: float | None,
) -> None:
    _active.begin(recording.run)
    ours = {str(_RUNNER), str(_CALLER), f"{recording.run.run_dir}/{META_DIR}"}
    shown = [word for word in command if word not in ours]
    directory = os.getcwd()  # noqa: PTH109 - text
    try:
        outcome = run_child(
            command,
            environment,
            recording.out,
            recording.err,
            echo=echo,
            timeout_secs=timeout_secs,
            started=lambda pid: recording.started(pid, shown, directory),
        )
    except BaseException as error:
        recording.ended(exit_code=None, error={"message": str(error)})
        raise
    message, name = _ending(outcome, timeout_secs)
    code = outcome.returncode
    is_interrupt = name == "SIGINT"
    is_own_end = not (outcome.timed_out or outcome.stopped or outcome.interrupted)
    refusal = recording.ended(
        exit_code=None if code < 0 else code,
        signal=name,
        error=None if message is None or is_interrupt else {"message": message, "traceback": []},
        tells_why=is_own_end,
        completed=message is None,
    )
    message = message or refusal
    if outcome.interrupted is not None:
        raise outcome.interrupted
    if message is not None:
        recorded, traceback = (message, None) if is_interrupt else recording.error()
        failure = TrainingRunError(recorded)
        failure.run_dir = recording.run.run_dir
        failure.returncode = code
        failure.traceback = traceback
        if traceback and not echo:
            failure.add_note(traceback)
        raise failure


def _ending(outcome: Outcome, timeout_secs: float | None) -> tuple[str | None, str | None]:
    """Why a child did not complete (None if it did), and the name of the signal that ended it."""
    code = outcome.returncode
    name = _signal_name(-code) if code < 0 else None
    if outcome.timed_out:
        return f"The script was ended after its timeout of {timeout_secs:g} s", name
    stopped = outcome.stopped
    if outcome.interrupted is not None or stopped is not None:
        is_interrupt = stopped.kind == "interrupted" if stopped else _is_interrupt(outcome.interrupted)
        message = "The run was stopped" if stopped is None else stopped.message
        return message, "SIGINT" if is_interrupt else "SIGTERM"
    if name == "SIGINT":
        return "The script was interrupted", name
    if name == "SIGKILL":
        return "The script was killed by SIGKILL, as the system does when memory runs out", name
    if name is not None:
        return f"The script was ended by {name}", name
    return (f"The script exited with code {code}", None) if code else (None, None)


def _is_interrupt(error: BaseException | None) -> bool:
    return isinstance(error, KeyboardInterrupt)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _run_here(
    recording: Recording,
    target: Any,
    values: Mapping[str, Any],
    envir: dict[str, Any] | None,
    arguments: list[str],
    *,
    echo: bool,
) -> None:
    _active.push(recording.run)
    saved = sys.argv, list(sys.path), os.environ.get("MPLBACKEND")
    try:
        recording.started(os.getpid(), [*sys.argv], os.getcwd())  # noqa: PTH109
        with capture(recording.out, recording.err, echo=echo):
            if callable(target):
                call(target, values, recording.run.run_dir)
            else:
                _execute(target, envir, arguments)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        _save_plots(recording.run)
        error = {"message": f"The script exited with code {code}"} if code else None
        refusal = recording.ended(exit_code=code, error=error, completed=not code)
        if code:
            raise
    except KeyboardInterrupt:
        recording.ended(exit_code=None, signal="SIGINT")
        raise
    except BaseException as error:
        import traceback

        lines = "".join(traceback.format_exception(error)).splitlines()
        _save_plots(recording.run)
        recording.ended(
            exit_code=None, error={"message": str(error) or type(error).__name__, "traceback": lines}
        )
        raise
    else:
        _save_plots(recording.run)
        refusal = recording.ended(completed=True)
    finally:
        sys.argv, sys.path[:] = saved[0], saved[1]
        _active.pop(recording.run)
    if refusal is not None:
        failure = TrainingRunError(refusal)
        failure.run_dir = recording.run.run_dir
        raise failure


def _execute(script: str, envir: dict[str, Any] | None, arguments: list[str]) -> None:
    path = Path(script).absolute()
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(path.parent))
    namespace = {} if envir is None else envir
    namespace.update({"__name__": "__main__", "__file__": script})
    namespace.setdefault("__builtins__", __builtins__)
    exec(compile(path.read_bytes(), script, "exec"), namespace)  # noqa: S102 - what a runner does


def _save_plots(run: _active.ActiveRun) -> None:
    if "matplotlib.pyplot" in sys.modules:
        from tfruns_rs.tfruns._plots import save_figures

        save_figures(run.run_dir)


def _warn_of_unused(run: _active.ActiveRun, target: Any) -> None:
    used = _record.load(f"{run.run_dir}/{META_DIR}/flags.json")
    if not isinstance(used, dict) and (run.flags or run.flags_file):
        who = "function takes none of them and" if callable(target) else "script"
        hint = "" if callable(target) else "; pass_flags hands them to scripts that parse their own arguments"
        warnings.warn(f"flags were given, but the {who} did not call flags(){hint}", stacklevel=3)
    elif callable(target) and isinstance(used, dict):
        taken = {str(name).replace("-", "_") for name in cast("dict[Any, Any]", used)}
        unused = [name for name in present(run.flags or {}) if name.replace("-", "_") not in taken]
        if unused:
            warnings.warn(f"flags that the function does not take: {', '.join(unused)}", stacklevel=3)


def _view(run_dir: str, view: bool | str) -> None:  # noqa: FBT001 - as the caller's argument
    from tfruns_rs.tfruns._notebook import show_link

    if view == "auto":
        show_link(run_dir)
    elif view:
        from tfruns_rs.views import save_run_view, view_run

        if view == "save":
            save_run_view(run_dir, f"{run_dir}/{META_DIR}/view.html")
        else:
            view_run(run_dir)


def _row(shown: str, run_dir: str) -> pl.DataFrame:
    import polars as pl

    is_same = os.path.abspath(shown) == run_dir  # noqa: PTH100 - the script may have changed directory
    stream = _core.read_run(shown if is_same else run_dir)
    if stream is None:
        raise RunNotFoundError(f"the run {run_dir} is gone")
    return pl.DataFrame(stream)
