"""One job from its submission to its end, with its way there on the terminal."""

import threading
import time
from uuid import uuid4

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.client import ENDINGS, Client, Event, Json, RequestFailed
from app.commands.terminal import Exit, console, fail, tell

PATIENCE_S = 120.0  # a worker that loads its model is ready by then
LOOK_S = 0.5
CANCEL_S = 5  # before its next step a worker hears of it


def hand_in(client: Client, wish: Json) -> Json:
    """Submit; while the service says "later", wait and come back under the same key."""
    key, give_up_at = uuid4().hex, time.monotonic() + PATIENCE_S
    said = ""
    while True:
        try:
            return client.submit(wish, key)
        except RequestFailed as error:
            if error.retry_after_s is None or time.monotonic() > give_up_at:
                raise
            if str(error) != said:
                said = str(error)
                tell(f"[dim]{said} Waiting …[/dim]")
            time.sleep(min(error.retry_after_s, 10.0))


def watch(client: Client, job: Json) -> Json:
    """The job at its end. Ctrl-C cancels it and ends the command."""
    try:
        _show(client, job["id"])
    except KeyboardInterrupt:
        _cancel(client, job["id"])
    return client.job(job["id"])


def _cancel(client: Client, job_id: str) -> None:
    client.cancel(job_id)
    job = client.job(job_id, wait_s=CANCEL_S)
    if job["status"] != "succeeded":  # it may have been quicker than the person
        words = job["status"] if job["status"] in ENDINGS else "will be canceled"
        fail(f"job {job_id} {words}", Exit.INTERRUPTED)


def _show(client: Client, job_id: str) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    has_begun = threading.Event()
    is_watched = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not is_watched) as progress:
        task = progress.add_task("in the queue", total=None)
        queue = threading.Thread(
            target=_show_queue, args=(client, job_id, progress, task, has_begun), daemon=True
        )
        queue.start()
        try:
            for event in client.follow(job_id):
                if event.type != "queued":
                    has_begun.set()
                _show_event(progress, task, event)
        finally:
            has_begun.set()
            queue.join()


def _show_queue(
    client: Client, job_id: str, progress: Progress, task: TaskID, has_begun: threading.Event
) -> None:
    """Events tell when a job begins, but not how the queue before it shortens."""
    while not has_begun.is_set():
        try:
            queue = client.job(job_id)["queue"]
        except RequestFailed:
            queue = None  # the stream says so too, and decides
        if queue and not has_begun.is_set():
            progress.update(task, description=place_in_words(queue))
        has_begun.wait(LOOK_S)


def _show_event(progress: Progress, task: TaskID, event: Event) -> None:
    if event.type == "processing":
        progress.reset(task, total=1.0, description="begins")
    elif event.type == "progress":
        words = f"step {event.data['step']} of {event.data['total_steps']}"
        progress.update(task, total=1.0, completed=event.data["fraction"], description=words)


def place_in_words(queue: Json) -> str:
    """A place in the queue for a person: `2 jobs before it, about 4 s`."""
    position, eta_s = queue["position"], queue["eta_s"]
    before = "next in the queue" if position == 0 else f"{position} jobs before it"
    if position == 1:
        before = "1 job before it"
    return before if eta_s is None else f"{before}, about {eta_s:.0f} s"
