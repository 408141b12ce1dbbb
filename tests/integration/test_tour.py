"""docs/tour-eks.md, as it is printed, by a new user: against the stand-in, which is EKS' issuer and Pulumi Cloud.

AWS and the cluster are not here: `aws` and `kubectl` are scripts that check what they are given. With $PULUMI, or `pulumi` on
PATH, the real CLI runs in the pods."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap
import unittest

from node import PODLOGINCTL, PODLOGIN, NodeCase, without_noise

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
REAL = os.environ.get("PULUMI") or shutil.which("pulumi")
CLI = [os.path.abspath(shutil.which(REAL) or REAL)] if REAL else [sys.executable, str(SOURCE / "tests/support/pulumi_cli.py")]
AUDIENCE = "sts.amazonaws.com"  # of the tokens that EKS mounts

AWS = """#!/bin/sh
case "$*" in
"eks describe-cluster --name prod --query cluster.identity.oidc.issuer --output text") echo "$STANDIN_ISSUER" ;;
"iam create-role --role-name pulumi-runner --assume-role-policy-document file://trust-policy.json") echo created ;;
*) echo "aws: $*" >&2; exit 1 ;;
esac
"""
KUBECTL = """#!/bin/sh
[ "$*" = "apply -f pulumi-service-account.yaml" ] && grep -q '^kind: ServiceAccount$' pulumi-service-account.yaml &&
    echo serviceaccount/pulumi-service-account created
