"""The pages and the programs say the same: settings, options, variables, signals, commands, statuses, exit codes,
limits, defaults and lines of the log."""

import ast
import math
import os
import pathlib
import re
import subprocess
import textwrap
import unittest

import observability
from node import BUILD, PODLOGIN, PODLOGINCTL, PODLOGIND

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
SETTING = re.compile(r'\{"([A-Z]\w+)", (?:\w*parse_|\w*expects_)\w+')
VARIABLE = re.compile(r'"(PODLOGIN_[A-Z_]+)"')
STRINGS = r'((?:\s*(?:"(?:[^"\\]|\\.)*"|\b[A-Z][A-Z_]+\b))+)'


def read(name):
    return (SOURCE / name).read_text("utf-8")


def page(name):
    return read(f"docs/man/{name}")


def sources(*patterns):
    return "".join(path.read_text("utf-8") for pattern in patterns for path in sorted(SOURCE.glob(pattern)))


def documents():
    """(name, text) of each page."""
    for pattern in ("*.md", "docs/*.md", "docs/issuers/*.md", "docs/recipes/**/*.md", "docs/man/*", "tests/*/*.md"):
        for path in sorted(SOURCE.glob(pattern)):
            yield path.name, path.read_text("utf-8")


def plain(text):
    """The text of a page, in one line: without the macros and back quotes, and without commas in numbers."""
    words = re.sub(r"^\.(?:It|Ql|Pa|Sy|Va|Ev|Em|Dv|Lk|Fn|Fl|Pq|Xr|Cm)\b|\\&|`", "", text, flags=re.M)
    words = re.sub(r"(?<=\d),(?=\d\d\d)", "", words)
    return re.sub(r" (?=[,.;:)])", "", " ".join(words.split()))


def help_of(program, *arguments):
    return subprocess.run([program, *arguments, "--help"], capture_output=True, text=True, check=True).stdout


def options_of(program, *arguments):
    """The long options that --help names."""
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", help_of(program, *arguments)))


