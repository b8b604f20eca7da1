"""`darkroom models` and `darkroom queue`."""

import json

from tests.app.commands.conftest import Darkroom
from tests.app.front_end import WORKER, FrontEnd


def test_models_say_what_they_draw_with(darkroom: Darkroom) -> None:
    titles, line = darkroom("models").stdout.splitlines()

    assert titles.split()[:3] == ["ID", "FAMILY", "SIZE"]
    assert line.split()[:3] == ["default", "darkroom", "64"]
    assert line.endswith("ddim, euler")
    (model,) = json.loads(darkroom("models", "--json").stdout)
    assert model["id"] == "default"


def test_the_queue_says_who_works(darkroom: Darkroom, front_end: FrontEnd) -> None:
    front_end.submit()

    state, _, worker = darkroom("queue").stdout.splitlines()

    assert state == "1 waiting, 0 being drawn, 0.50 s a picture"
    assert worker.split() == ["by-hand", "cpu", "ready", "0/8", "default,", "other"]
    assert json.loads(darkroom("queue", "--json").stdout)["depth"] == 1


def test_an_empty_house_says_so(darkroom: Darkroom, front_end: FrontEnd) -> None:
    front_end.services.catalogue.retire(WORKER.name)

    assert darkroom("queue").stdout == "0 waiting, 0 being drawn\nno worker is running\n"
