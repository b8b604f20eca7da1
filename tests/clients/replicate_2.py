"""What a user of Replicate's second client does, in a process that has only that one.

`python replicate_2.py URL KEY STEPS` prints what came of it as JSON.
"""

import json
import sys

import replicate
from replicate import Replicate


def main(url: str, key: str, steps: int) -> None:
    client = Replicate(base_url=f"{url}/v1", bearer_token=key)
    wish = {"prompt": "a red heart", "num_inference_steps": 2}
    (output,) = client.run("darkroom/default", input=wish)
    prediction = client.predictions.create(version="default", input=wish)
    waited = client.predictions.wait(prediction.id)
    long = client.predictions.create(
        version="default", input={**wish, "num_inference_steps": steps}
    )
    client.predictions.cancel(prediction_id=long.id)
    try:
        client.predictions.create(version="default", input={"prompt": ""})
        refused = ""
    except replicate.ReplicateError as error:
        refused = str(error)
    said = {
        "version": replicate.__version__,
        "magic": output.read()[:4].hex(),
        "created": prediction.status,
        "waited": waited.status,
        "web": waited.urls.web,
        "canceled": client.predictions.wait(long.id).status,
        "listed": prediction.id in [one.id for one in client.predictions.list()],
        "secret": client.webhooks.default.secret.get().key,
        "refused": refused,
    }
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
