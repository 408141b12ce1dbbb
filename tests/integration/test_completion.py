"""Completion in bash and zsh: it is what the commands take, and the services, keys and files that there are."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from node import BUILD, PODLOGIN, PODLOGINCTL, NodeCase

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
ENVIRONMENT = {**os.environ, "PATH": f"{BUILD}/daemon:{BUILD}/module:{os.environ['PATH']}"}

# What bash does at a tabulator: calls the function with the words of the line.
BASH = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def help_of(*command):
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout


def options_of(*command):
    """The options that --help names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", help_of(*command)))


def commands(source):
    table = re.search(r"commands\[\] = \{(.*?)\n\};", (SOURCE / source).read_text(), re.S)[1]
    return set(re.findall(r'\{"([\w-]+)", \w+\}', table))


CTL = commands("daemon/ctl/main.c")
COMMANDS = {re.search(r'\.name = "([\w-]+)"', path.read_text())[1]
            for path in (SOURCE / "module/command").glob("*.c") if "const struct command command_" in path.read_text()}


class Completion:
    """The cases; a class for each shell has complete()."""

    def complete(self, *words, **variables):
        raise NotImplementedError

    def test_commands(self):
        self.assertEqual(self.complete("podloginctl", ""), CTL | {"--help", "--version"})
        self.assertEqual(self.complete("podloginctl", "ch"), {"check-config"})
        self.assertEqual(self.complete("podlogin", ""), COMMANDS)
        self.assertGreater(len(COMMANDS), 4)
        self.assertEqual(self.complete("podloginctl", "cache", ""),
                         set(re.findall(r'\{"(\w+)", \w+\}', re.search(
                             r"actions\[\] = (.*);", (SOURCE / "daemon/ctl/cache.c").read_text())[1])))

    def test_actions_and_issuers(self):
        actions = re.findall(r'^    \{"([\w ]+)", issuer_\w+, ', (SOURCE / "daemon/ctl/issuer/issuer.c").read_text(), re.M)
        self.assertGreater(len(actions), 5)
        self.assertEqual(self.complete("podloginctl", "issuer", ""), {action.split()[0] for action in actions})
        for group in ("policy", "print"):
            self.assertEqual(self.complete("podloginctl", "issuer", group, ""),
                             {action.split()[1] for action in actions if action.startswith(group + " ")})
        self.node.issuer("second")
        for words in (["show"], ["policy", "diff"]):
            self.assertEqual(self.complete("podloginctl", "issuer", *words, "--config", str(self.node.etc), ""),
                             {"eks", "second"})

    def test_options_are_those_of_the_program(self):
        self.assertGreater(len(CTL), 6)
        for command in CTL:
            self.assertEqual(self.complete("podloginctl", command, "--"), options_of(PODLOGINCTL, command), command)
        for command in COMMANDS:
            self.assertEqual(self.complete("podlogin", command, "--"), options_of(PODLOGIN, command), command)
        self.assertEqual(self.complete("podlogin", "--"), options_of(PODLOGIN))
        # the table that the program reads its options from
        table = re.search(r" table\[OPTIONS\] = \{(.*?)\n\};", (SOURCE / "module/command/options.c").read_text(), re.S)[1]
        helper = subprocess.run(["git-credential-podlogin", "--help"], executable=PODLOGIN, capture_output=True, text=True,
                                check=True).stdout  # the program under another name, which no shell completes
        self.assertEqual(set(re.findall(r"^  (--[a-z-]+)", helper, re.M)).union(
            options_of(PODLOGIN), *(options_of(PODLOGIN, command) for command in COMMANDS)), {f"--{name}" for name in re.findall(r'\{"([a-z-]+)",', table)})

    def test_the_program_takes_each_option_that_is_offered(self):
        for command in CTL:
            for option in self.complete("podloginctl", command, "--"):
                # what follows is the option's value, or an option that does not exist: the command has no effect
                run = subprocess.run([PODLOGINCTL, command, option, "--nonesuch"], text=True, capture_output=True,
                                     stdin=subprocess.DEVNULL, timeout=60, check=False)
                self.assertNotIn(f"'{option}'", run.stderr)

    def test_each_value_is_completed_or_free(self):
        """An option with a value has a line in the file, or any text is right for it."""
        free = {"--issuer", "--audience", "--at", "--namespace", "--min-ttl", "--timeout", "--reject-on", "--organization", "--name", "--max-expiration",
                "--thumbprint", "--account", "--role", "--cluster"}
        for program, helps in (("podlogin", "".join(help_of(PODLOGIN, command) for command in COMMANDS)),
                               ("podloginctl", "".join(help_of(PODLOGINCTL, command) for command in CTL))):
            with_value = set(re.findall(r"^  (--[a-z-]+) [A-Z]", helps, re.M))
            cases = re.findall(r"^ +(--[a-z-]+(?: \| --[a-z-]+)*)\) ", self.source(program), re.M)
            known = {option for line in cases for option in line.split(" | ")}
            self.assertEqual(with_value - free, known, program)

    def test_files(self):
        (self.node.directory / "keys.json").write_text("")
        begin = f"{self.node.directory}/ke"
        self.assertEqual({pathlib.Path(word).name for word in self.complete("podloginctl", "verify", "--jwks", begin)},
                         {"key", "keys.json"})
        for words in (["explain", "--config"], ["check-config"]):
            self.assertEqual({pathlib.Path(word).name for word in self.complete("podloginctl", *words, begin)}, {"key"})
        self.assertEqual({pathlib.Path(word).name for word in self.complete("podlogin", "install", begin)}, {"key"})
        self.assertEqual(self.complete("podloginctl", "status", ""), set())

    def test_services_of_the_configuration(self):
        self.node.service("prod")
        words = ["podloginctl", "explain", "--config", str(self.node.etc), "--socket", "/nonesuch", "--service"]
        self.assertEqual(self.complete(*words, ""), {"pulumi", "prod"})
        self.assertEqual(self.complete(*words, "pr"), {"prod"})

    def test_what_the_daemon_has(self):
        self.node.start()
        self.assert_served(self.mint())
        self.node.service("later")  # it has not been reloaded
        socket = ["--socket", f"{self.node.directory}/admin.sock"]
        key = json.loads(self.node.ctl("cache", "list", "--json").stdout)[0]["key"]
        self.assertEqual(self.complete("podloginctl", "cache", "list", *socket, "--service", ""), {"pulumi"})
        self.assertEqual(self.complete("podloginctl", "cache", "purge", *socket, "--serviceaccount", ""),
                         {"ci/pulumi-runner"})
        for action in ("show", "purge"):
            self.assertEqual(self.complete("podloginctl", "cache", action, *socket, ""), {key})

    def test_services_of_a_pod(self):
        self.node.service("prod", rules='[Allow "prod"]\n"kubernetes.io".namespace=prod\n')
        self.node.start()
        variables = self.node.environment(PODLOGIN_TOKEN_FILE=str(self.node.jwt_file(self.mint())))
        del variables["PATH"]
        for words in (["token"], ["exec"], ["token", "--service"], ["exec", "--verbose", "pulumi"]):
            self.assertEqual(self.complete("podlogin", *words, "", **variables), {"pulumi"}, words)
        self.assertEqual(self.complete("podlogin", "whoami", "", **variables), set())

    def test_the_command_that_exec_runs(self):
        self.assertIn("podloginctl", self.complete("podlogin", "exec", "pulumi", "--", "podloginct"))


class Bash(Completion, NodeCase):
    @staticmethod
    def source(program):
        return (SOURCE / f"completion/{program}.bash").read_text()

    def complete(self, *words, **variables):
        run = subprocess.run(["bash", "-c", BASH, "bash", SOURCE / f"completion/{words[0]}.bash", *words], text=True,
                             capture_output=True, env={**ENVIRONMENT, **variables}, timeout=60, check=True)
        self.assertEqual(run.stderr, "")
        return set(run.stdout.split())


@unittest.skipUnless(shutil.which("zsh"), "needs zsh")
class Zsh(Completion, NodeCase):
    @staticmethod
    def source(program):
        return (SOURCE / f"completion/_{program}").read_text()

    def complete(self, *words, **variables):
        run = subprocess.run(["zsh", "-f", SOURCE / "tests/support/complete.zsh", SOURCE / "completion", " ".join(words)],
                             text=True, capture_output=True, env={**ENVIRONMENT, **variables}, timeout=60, check=False)
        self.assertEqual(run.stderr, "")
        return set(run.stdout.split())


if __name__ == "__main__":
    unittest.main()
