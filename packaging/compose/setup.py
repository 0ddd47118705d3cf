"""Makes what the services of compose.yaml keep secret from each other.

    setup.py make                  passwords and keys, once; what is there stays
    setup.py show                  who can sign in where
    setup.py key --url --email     an API key of Open WebUI for groupsyncd; one that works stays

Secrets lie in SECRETS/SERVICE/NAME, mode 0400, and belong to the user of the service.
SECRETS is /secrets unless the environment says another. The standard library is all this
needs.
"""

import argparse
import json
import os
import pathlib
import secrets
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(os.environ.get("SECRETS", "/secrets"))
# The numbers of the users in the images.
USERS = {"keycloak": 1000, "open-webui": 0, "groupsyncd": 65532}
# Each secret is the same for all who have it.
SHARED = [
    ["keycloak/KC_BOOTSTRAP_ADMIN_PASSWORD"],
    ["keycloak/PEOPLE_PASSWORD"],
    ["keycloak/OPEN_WEBUI_CLIENT_SECRET", "open-webui/OAUTH_CLIENT_SECRET"],
    ["keycloak/GROUPSYNCD_CLIENT_SECRET", "groupsyncd/keycloak"],
    ["open-webui/WEBUI_ADMIN_PASSWORD"],
    ["open-webui/WEBUI_SECRET_KEY"],
    ["groupsyncd/status-page"],
]
KEY = "groupsyncd/open-webui"
# No proxy of the environment may stand between us and the service.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read(name):
    """Give a secret, or nothing."""
    path = ROOT / name
    return path.read_text().strip() if path.exists() else ""


def write(name, value):
    """Put a secret in its place, whole or not at all, for its reader alone."""
    path = ROOT / name
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as out:
        out.write(value + "\n")
    user = USERS[name.split("/")[0]]
    os.chown(part, user, user)
    part.rename(path)


def make():
    """Make what is missing."""
    for names in SHARED:
        value = next(filter(None, map(read, names)), "") or secrets.token_urlsafe(24)
        for name in names:
            if read(name) != value:
                write(name, value)


def show():
    """Say who can sign in where."""
    for where, who, name in [
        ("http://localhost:3000", "ada, grace, alan, joan (by Keycloak)", "keycloak/PEOPLE_PASSWORD"),
        ("http://localhost:3000", "admin@example.org", "open-webui/WEBUI_ADMIN_PASSWORD"),
        ("http://localhost:8180", "admin", "keycloak/KC_BOOTSTRAP_ADMIN_PASSWORD"),
        ("http://localhost:8421", "token of admin", "groupsyncd/status-page"),
    ]:
        print(f"{where}  {who:38}  {read(name)}")


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


def works(url, key):
    """Say whether a key may list groups. That the server is away says nothing about the key."""
    for left in range(30, -1, -1):
        try:
            call(url + "/api/v1/groups/", key)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                return False
            if not left:
                raise
        except OSError:
            if not left:
                raise
        else:
            return True
        time.sleep(1)
    return False


def key(url, email):
    """Have an API key. A new one would end the old one, so one that works is kept."""
    if read(KEY) and works(url, read(KEY)):
        return
    signin = {"email": email, "password": read("open-webui/WEBUI_ADMIN_PASSWORD")}
    try:
        token = call(url + "/api/v1/auths/signin", body=signin)["token"]
        made = call(url + "/api/v1/auths/api_key", token, {})["api_key"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"Open WebUI gives no API key: {error}. Was the password of {email} changed, or are API keys switched off?")
    write(KEY, made)


def main():
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make")
    commands.add_parser("show")
    keys = commands.add_parser("key")
    keys.add_argument("--url", required=True)
    keys.add_argument("--email", required=True)
    args = parser.parse_args()
    if args.command == "make":
        make()
    elif args.command == "show":
        show()
    else:
        key(args.url, args.email)


main()
