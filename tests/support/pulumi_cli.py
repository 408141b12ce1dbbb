#!/usr/bin/env python3
"""The Pulumi CLI, as far as its login is concerned: what it reads, what it asks, and in which order.

    pulumi_cli.py whoami | org get-default | env ls | stack ls | stack init NAME | stack rm NAME
                  | config set KEY VALUE NAME

Behaves like version 3.260. The environment's token is only a login: it is put into credentials.json, and the
token of each call is read back from there. `env` even uses the one that was there before the login. The file is locked
for each access, but not between reading and writing. It ends with code 3 where the CLI does: nobody is logged in, or the
token is refused."""

import base64
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import ssl
import sys
import urllib.error
import urllib.request

PROJECT = "fake"


def directory():
    home = os.environ.get("PULUMI_HOME") or os.path.join(os.environ.get("HOME", "/nonexistent"), ".pulumi")
    return pathlib.Path(os.environ.get("PULUMI_CREDENTIALS_PATH") or home)


def read_credentials():
    try:
        with open(directory() / "credentials.json", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return json.loads(file.read() or "{}")
    except FileNotFoundError:
        return {}


URL = os.environ.get("PULUMI_BACKEND_URL") or read_credentials().get("current") or "https://api.pulumi.com"


def write_credentials(credentials):
    """In place, as the CLI does: it locks the file itself."""
    directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory() / "credentials.json", os.O_RDWR | os.O_CREAT, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        json.dump(credentials, file, indent=4)


def call(method, path, token, body=None):
    request = urllib.request.Request(URL + path, method=method, data=body and json.dumps(body).encode())
    request.add_header("Authorization", "token " + token)
    request.add_header("Accept", "application/vnd.pulumi+9")
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def validated(account):
    """Returns the account, asking who it is if that is not known, or was asked more than an hour ago; None: expired."""
    expires_at = account.get("tokenInformation", {}).get("expiresAt")
    if expires_at and time_of(expires_at) < now():
        return None
    if not account.get("username") or time_of(account["lastValidatedAt"]) + datetime.timedelta(hours=1) < now():
        account["username"] = call("GET", "/api/user", account["accessToken"])["githubLogin"]
        account["lastValidatedAt"] = now().isoformat()
    return account


def log_in():
    """Returns the account that is used from now on."""
    given = os.environ.get("PULUMI_ACCESS_TOKEN", "")
    credentials = read_credentials()
    account = credentials.get("accounts", {}).get(URL)
    if account and given in ("", account["accessToken"]):
        account = validated(account)
    elif given:
        print("Logging in using access token from PULUMI_ACCESS_TOKEN", file=sys.stderr)
        account = validated({"accessToken": given})
    if not account:
        print("error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions", file=sys.stderr)
        sys.exit(3)
    credentials["current"] = URL
    credentials.setdefault("accessTokens", {})[URL] = account["accessToken"]
    credentials.setdefault("accounts", {})[URL] = account
    write_credentials(credentials)
    return account


def stored_token(credentials):
    return credentials.get("accounts", {}).get(URL, {}).get("accessToken", "")


def default_organization(token):
    return os.environ.get("PULUMI_DEFAULT_ORGANIZATION") or \
        call("GET", "/api/user/organizations/default", token)["GitHubLogin"]


def config_set(token, key, value, stack):
    """Encrypts a secret, and decrypts it again to show that it is right."""
    path = f"/api/stacks/{default_organization(token)}/{PROJECT}/{stack}"
    secret = call("POST", path + "/encrypt", token, {"plaintext": base64.b64encode(value.encode()).decode()})
    plain = call("POST", path + "/decrypt", token, secret)["plaintext"]
    print(f"{key}={base64.b64decode(plain).decode()}")


def stack(token, verb, name=None):
    organization = default_organization(token)
    with contextlib.suppress(urllib.error.HTTPError):
        call("GET", "/api/capabilities", token)
    if verb == "ls":
        for each in call("GET", f"/api/user/stacks?organization={organization}&project={PROJECT}", token)["stacks"]:
            print(each["stackName"])
    elif verb == "init":
        with contextlib.suppress(urllib.error.HTTPError):
            call("GET", f"/api/stacks/{organization}/{PROJECT}/{name}", token)
        call("POST", f"/api/stacks/{organization}/{PROJECT}", token, {"stackName": name, "tags": {}})
    elif verb == "rm":
        call("DELETE", f"/api/stacks/{organization}/{PROJECT}/{name}", token)


def main(arguments):
    before = read_credentials()
    account = log_in()
    after = read_credentials()
    command, rest = arguments[0], arguments[1:]
    if command == "whoami":
        print(account["username"])
    elif command == "org":
        print(default_organization(stored_token(after)))
    elif command == "env":
        for each in call("GET", "/api/esc/environments", stored_token(before))["environments"]:
            print(f"{each['organization']}/{each['project']}/{each['name']}")
    elif command == "stack":
        stack(stored_token(after), *rest)
    elif command == "config":
        config_set(stored_token(after), *rest[1:])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except urllib.error.HTTPError as http_error:
        if http_error.code == 401 and sys.argv[1] != "env":
            print("error: this command requires logging in; try running `pulumi login` first", file=sys.stderr)
            sys.exit(3)
        print(f"error: {json.load(http_error)['message']}", file=sys.stderr)
        sys.exit(1)
    except OSError as os_error:
        print(f"error: {os_error}", file=sys.stderr)
        sys.exit(1)
