"""Object stores on the loopback device, each a process of its own.

S3 is moto's server, Azure is Azurite (`make test-remote` installs it), Google's is `gcs_server.py`.
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

SECRET = base64.b64encode(b"a-very-secret-access-key-of-tests").decode()
ACCOUNT = "anaccountoftests"
AZURITE = shutil.which(os.environ.get("TFRUNS_AZURITE", "azurite-blob"))


@contextmanager
def started(command, root, url, **environment):
    """Runs a server until the context ends; begins once it answers, with whatever status."""
    with (root / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=root,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    assert process.poll() is None, (root / "log").read_text()
                    time.sleep(0.1)
            yield
        finally:
            os.killpg(process.pid, 15)
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def s3(root):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], root, url):

        def bucket(name):
            request = urllib.request.Request(f"{url}/{name}", method="PUT")  # noqa: S310
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
            return f"s3://{name}", {
                "endpoint": url,
                "access_key_id": ACCOUNT,
                "secret_access_key": SECRET,
                "region": "us-east-1",
                "client_options": {"allow_http": True},
            }

        yield bucket


@contextmanager
def azure(root):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(root)]
    command += ["--skipApiVersionCheck", "--silent"]
    with started(command, root, url, AZURITE_ACCOUNTS=f"{ACCOUNT}:{SECRET}"):

        def bucket(name):
            headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
            signed = "PUT" + "\n" * 12 + "".join(f"{key}:{value}\n" for key, value in headers.items())
            signed += f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
            digest = hmac.new(base64.b64decode(SECRET), signed.encode(), hashlib.sha256).digest()
            headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
            request = urllib.request.Request(  # noqa: S310
                f"{url}/{ACCOUNT}/{name}?restype=container", method="PUT", headers=headers
            )
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
            return f"az://{name}", {
                "account_name": ACCOUNT,
                "account_key": SECRET,
                "endpoint": f"{url}/{ACCOUNT}",
            }

        yield bucket


@contextmanager
def gcs(root, *arguments):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started([sys.executable, Path(__file__).parent / "gcs_server.py", str(port), *arguments], root, url):
        account = {
            "gcs_base_url": url,
            "disable_oauth": True,
            "client_email": "tests@example.com",
            "private_key": SECRET,
            "private_key_id": "1",
        }
        yield lambda name: (
            f"gs://{name}",
            {"service_account_key": json.dumps(account), "client_options": {"allow_http": True}},
        )
