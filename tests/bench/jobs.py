"""What a job sees: jobs that log in with the Pulumi CLI, with an AWS SDK, and with podlogin, all to the same stand-in, which
answers after 150 ms: ./dev bench --jobs. README.md explains it."""

import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import statistics
import subprocess
import time

import command
import rig
from node import AUDIENCE
from rig import Failure

SECTION = "jobs"
LATENCY_MS = 150
AT_ONCE = 16  # jobs that run at a time; the next one starts when one has ended
AWS_AUDIENCE = "sts.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/ci"
AWS_SERVICE = """[Service]
Provider=aws-sts
Issuer=eks
Audience={audience}
CAFile={ca}

[AWS]
RoleARN={role}
Region=eu-central-1
Endpoint={endpoint}

[Allow "ci"]
"kubernetes.io".namespace=ci
"""
BOTO3 = "import boto3; assert boto3.Session().get_credentials().get_frozen_credentials().token"


@dataclasses.dataclass
class Client:
    """A command that every job runs."""
    name: str
    arguments: list
    variables: dict = dataclasses.field(default_factory=dict)
    audience: str = AUDIENCE
    is_ours: bool = False  # gets a daemon of its own, whose cache is empty
    logs_in: bool = True


class Jobs:
    def __init__(self, the_rig, size):
        self.rig = the_rig
        self.jobs = {"full": 300, "quick": 60, "tiny": 4}[size]
        self.missing = {}
        for audience in (AUDIENCE, AWS_AUDIENCE):
            tokens = self.directory(f"tokens-{audience}")
            for i, jwt in enumerate(the_rig.standin.mint_many(self.jobs, audience=[audience], namespace="ci", pod="job-%d",
                                                              serviceaccount="pulumi-runner")):
                (tokens / str(i)).write_text(jwt)

    def directory(self, name):
        path = self.rig.directory / name
        path.mkdir()
        return path

    def program(self, name, variable=None):
        path = shutil.which(os.environ.get(variable or "", name) if variable else name)
        if not path:
            self.missing[name] = "it is not on PATH" + (f", and {variable}= names none" if variable else "")
        return path

    def clients(self):
        ours = command.STATIC if command.STATIC.exists() else rig.PODLOGIN
        if ours == rig.PODLOGIN:
            self.missing["podlogin, static"] = "./dev static has not built it; the dynamic one takes its place"
        return [*self.own_clients(ours), *self.pulumi_clients(ours), *self.aws_clients(ours)]

    def own_clients(self, ours):
        found = [Client("`podlogin token`", [ours, "token", "pulumi"], is_ours=True),
                 Client("`podlogin env`", [ours, "env", "pulumi"], is_ours=True),
                 Client("`podlogin env`, for AWS", [ours, "env", "aws"], audience=AWS_AUDIENCE, is_ours=True)]
        if true := self.program("true"):
            found.append(Client("`podlogin exec -- true`", [ours, "exec", "pulumi", "--", true], is_ours=True))
        return found

    def pulumi_clients(self, ours):
        pulumi = self.program("pulumi", "PULUMI")
        if not pulumi:
            return []
        variables = {"SSL_CERT_FILE": self.rig.standin.ca, "PULUMI_SKIP_UPDATE_CHECK": "true",
                     "PULUMI_HOME": "{home}/.pulumi"}
        login = [pulumi, "login", self.rig.standin.upstream, "--oidc-token", "file://{token}", "--oidc-org", "acme",
                 "--oidc-user", "ci-bot"]
        return [Client("`pulumi version`, no login", [pulumi, "version"], variables, logs_in=False),
                Client("`pulumi login --oidc-token`", login, variables),
                Client("`podlogin exec -- pulumi whoami`", [ours, "exec", "pulumi", "--", pulumi, "whoami"], variables,
                       is_ours=True)]

    def aws_clients(self, ours):
        python = self.python_with_boto3()
        if not python:
            return []
        variables = {"AWS_ENDPOINT_URL_STS": self.rig.standin.upstream, "AWS_CA_BUNDLE": self.rig.standin.ca,
                     "AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
        identity = {**variables, "AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "{token}"}
        return [Client("Python and `import boto3`, no login", [python, "-c", "import boto3"], variables, logs_in=False),
                Client("boto3, web identity", [python, "-c", BOTO3], identity, AWS_AUDIENCE),
                Client("boto3 after `podlogin exec`", [ours, "exec", "aws", "--", python, "-c", BOTO3], variables,
                       AWS_AUDIENCE, is_ours=True)]

    def python_with_boto3(self):
        """The interpreter itself, without the script that may stand for it on PATH; or that of Debian's package."""
        for name in ("python3", "/usr/bin/python3"):
            if found := shutil.which(name):
                tried = subprocess.run([found, "-c", "import sys, boto3; print(sys.executable)"], capture_output=True,
                                       text=True, check=False)
                if tried.returncode == 0:
                    return tried.stdout.strip()
        self.missing["boto3"] = "no python3 on PATH has it"
        return None

    def node(self, name):
        node = self.rig.node(name)
        node.write("services.d/aws.conf", AWS_SERVICE.format(audience=AWS_AUDIENCE, ca=self.rig.standin.ca, role=ROLE,
                                                             endpoint=self.rig.standin.upstream))
        node.restart()
        return node

    def measure(self, number, client):
        node = self.node(f"jobs-{number}") if client.is_ours else None
        homes = self.directory(f"homes-{number}")
        self.rig.standin.reset_counts()
        self.rig.standin.reset_calls()
        daemon_ns = cpu_of(node)
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = list(pool.map(lambda i: self.job(client, node, homes, i), range(self.jobs)))
        took_s = time.monotonic() - begun
        result = {"name": client.name, "took_s": took_s, "jobs": jobs,
                  "exchanges": self.rig.standin.counts()["exchanges"],
                  "calls": [call["path"] for call in self.rig.standin.calls()],
                  "daemon_ms": (cpu_of(node) - daemon_ns) / 1e6 / self.jobs}
        if client.logs_in and not result["exchanges"]:
            raise Failure(f"{client.name}: no job has logged in")
        if node:
            node.stop()
        shutil.rmtree(homes)
        return result

    def job(self, client, node, homes, number):
        """Runs one job, as a pod would. Returns its wall time and CPU time in ms."""
        token = str(self.rig.directory / f"tokens-{client.audience}" / str(number))
        home = homes / str(number)
        home.mkdir()
        environment = {"PATH": os.environ["PATH"], "HOME": str(home),
                       **{name: value.format(token=token, home=home) for name, value in client.variables.items()}}
        if node:
            environment.update(node.environment(PODLOGIN_TOKEN_FILE=token))
        arguments = [str(each).replace("{token}", token) for each in client.arguments]
        begun = time.monotonic()
        with open(home / "output", "wb") as output:
            pid = os.posix_spawn(arguments[0], arguments, environment, file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 2)])
            _, status, usage = os.wait4(pid, 0)
        took = time.monotonic() - begun
        if status != 0:
            text = (home / "output").read_text(errors="replace").replace(pathlib.Path(token).read_text(), "...")
            raise Failure(f"{client.name} ended with {os.waitstatus_to_exitcode(status)}: {text.strip()[-300:]}")
        return 1000 * took, 1000 * (usage.ru_utime + usage.ru_stime)


