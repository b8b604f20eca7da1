"""What we sign, the receivers' own library accepts; nothing else does it accept."""

import time

import pytest
from redis import Redis
from standardwebhooks import Webhook, WebhookVerificationError

from app.settings import webhook_key
from app.webhooks.signing import kept_secret, new_secret, signed_headers
from tests.app.webhooks.receiver import OLD_SECRET, SECRET

BODY = '{"type":"job.succeeded","data":{"prompt":"ein Käfer 🪲"}}'.encode()


def headers(*secrets: str, at: float | None = None) -> dict[str, str]:
    now = int(at or time.time())
    return signed_headers("msg-1", now, BODY, [webhook_key(one) for one in secrets])


def test_the_library_of_the_standard_accepts_a_signature() -> None:
    assert Webhook(SECRET).verify(BODY, headers(SECRET))["type"] == "job.succeeded"


def test_every_flipped_byte_is_refused() -> None:
    library, good = Webhook(SECRET), headers(SECRET)
    for place in range(len(BODY)):
        forged = bytearray(BODY)
        forged[place] ^= 1
        with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
            library.verify(bytes(forged), good)
    later = str(int(good["webhook-timestamp"]) + 1)
    for change in ({"webhook-id": "msg-2"}, {"webhook-timestamp": later}):
        with pytest.raises(WebhookVerificationError):
            library.verify(BODY, good | change)


def test_during_a_rotation_the_old_and_the_new_key_both_verify() -> None:
    signed = headers(SECRET, OLD_SECRET)

    assert signed["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(BODY, signed)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, signed)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(BODY, headers(SECRET))


@pytest.mark.parametrize(("skew_s", "accepted"), [(-310, False), (-290, True), (290, True)])
def test_a_signature_is_as_fresh_as_its_timestamp(skew_s: int, accepted: bool) -> None:
    signed = headers(SECRET, at=time.time() + skew_s)
    if accepted:
        Webhook(SECRET).verify(BODY, signed)
    else:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(BODY, signed)


def test_a_secret_that_nobody_set_is_made_once(redis: Redis) -> None:
    first = kept_secret(redis)

    assert kept_secret(redis) == first
    assert len(webhook_key(first)) == 32
    assert new_secret() != new_secret()
