"""`darkroom`: the service and a client of it, on the command line."""

import typer

from app.commands import jobs, service, state
from app.commands.generate import generate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=__doc__,
    rich_markup_mode=None,  # what was wrong stays one line, also in a log
    pretty_exceptions_enable=False,
)
for command in (service.up, generate):
    app.command()(command)
app.add_typer(jobs.app, name="jobs")
for command in (state.models, state.queue, service.api, service.webhooks, service.worker):
    app.command()(command)


def main() -> None:
    """Entry point of the `darkroom` command."""
    app()


if __name__ == "__main__":
    main()