def cpu_of(node):
    """The CPU time of a daemon and its exchangers, in ns."""
    return sum(rig.cpu_ns(pid) for pid in node.pids()) if node else 0


def percentile(values, fraction):
    return sorted(values)[min(len(values) - 1, int(fraction * len(values)))]


def table(jobs, results):
    lines = [f"{jobs.jobs} jobs of one account, each a pod with a token of its own, {AT_ONCE} at a time; the upstream "
             f"answers each call after {LATENCY_MS} ms:", "",
             "| job | wall time, median / p99 | CPU per job | of the daemon, per job | calls upstream | all jobs done after |",
             "|---|---|---|---|---|---|"]
    for result in results:
        walls, cpus = zip(*result["jobs"])
        lines.append(f"| {result['name']} | {statistics.median(walls):.1f} / {percentile(walls, 0.99):.1f} ms | "
                     f"{statistics.mean(cpus):.1f} ms | {result['daemon_ms']:.2f} ms | "
                     f"{result['exchanges'] + len(result['calls'])} | {result['took_s']:.1f} s |")
    return lines + [""] + [f"- Not measured: {name} ({reason})." for name, reason in jobs.missing.items()]


def run(size):
    """Returns the section of the page, and the figures."""
    with rig.Rig() as the_rig:
        the_rig.standin.fault_upstream(latency_ms=LATENCY_MS)
        jobs = Jobs(the_rig, size)
        results = [jobs.measure(i, client) for i, client in enumerate(jobs.clients())]
        return "\n".join(table(jobs, results)).rstrip(), {"results": results, "missing": jobs.missing}
