"""Wait for an Open WebUI, sign in as its administrator and keep an API key.

A key that already works is kept, because a new one would end the old one under
the hands of whoever uses it. The standard library is all this needs.
"""

import argparse
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

# No proxy of the environment may stand between us and loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(url, token="", body=None):
    """Answer the JSON of one request; anything else is an error."""
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    if token:
        request.add_header("Authorization", "Bearer " + token)
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with OPENER.open(request, timeout=20) as answer:
        return json.load(answer)


def running(pid):
    """Say whether the server's process is still there."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait(url, pid, seconds):
    """Return when /health answers; end the program when it never will."""
    end = time.monotonic() + seconds
    last = "no answer"
    while time.monotonic() < end:
        if not running(pid):
            sys.exit(f"Open WebUI ended while it was starting (process {pid})")
        try:
            if call(url + "/health").get("status") is True:
                return
        except (OSError, ValueError) as error:
            last = error
        time.sleep(0.2)
    sys.exit(f"Open WebUI is not ready after {seconds} s: {last}")


def works(url, key):
    """Say whether an API key may list groups."""
    try:
        call(url + "/api/v1/groups/", key)
    except (urllib.error.HTTPError, ValueError):
        return False
    return True


def main():
    """Run the three steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "email", "password", "key-file"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--seconds", type=int, default=180)
    args = parser.parse_args()

    wait(args.url, args.pid, args.seconds)
    path = pathlib.Path(args.key_file)
    if path.exists() and works(args.url, path.read_text().strip()):
        return
    try:
        signin = {"email": args.email, "password": args.password}
        token = call(args.url + "/api/v1/auths/signin", body=signin)["token"]
        key = call(args.url + "/api/v1/auths/api_key", token, {})["api_key"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"no API key from Open WebUI: {error!r}")
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(key + "\n")
    if not works(args.url, key):
        sys.exit("Open WebUI refuses the API key that it just made")


main()
