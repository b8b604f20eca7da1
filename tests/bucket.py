"""A real S3 server for tests: SeaweedFS on loopback, which may be killed and started again."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.settings import S3Access
from tests.service import eventually, free_port

NAME = "pictures"
KEY_ID = "darkroom"
WEED = Path(sys.executable).with_name("weed")


class Bucket:
    """One bucket behind an address of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.url = f"s3://{NAME}"
        self.secret = secrets.token_hex(16)
        # every part of the server listens somewhere: none of it may meet another test's
        self._ports = [f"-{part}.port={free_port()}" for part in ("master", "filer", "volume")]
        self._ports += [
            f"-{part}.port.grpc={free_port()}" for part in ("master", "filer", "volume")
        ]
        self._ports += [f"-s3.port={self.port}", f"-s3.port.grpc={free_port()}"]
        self.start()

    @property
    def access(self) -> S3Access:
        return S3Access(endpoint=self.endpoint, access_key_id=KEY_ID, secret_access_key=self.secret)

    @property
    def settings(self) -> dict[str, str]:
        """What a `Service` is to be told."""
        return {
            "store_url": self.url,
            "s3_endpoint": self.endpoint,
            "s3_access_key_id": KEY_ID,
            "s3_secret_access_key": self.secret,
        }

    def start(self) -> None:
        """Start it on what it kept, and wait until it takes requests."""
        loopback = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder}"]
        fewer = [
            "-webdav=false",
            "-master.telemetry=false",
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": self.secret}
        with (self.folder.parent / "weed.log").open("ab") as log:
            self.process = subprocess.Popen(
                [WEED, "mini", *loopback, *fewer, *self._ports, f"-bucket={NAME}"],
                env=env,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self.answers, 60)

    def answers(self) -> bool:
        """Whether it keeps objects: its front door opens before its shelves are there."""
        access = self.access
        probe = S3Store(
            NAME,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=access.access_key_id,
            secret_access_key=access.secret_access_key,
            client_options={"allow_http": True, "timeout": "2s"},
            retry_config={"max_retries": 0},
        )
        try:
            obstore.put(probe, "probe", b"probe")
            return bytes(obstore.get(probe, "probe").bytes()) == b"probe"
        except (BaseError, OSError):
            return False

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