"""


def page():
    return (SOURCE / "docs/tour-eks.md").read_text()


def blocks(kind):
    """The blocks with this mark, in their order. Those of a list are indented."""
    found = re.findall(rf"^( *)<!-- {kind} -->\n *```\w+\n(.*?)^ *```$", page(), re.M | re.S)
    return [textwrap.dedent(text) for _, text in found]


class Tour(NodeCase):
    def setUp(self):
        super().setUp()
        self.standin.policies([])  # of issuers that are not registered
        self.standin.reset_issuers()
        self.directory = self.node.directory / "tour"
        self.bin = self.directory / "bin"
        self.bin.mkdir(parents=True)
        for name, text in (("aws", AWS), ("kubectl", KUBECTL)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        (self.bin / "podloginctl").symlink_to(PODLOGINCTL)
        (self.bin / "podlogin").symlink_to(PODLOGIN)
        (self.bin / "pulumi").write_text("#!/bin/sh\nexec " + " ".join(CLI) + ' "$@"\n')
        (self.bin / "pulumi").chmod(0o755)
        self.admin = self.standin.user_token(user="me")

    def take(self, commands):
        """Runs blocks of the page in the shell of its reader. Returns the output."""
        run = subprocess.run(["bash", "-c", commands], cwd=self.directory, text=True, capture_output=True, timeout=120,
                             check=False, env={"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.directory),
                                               "PULUMI_ACCESS_TOKEN": self.admin, "STANDIN_ISSUER": self.standin.issuer})
        self.assertEqual(without_noise(run.stderr), "")
        self.assertNotIn(self.admin, run.stdout)
        return run.stdout

    def here(self):
        """What is different here: certificates of the stand-in, and its URL instead of api.pulumi.com."""
        return (f"echo CAFile={self.standin.ca} >>podlogin/issuers.d/eks.conf\n"
                f"sed -i 's|^Issuer=eks|&\\nCAFile={self.standin.ca}|; s|^Expiration=.*|&\\nAPIURL={self.standin.upstream}|' "
                "podlogin/services.d/pulumi.conf\n")

    def start_daemon(self):
        """The daemon on a node, with the files of the page."""
        for name in ("issuers.d/eks.conf", "services.d/pulumi.conf"):
            shutil.copy(self.directory / "podlogin" / name, self.node.etc / name)
        self.node.start()

    def pod(self, command, jwt, **variables):
        """Runs a command as a container of this node. EKS names the file of the token in a variable."""
        path = self.node.jwt_file(jwt)
        environment = self.node.environment(PATH=f"{self.bin}:{os.environ['PATH']}", AWS_WEB_IDENTITY_TOKEN_FILE=str(path),
                                            HOME=str(self.node.directory / "home"), SSL_CERT_FILE=self.standin.ca,
                                            PULUMI_SKIP_UPDATE_CHECK="true", **variables)
        return subprocess.run(command, env=environment, cwd=self.node.directory, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=90, check=False)

    def test_it_works_as_described(self):
        tour = blocks("tour")
        self.assertEqual(len(tour), 9)
        out = self.take("".join([*tour[:3], self.here(), *tour[3:8]]))
        self.assertIn('aws eks describe-cluster --name prod --query "cluster.identity.oidc.issuer" --output text\n'
                      f"{self.standin.issuer}\n", out)
        self.assertIn("podlogin: configuration is valid (1 issuer, 1 service)\n", out)
        self.assertIn("created\n", out)
        self.assertIn("serviceaccount/pulumi-service-account created\n", out)
        self.assertIn("nothing was changed; with --yes, it is registered\n", out)
        self.assertIn('+ allow personal ci-bot    # [Allow "runner"] of service pulumi\n', out)
        self.assertIn("applied\nissuer eks", out)
        self.assertIn("\n2 as they should be, 0 to add, 0 to remove, 0 of no service here\n", out)
        self.assertIn("  sharing  Share=serviceaccount is sound\n", out)
        self.assertNotRegex(out, "(?m)^(error|warning):")
        self.assert_trust_policy()
        self.assert_service_account()
        self.jobs()
        shown = self.take(tour[0] + tour[8])
        self.assertRegex(shown, r"(?m)^eks .* 2h 0min +published +20\d\d-")

    def assert_trust_policy(self):
        """That of Pulumi's page, with the audience."""
        provider = self.standin.issuer.removeprefix("https://")
        statement, = json.loads((self.directory / "trust-policy.json").read_text())["Statement"]
        self.assertEqual(statement["Principal"], {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{provider}"})
        self.assertEqual(statement["Condition"]["StringEquals"], {
            f"{provider}:sub": "system:serviceaccount:default:pulumi-service-account", f"{provider}:aud": AUDIENCE})

    def assert_service_account(self):
        self.assertEqual((self.directory / "pulumi-service-account.yaml").read_text(), textwrap.dedent("""\
            apiVersion: v1
            kind: ServiceAccount
            metadata:
              name: "pulumi-service-account"
              namespace: "default"
              annotations:
                eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/pulumi-runner"
            """))

    def jobs(self):
        self.start_daemon()
        command = re.search(r"command: \[(.*)\]", blocks("job")[0])[1].split(", ")
        self.assertIn("serviceAccountName: pulumi-service-account\n", blocks("job")[0])

        def mint(**changes):
            return self.mint(**{"namespace": "default", "serviceaccount": "pulumi-service-account", "audience": [AUDIENCE],
                                **changes})
        for pod in ("runner-1", "runner-2", "runner-3"):
            run = self.pod(command, mint(pod=pod))
            self.assertEqual((run.returncode, run.stdout), (0, "ci-bot\n"), run.stderr)
        self.assertEqual(self.exchanges(), 1)
        for changes in ({"serviceaccount": "default"}, {"namespace": "other"}, {"pod": "debug-1"}):
            run = self.pod(command, mint(**changes))
            self.assertEqual((run.returncode, run.stdout), (77, ""), run.stderr)
        self.assertEqual(self.exchanges(), 1)
        if REAL:
            self.script(mint)

    def script(self, mint):
        """The script of Pulumi's page, in which its reader has put two names."""
        script = blocks("script")[0].replace("MY_ORG_NAME", "acme").replace("MY_USER_LOGIN", "ci-bot")
        self.assertIn("/var/run/secrets/eks.amazonaws.com/serviceaccount/token", script)
        script = script.replace("/var/run/secrets/eks.amazonaws.com/serviceaccount/token", "$AWS_WEB_IDENTITY_TOKEN_FILE")
        run = self.pod(["bash", "-ec", script], mint(), PULUMI_BACKEND_URL=self.standin.upstream)
        self.assertEqual((run.returncode, run.stdout.splitlines()[-1]), (0, "ci-bot"), run.stderr)
        run = self.pod(["bash", "-ec", script], mint(pod="debug-1"), PULUMI_BACKEND_URL=self.standin.upstream)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("access_denied", run.stderr)

    def test_each_command_may_be_repeated(self):
        tour = blocks("tour")
        once = "".join([*tour[:3], self.here(), *tour[3:8]])
        self.take(once)
        self.standin.reset_calls()
        self.take(once)
        self.assertEqual({call["method"] for call in self.standin.calls()}, {"GET"})

    def test_the_end_of_it_all(self):
        tour = blocks("tour")
        end = re.search(r"`(podloginctl issuer remove .*?)`", page())[1]
        self.take("".join([*tour[:3], self.here(), *tour[3:8]]))
        self.assertIn("removed\n", self.take(end))
        self.start_daemon()
        jwt = self.mint(namespace="default", serviceaccount="pulumi-service-account", audience=[AUDIENCE])
        self.assert_refused("UPSTREAM_REFUSED", 77, jwt)

    def test_the_program_that_it_prints(self):
        tour = blocks("tour")
        program = re.search(r"`(podloginctl issuer print pulumi .*?)`", page())[1]
        out = self.take("".join([*tour[:3], self.here(), program]))
        self.assertIn("type: pulumiservice:index:OidcIssuer\n", out)


if __name__ == "__main__":
    unittest.main()
