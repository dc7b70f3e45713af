"""`tfruns completion`: what makes a shell complete verbs, options and runs."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes the shell complete verbs, options and the names of runs.

    \b
    Examples:
      eval "$(tfruns completion bash)"          # in ~/.bashrc
      eval "$(tfruns completion zsh)"           # in ~/.zshrc
      tfruns completion fish > ~/.config/fish/completions/tfruns.fish
    """
    from click.shell_completion import get_completion_class

    from tfruns_rs.cli._app import tfruns

    found = get_completion_class(shell)
    if found is None:  # pragma: no cover - the choices are click's
        raise click.ClickException(f"{shell} is not supported")
    click.echo(found(tfruns, {}, "tfruns", "_TFRUNS_COMPLETE").source())