def helper_options(name):
    """The same, of the program under this name."""
    text = subprocess.run([name, "--help"], executable=PODLOGIN, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  --([a-z-]+)", text, re.M))


def options_in(text):
    return set(re.findall(r"Fl -([a-z][a-z-]+)", text)) | set(re.findall(r"\| -([a-z][a-z-]+)", text))


def product(text):
    """The value of a C expression such as (7 * 24 * 3600)."""
    return math.prod(int(factor.strip("( )")) for factor in text.split("*"))


def constants():
    """The values of macros that are numbers."""
    text = sources("daemon/**/*.[ch]", "module/**/*.[ch]", "protocol/*.h")
    text = text.replace("SECOND_USEC", "1")  # in seconds
    found = {}
    for name, value in re.findall(r"^#define ([A-Z_]+) +(\(?\d[\d *]*\)?) *(?:/\*.*)?$", text, re.M):
        found[name] = product(value)
    return found


def limits():
    """The defaults of [Limits], by the members of struct limits."""
    body = re.search(r"limits_default = \{(.*?)\n\};", read("daemon/config/config.c"), re.S).group(1)
    return {name: [int(number) for number in re.findall(r"\d+", value)]
            for name, value in re.findall(r"\.(\w+) = (\d+|\{[^}]*\})", body)}


class Statuses(unittest.TestCase):
    """protocol/status.c; tests/unit/test_status.c compares it with the header and with docs/protocol.md."""

    def setUp(self):
        numbers = dict(re.findall(r"PODLOGIN_(\w+) = (\d+)", read("protocol/podlogin-status.h")))
        codes = dict(re.findall(r"(EXIT_CODE_\w+) = (\d+)", read("protocol/status.h")))
        self.statuses = {name: (int(numbers[name]), codes[code])
                         for name, code in re.findall(r"ROW\(([A-Z_]+), (\w+),", read("protocol/status.c"))}
        self.assertEqual(set(self.statuses), set(numbers))
        self.codes = set(codes.values())

    def test_podlogin_1_has_the_statuses_of_each_exit_code(self):
        section = re.search(r"^\.Sh EXIT STATUS\n(.*?)^\.Sh ", page("podlogin.1"), re.M | re.S).group(1)
        documented = {}
        for code, text in re.findall(r"^\.It (\d+)\n(.*?)(?=^\.It|^\.El)", section, re.M | re.S):
            documented[code] = set()
            for word in re.findall(r"[A-Z_]+", " ".join(re.findall(r"Em (.*)", text))):
                # "all names that begin with TOKEN_"
                found = {name for name in self.statuses if name == word or word.endswith("_") and name.startswith(word)}
                self.assertTrue(found, word)
                documented[code] |= found
        expected = {code: {name for name, (_, of) in self.statuses.items() if of == code and name != "OK"}
                    for code in self.codes}
        self.assertEqual(documented, expected)

    def test_exit_codes_of_help_and_of_other_pages(self):
        def codes_of(program):
            return set(re.findall(r"\d+", help_of(program).partition("Exit codes:")[2].partition("See ")[0]))

        self.assertEqual(codes_of(PODLOGIN), self.codes)
        # 1: something differs, like diff(1)
        self.assertRegex(read("daemon/ctl/issuer/issuer.h"), r"#define EXIT_CODE_DIFFERS .*\b1\)")
        self.assertLessEqual(codes_of(PODLOGINCTL), self.codes | {"1"})
        self.assertEqual(codes_of(PODLOGINCTL), set(re.findall(r"^\.It (\d+)$", page("podloginctl.8"), re.M)))
        self.assertLessEqual(set(re.findall(r"^\.It (\d+)$", page("podlogind.8"), re.M)), self.codes)

    def test_libpodlogin_3_has_the_errors_of_the_client(self):
        documented = set(re.findall(r"^\.It Dv PODLOGIN_(\w+)", page("libpodlogin.3"), re.M))
        self.assertEqual(documented, {name for name, (number, _) in self.statuses.items() if number >= 100})

    def test_errors_md_is_what_the_tables_say(self):
        self.maxDiff = None
        text = subprocess.run([BUILD / "daemon/errors-page"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(read("docs/errors.md"), text, "run build/daemon/errors-page >docs/errors.md")
        sections = re.findall(r"^## (\w+)\n\nNumber (\d+), (?:.|\n)+?\n\n- (?:.|\n)+?(?=^##|\Z)", text, re.M)
        self.assertEqual(sections, [(name, str(number)) for name, (number, _) in self.statuses.items() if name != "OK"])

    def test_symptoms_of_remedies_are_words_of_the_programs(self):
        """Or of libcurl, OpenSSL or an upstream."""
        others = {"certificate", "Could not resolve host", "invalid_request", "invalid_scope", "HTTP 404"}
        programs = "".join(path.read_text("utf-8") for top in ("daemon", "module") for path in SOURCE.glob(f"{top}/**/*.c")
                           if path.name != "remedy.c")
        known = "\n".join(formats(programs))
        symptoms = set(re.findall(r"\{PODLOGIN_\w+,\s+\"([^\"]+)\"", read("daemon/ctl/remedy.c"))) - others
        self.assertGreater(len(symptoms), 10)
        for symptom in symptoms:
            self.assertTrue(symptom in known, symptom)

    def test_pages_name_no_other_status(self):
        prefixes = {name.split("_")[0] for name in self.statuses if "_" in name}
        pattern = re.compile(rf"(?<![\w=./])(?:{'|'.join(prefixes)})_[A-Z]+(?:_[A-Z]+)*\b(?!=)")
        for name, text in documents():
            text = text.partition("\n## Variables that no token sets\n")[0]
            self.assertLessEqual(set(pattern.findall(text)), set(self.statuses), name)


class Pam(unittest.TestCase):
    """module/pam/ and pam_podlogin.8."""

    def test_options(self):
        table = re.search(r"options\[\] = \{\n(.*?)\n\};", read("module/pam/arguments.c"), re.S).group(1)
        known = re.findall(r'\{"(\w+)", set_\w+\}', table)
        self.assertGreater(len(known), 5)
        self.assertEqual(sorted(known), sorted(re.findall(r"^\.It Cm (\w+) Ns = ", page("pam_podlogin.8"), re.M)))

    def test_codes(self):
        cases = re.findall(r"((?:    case PODLOGIN_\w+:\n)+)        return (PAM_\w+);", read("module/pam/code.c"))
        known = {code: set(re.findall(r"PODLOGIN_(\w+)", names)) for names, code in cases}
        section = re.search(r"^\.Sh RESULTS\n(.*?)^\.Sh ", page("pam_podlogin.8"), re.M | re.S).group(1)
        documented = {}
        for code, text in re.findall(r"^\.It Dv (\w+)\n(.*?)(?=^\.It|^\.El)", section, re.M | re.S):
            words = re.findall(r"[A-Z_]+", " ".join(re.findall(r"Em (.*)", text)))
            documented[code] = {name for names in known.values() for name in names for word in words
                                if name == word or word.endswith("_") and name.startswith(word)}
        self.assertEqual(documented.pop("PAM_SESSION_ERR"), set())
        self.assertEqual(documented, {**known, "PAM_SUCCESS": set()})

    def test_defaults(self):
        text = page("pam_podlogin.8")
        for name, macro in (("module/library/subject_token.h", "SUBJECT_TOKEN_PATH"),
                            ("protocol/messages.h", "PODLOGIN_SOCKET_PATH")):
            self.assertIn(".Pa " + re.search(rf'#define {macro} +"(.*)"', read(name)).group(1) + " .", text)


class Promises(unittest.TestCase):
    def test_each_promise_names_tests_that_exist(self):
        page = read("docs/security.md")
        promises = re.findall(r"^(\d)\. ", page.partition("## What is promised")[2].partition("\n## ")[0], re.M)
        rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", page, re.M))
        self.assertEqual(list(rows), promises)
        for number, row in rows.items():
            for suite, tests in re.findall(r"`integration (\w+)`: ([^;]+)", row):
                source = read(f"tests/integration/test_{suite}.py")
                named = re.findall(r"`(test_\w+)`", tests)
                self.assertTrue(named, row)
                for name in named:
                    self.assertIn(f"def {name}(", source, f"promise {number}")


def commands_of_podlogin():
    rows = re.findall(r"^const struct command command_\w+ = \{\n *\.name = \"([\w-]+)\"", sources("module/command/*.c"), re.M)
    return set(rows)


class Commands(unittest.TestCase):
    def test_podlogin_and_podloginctl(self):
        ctl = set(re.findall(r'\{"([\w-]+)", ctl_\w+\}', read("daemon/ctl/main.c")))
        for program, known, manual in ((PODLOGIN, commands_of_podlogin(), "podlogin.1"), (PODLOGINCTL, ctl, "podloginctl.8")):
            self.assertGreater(len(known), 1)
            self.assertEqual(known, set(re.findall(r"^  ([a-z][a-z-]*) ", help_of(program), re.M)))
            synopsis, rest = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh DESCRIPTION\n(.*?)^\.Sh ", page(manual),
                                       re.M | re.S).groups()
            self.assertEqual(known, set(re.findall(r"^\.Cm ([\w-]+)", synopsis, re.M)))
            self.assertEqual(known, set(re.findall(r"^\.It Cm ([\w-]+)", rest, re.M)))

    def test_commands_that_pages_show_exist(self):
        known = {"podlogin": commands_of_podlogin(),
                 "podloginctl": set(re.findall(r'^    \{"([\w-]+)", \w+\},', read("daemon/ctl/main.c"), re.M)),
                 "./dev": self.dev()}
        shown = re.compile(r"(?:^\.Dl |`|^    |\$\()(podlogin|podloginctl|\./dev) ([a-z]+(?:-[a-z]+)*)\b", re.M)
        for name, text in documents():
            text = re.sub(r"^```sh\n(.*?)^```", lambda block: textwrap.indent(block[1], "    "), text,
                          flags=re.M | re.S)
            for program, command in shown.findall(text):
                self.assertIn(command, known[program], f"{name}: {program} {command}")

    def dev(self):
        return set(re.search(r"^([\w |]+)\) \"do_\$command\"", read("dev"), re.M).group(1).split(" | ")) | {"help"}

    def test_dev(self):
        known = self.dev() - {"help"}
        self.assertEqual(known, set(re.findall(r"^do_(\w+)\(\)", read("dev"), re.M)) - {"sanitized"})
        text = subprocess.run([SOURCE / "dev", "help"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(known, set(re.findall(r"^  ([a-z0-9]+) ", text, re.M)))


class Settings(unittest.TestCase):
    def test_settings(self):
        known = set(SETTING.findall(sources("daemon/config/*.c", "daemon/provider/*.c")))
        self.assertGreater(len(known), 30)
        text = page("podlogind.conf.5")
        # an entry is ".It Va Name=", with several names in one line or a section before it
        documented = set(re.findall(r"(\w+)=", "\n".join(re.findall(r"^\.It .*Va .*$", text, re.M))))
        self.assertEqual(known, documented)

    def test_settings_that_other_pages_name_exist(self):
        known = set(SETTING.findall(sources("daemon/config/*.c", "daemon/provider/*.c")))
        foreign = {"RuntimeDirectory", "RuntimeDirectoryPreserve", "LoadCredential", "LoadCredentialEncrypted",
                   "LimitAS", "LimitMEMLOCK", "TasksMax", "Type", "ExecReload", "PrivateUsers", "ProtectProc",
                   "AdminSocket", "MetricsListen", "FileDescriptorName", "ListenStream"}
        for name, text in documents():
            if name in ("README.md", "operations.md", "security.md", "architecture.md", "podlogind.8"):
                named = set(re.findall(r"(?:`|\.Ql |^\.Va |, )([A-Z][a-z]\w+|URL|CAFile)=", text, re.M))
                self.assertLessEqual(named - foreign, known, name)

    def test_options(self):
        every = {"version"}.union(*(options_of(PODLOGIN, command) for command in commands_of_podlogin()))
        every = every.union(*(helper_options(name) for name in ("git-credential-podlogin", "docker-credential-podlogin")))
        self.assertEqual(every, options_in(page("podlogin.1")))
        self.assertEqual(options_of(PODLOGIND), options_in(page("podlogind.8")))
        commands = re.findall(r'^    \{"([\w-]+)", \w+\},', read("daemon/ctl/main.c"), re.M)
        every = {"version"}.union(*(options_of(PODLOGINCTL, command) for command in commands))
        self.assertEqual(every, options_in(page("podloginctl.8")))

    def test_variables(self):
        library = set(VARIABLE.findall(sources("module/library/*.c")))
        command = library | set(VARIABLE.findall(sources("module/command/*.c")))
        self.assertGreater(len(library), 4)
        for name, known in (("podlogin.1", command), ("libpodlogin.3", library)):
            entries = "\n".join(re.findall(r"^\.It Ev .*$", page(name), re.M))
            documented = set(re.findall(r"PODLOGIN_[A-Z_]+", entries))
            own = set(VARIABLE.findall(sources("module/command/*.c"))) if name == "podlogin.1" else set()
            self.assertEqual(known | own, documented, name)

    def test_signals(self):
        text = page("podlogind.8")
        for signal in set(re.findall(r"\bSIG(?:HUP|TERM|INT|USR\d)\b", sources("daemon/main.c"))):
            self.assertIn(signal, text)


class Numbers(unittest.TestCase):
    """Sentences of the pages, made with the values that the program has."""

    def assert_says(self, text, *sentences):
        text = plain(text)
        for sentence in sentences:
            self.assertIn(sentence, text)

    def test_podlogind_conf_5(self):
        c, limit = constants(), limits()
        words = {2048: "2048", 65536: "64 KiB", 256 * 1024: "256 KiB", 86400: "24 hours"}
        self.assert_says(
            page("podlogind.conf.5"),
            f"by default {c['CACHE_ROWS_DEFAULT']}, at most {c['CACHE_ROWS_MAX']}.",
            f"Connections of all pods together: {limit['connections'][0]}, or half the limit of open files less "
            f"{c['DESCRIPTORS_KEPT'] // 2}",
            f"Connections at once: {limit['connections_per_pod'][0]}.",
            "Requests per second, {}, and at once after a pause, {}.".format(*limit["requests"]),
            "per second, {}, and at once after a pause, {}.".format(*limit["signature_checks"]),
            f"Exchanges in flight that the pod started: {limit['misses'][0]}.",
            f"How long a request may take to arrive: {limit['frame_timeout_s'][0]}s.",
            f"How long a connection may be idle: {limit['idle_timeout_s'][0]}s.",
            f"A line has at most {c['INI_LINE_MAX'] - 1} bytes, and a file at most {words[c['INI_FILE_MAX']]}",
            f"After {c['FINDINGS_MAX']} of them the rest are only counted",
            f"A path has at most {c['CLAIM_PATH_MAX']} members",
            f"has at most {c['WILDCARD_MAX']} characters.",
            f"The first {c['JWKS_KEYS_MAX']} usable keys count: RSA of {c['RSA_BITS_MIN']} to {c['RSA_BITS_MAX']} bits",
            f"A key set has at most {words[c['JWKS_BYTES_MAX']]}.",
            f"known keys stay in use, also after a restart, for {words[c['KEYS_USABLE_S']]} after",
            f"at most once in {c['UNKNOWN_KID_EVERY_USEC']} seconds",
            f"has not caused this for {c['SUSPECT_FOR_USEC'] // 60} minutes",
            f"but after {c['MAX_AGE_MIN_S'] * 4 // 5 // 60} to {c['MAX_AGE_MIN_S'] // 60} minutes at the earliest",
            f"below {c['REVIEW_INTERVAL_USEFUL_S']} seconds",
            f"by default {c['PULUMI_EXPIRATION_S'] // 3600}h, at most {c['TOKEN_LIFETIME_MAX_S'] // 86400}d.",
            f"at most {c['NAME_MAX_LENGTH']} visible ASCII characters")

    def test_texts_of_podlogind_conf_5(self):
        def text(pattern, name):
            return re.search(pattern, read(name)).group(1)

        level = text(r"config->log_level = LOG_(\w+)", "daemon/config/config.c").lower()
        self.assert_says(
            page("podlogind.conf.5"),
            f"The clients' socket, at most {constants()['SOCKET_PATH_MAX']} bytes; by default "
            + text(r'PODLOGIN_SOCKET_PATH +"(.*)"', "protocol/messages.h") + ".",
            "The sealed cache; by default " + text(r'&config->cache, "(.*?)"', "daemon/config/config.c") + ".",
            text(r'&config->cache_key, "(.*?)"', "daemon/config/config.c") + " the default:",
            "by default " + text(r'API_SERVER_URL +"(.*)"', "daemon/config/check.h") + ".",
            "by default " + text(r'DEFAULT_API_URL +"(.*)"', "daemon/provider/pulumi.c") + ".",
            f"notice, {level} the default")

    def test_podlogin_1(self):
        c = constants()
        self.assert_says(
            page("podlogin.1"),
            f"at most {c['PODLOGIN_MIN_TTL_MAX_S'] // 86400} days.",
            f"The time limit for everything: at most {c['PODLOGIN_TIMEOUT_MAX_MS'] // 1000}s, by default "
            f"{c['PODLOGIN_TIMEOUT_MS'] // 1000}s.",
            f"Accepts at most {c['SERVICES_MAX']} services.",
            f"the path has at most {c['SOCKET_PATH_MAX']} bytes.",
            f"longer than {c['PODLOGIN_JWT_MAX']} bytes")

    def test_libpodlogin_3(self):
        c = constants()
        self.assert_says(page("libpodlogin.3"),
                         f"should have at least, 0 to {c['PODLOGIN_MIN_TTL_MAX_S']};",
                         f"in milliseconds, 1 to {c['PODLOGIN_TIMEOUT_MAX_MS']}, by default "
                         f"{c['PODLOGIN_TIMEOUT_MS']};")

    def test_protocol_md(self):
        c, limit = constants(), limits()
        self.assert_says(
            read("docs/protocol.md"),
            f"payload has at most {c['PODLOGIN_REQUEST_MAX']} bytes, an answer's at most {c['PODLOGIN_ANSWER_MAX']}.",
            f"one string each (at most {c['WIRE_LIST_MAX']})",
            f"tries again after {c['RETRY_MIN_MS']} ms, doubling the delay each time up to {c['RETRY_MAX_MS']} ms",
            f"At most {c['PENDING_PER_CONNECTION']} requests of one connection wait",
            f"completely within {limit['frame_timeout_s'][0]} seconds",
            f"without requests for {limit['idle_timeout_s'][0]} seconds, and one whose answers are not read for "
            f"{c['OUTPUT_TIMEOUT_USEC']} seconds",
            f"0 or absent means {c['PODLOGIN_TIMEOUT_MS']}.",
            f"at most the first {c['WIRE_LIST_MAX']}.",
            f"A template has at most {c['SPECIFIERS_MAX']} specifiers",
            f"at most {c['VARIABLE_NAME_MAX']} bytes. It is not the name of a variable",
            f"and has at most {c['SOCKET_PATH_MAX']} bytes")

    def test_protocol_md_lists_the_variables_that_are_refused(self):
        refused = re.findall(r'"([A-Z0-9_]+\*?)\\0"', read("protocol/names.c"))
        listed = read("docs/protocol.md").partition("\n## Variables that no token sets\n")[2]
        self.assertGreater(len(refused), 100)
        self.assertEqual(re.findall(r"`([A-Z0-9_]+\*?)`", listed), refused)

    def test_architecture_md(self):
        c = constants()
        self.assert_says(
            read("docs/architecture.md"),
            f"| request; answer | {c['PODLOGIN_REQUEST_MAX'] // 1024} KiB; {c['PODLOGIN_ANSWER_MAX'] // 1024} KiB |",
            f"| JWT; token | {c['PODLOGIN_JWT_MAX'] // 1024} KiB; {c['PODLOGIN_TOKEN_MAX'] // 1024} KiB |",
            f"| answer of an upstream or an issuer | {c['UPSTREAM_BODY_MAX'] // 1024} KiB |",
            f"| usable keys per issuer; further ones are not used | {c['JWKS_KEYS_MAX']} |",
            f"| pending requests per connection | {c['PENDING_PER_CONNECTION']} |",
            f"| verified JWTs that are remembered; the oldest are dropped | {c['IDENTITIES_MAX']} |",
            f"| remembered refusals per JWT | {c['FAILURES_MAX']} |",
            f"| quotas of pods without a connection | {c['IDLE_MAX']} |",
            f"reviews in flight | {c['BREAKER_WINDOW_MAX']}; {c['REVIEWS_IN_FLIGHT_MAX']} |",
            f"| connect; whole transfer | {c['CONNECT_TIMEOUT_MS'] // 1000} s; {c['TRANSFER_TIMEOUT_MS'] // 1000} s |",
            f"Each job ends after {c['JOB_DEADLINE_USEC']} s",
            f"since it got that job, for {c['HANG_USEC']} s or longer",
            f"Between {c['REFRESH_FROM']} % and {c['REFRESH_TO']} % of its lifetime")


def formats(text):
    """The strings of a C source, with neighbours put together; macros between them become %s."""
    text = re.sub(r"/\*.*?\*/|'(?:[^'\\]|\\.)'", "", text, flags=re.S)
    for strings in re.findall(STRINGS, text):
        parts = re.findall(r'"(?:[^"\\]|\\.)*"|\b[A-Z_]+\b', strings)
        if any(part.startswith('"') for part in parts):
            yield "".join(ast.literal_eval(part) if part.startswith('"') else "%s" for part in parts)


def is_format_of(text, line):
    """Whether the program writes @line of a page with the format @text. Words in capitals stand for values."""
    pattern = "".join(".*" if i % 2 else re.escape(part).replace("%%", "%")
                      for i, part in enumerate(re.split(r"(%[-+.*0-9]*(?:[lz]*[a-z]))", text)))
    values = re.sub(r"(?<![\w(])(?:[A-Z]{4,}|N|M|K|WHY|UID)(?![\w=])", "\0", line)
    page_pattern = re.escape(values).replace("\0", ".+").replace(r"\.\.\.", ".*").replace("SETTING", ".+")
    return re.fullmatch(pattern, line) or re.fullmatch(page_pattern, text.replace("%%", "%"))


class Lines(unittest.TestCase):
    def setUp(self):
        section = read("docs/operations.md").partition("## Logs")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| (`.*?`) \| ", section, re.M)
        self.lines = [line for row in rows for line in re.findall(r"`([^`]+)`", row)]
        self.assertGreater(len(self.lines), 20)

    def test_lines_that_operations_md_quotes_are_in_the_program(self):
        known = [text for text in formats(sources("daemon/**/*.c")) if len(re.sub(r"%[a-z.0-9*]+", "", text)) > 10]
        for line in self.lines:
            if line == "answer result=...":
                self.assertIn('log_fields(LOG_INFO, "answer", ', read("daemon/observe/audit.c"))
            elif line != "FILE:LINE: WHAT":
                self.assertTrue(any(is_format_of(text, line) for text in known), line)

    def test_lines_of_the_program_are_in_operations_md(self):
        calls = re.findall(r"\blog_(?:error|warning|notice|info|line)\((?:LOG_\w+,|[^\"()]*\? [^\"()]*,)?" + STRINGS,
                           sources("daemon/**/*.c"))
        known = [text for call in calls for text in formats(call)]
        self.assertGreater(len(known), 30)
        lines = [line for line in self.lines if line != "FILE:LINE: WHAT"]  # any line with two colons is one of these
        for text in known:
            if text.replace("%s", ""):
                self.assertTrue(any(is_format_of(text, line) for line in lines), text)


class Alerts(unittest.TestCase):
    def test_operations_md_has_a_section_for_each_alert(self):
        section = read("docs/operations.md").partition("\n## Alerts\n")[2].partition("\n## ")[0]
        sections = re.findall(r"^### (\w+)\n\n(\S.*)", section, re.M)
        self.assertEqual([name for name, _ in sections], list(observability.alerts()))

    def test_names_of_alerts_that_pages_use_exist(self):
        for name, text in documents():
            self.assertLessEqual(set(re.findall(r"\bPodlogin[A-Z]\w+", text)), set(observability.alerts()), name)


if __name__ == "__main__":
    unittest.main()
