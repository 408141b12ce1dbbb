#!/usr/bin/env python3
"""docs/recipes: their pages, and their pods, which run as kubelet would run them, in mount namespaces.

`./dev e2e cluster` gives the manifests to a real cluster. test_operator.py has the recipe of the operator, and
test_recipes_tools.py those of tools."""

import json
import re
import shutil
import unittest

from recipe import RECIPES, PodCase, commands, kubelet, readme

NAMES = sorted(path.parent.name for path in RECIPES.glob("*/README.md"))
LIFETIME_S = 600


class Pages(unittest.TestCase):
    def test_the_index_has_each_recipe(self):
        self.assertEqual(sorted(re.findall(r"\]\(([\w-]+)/README\.md\)", (RECIPES / "README.md").read_text())), NAMES)

    def test_each_page_names_each_file_and_no_other(self):
        for name in NAMES:
            files = {path.name for path in (RECIPES / name).iterdir()} - {"README.md"}
            self.assertEqual(set(re.findall(r"\]\(([\w.-]+)\)", readme(name))), files, name)
            self.assertGreater(len(commands(name)), 1, name)

    @unittest.skipUnless(kubelet, "needs python3-yaml")
    def test_manifests_are_yaml_of_known_kinds(self):
        """./dev e2e cluster lets an API server look at each field."""
        kinds = set()
        for path in RECIPES.glob("*/*.yaml"):
            for manifest in kubelet.manifests(path.read_text()):
                kinds.add(manifest["kind"])
                self.assertEqual(manifest["metadata"]["namespace"], "ci", path)
        self.assertLessEqual(kinds, {"Job", "ServiceAccount", "Stack", "ConfigMap", "Pod", "Deployment"})


class KubernetesJob(PodCase):
    def test_it_prints_the_user(self):
        self.node.start()
        for name in ("job.yaml", "job-without-injection.yaml"):
            pod = self.pod(kubelet.template(self.manifest("kubernetes-job/" + name, "Job")))
            self.assertEqual(self.assert_runs(pod, "podlogin"), "")
            self.assertEqual(self.assert_runs(pod, "runner"), "ci-bot\n")
            shutil.rmtree(pod.directory)
        self.assertEqual(self.exchanges(), 1)

    def test_both_jobs_are_the_same(self):
        """But for the init container, which needs neither socket nor token."""
        def seen(name):
            pod = kubelet.injected(kubelet.template(self.manifest("kubernetes-job/" + name, "Job")))
            runner, = pod["spec"]["containers"]
            return (sorted(volume["name"] for volume in pod["spec"]["volumes"]), runner["env"], runner["command"],
                    sorted(runner["volumeMounts"], key=lambda mount: mount["mountPath"]))
        self.assertEqual(seen("job.yaml"), seen("job-without-injection.yaml"))

    def test_errors_are_those_of_the_page(self):
        template = kubelet.template(self.manifest("kubernetes-job/job.yaml", "Job"))
        errors = iter(re.findall(r"^\| `(\w+)` \|", readme("kubernetes-job"), re.M))

        def fails(pod, code, **variables):
            got, out, error = pod.run("runner", **{**self.here, **variables})
            self.assertEqual((got, out), (code, ""), error)
            self.assertRegex(error, rf"^podlogin: pulumi: {next(errors)}: .*\n$")
        pod = self.pod(template)
        self.assert_runs(pod, "podlogin")
        token = pod.volumes["podlogin-token"] / "token"
        jwt = token.read_text()
        token.unlink()
        fails(pod, 78)
        token.write_text(jwt)
        fails(pod, 69, PODLOGIN_TIMEOUT="1s")
        self.node.start()
        pod.server_uid = "1"
        fails(pod, 77)
        pod.server_uid = kubelet.ROOT
        for namespace, audience in (("other", "urn:pulumi:org:acme"), ("ci", "other")):
            token.write_text(self.mint(namespace=namespace, audience=[audience]))
            fails(pod, 77)
        self.assertEqual(list(errors), [])


class WorkflowRunner(PodCase):
    def test_each_run_has_the_token_of_the_service_account(self):
        self.node.start()
        template = json.loads(self.manifest("workflow-runner/worker-pod.yaml", "ConfigMap")["data"]["worker-pod.json"])
        worker, = template["spec"]["containers"]
        worker["image"] = "pulumi/pulumi:latest-nonroot"  # the runner does this
        pod = self.pod(template)
        self.assertEqual(self.assert_runs(pod, "podlogin"), "")
        self.assertEqual(self.assert_runs(pod, worker["name"], ["sh", "-c", "pulumi whoami"],
                                          PULUMI_ACCESS_TOKEN="of the workflow"), "ci-bot\n")
        self.assertEqual(self.exchanges(), 1)

    def test_the_runner_forwards_no_token(self):
        self.assertRegex(readme("workflow-runner"), r"(?m)^env_forward_allowlist: \[(?!.*TOKEN)")


class Sidecar(PodCase):
    def setUp(self):
        super().setUp()
        self.standin.configure_upstream(expires_in=LIFETIME_S)
        pod = kubelet.template(self.manifest("sidecar/job.yaml", "Job"))
        self.probe = pod["spec"]["initContainers"][0]["startupProbe"]["exec"]["command"]
        self.job = self.pod(pod)

    def start(self):
        sidecar = self.job.spawn("podlogin", **self.here)
        self.addCleanup(sidecar.communicate)
        self.addCleanup(sidecar.kill)
        return sidecar

    def test_the_token_is_fresh_and_the_sidecar_ends(self):
        self.start_with_clock()
        sidecar = self.start()
        self.assert_runs(self.job, "podlogin", self.probe)
        file = self.job.volumes["credentials"] / "credentials.json"
        before = file.read_text()
        self.assertEqual(self.assert_runs(self.job, "job"), "ci-bot\n")
        self.turn_until(lambda: (text := file.read_text()) and json.loads(text)["accessTokens"] !=
                        json.loads(before)["accessTokens"], LIFETIME_S / 10, what="a new token")
        self.assertEqual(self.assert_runs(self.job, "job"), "ci-bot\n")
        sidecar.terminate()
        _, error = sidecar.communicate(timeout=60)
        self.assertEqual((sidecar.returncode, error), (0, ""))

    def test_the_job_does_not_start_without_a_token(self):
        self.node.service("pulumi", rules="")
        self.node.start()
        sidecar = self.start()
        self.assertEqual(sidecar.wait(60), 77)  # kubelet starts it again
        self.assert_runs(self.job, "podlogin", self.probe, code=77)


if __name__ == "__main__":
    unittest.main()
