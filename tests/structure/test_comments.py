#!/usr/bin/env python3
"""What can be checked of comments: that they speak of the code that they stand at.

Each @name in a comment of a header is in the declarations that follow it; a comment does not say what a function
returns that returns nothing, or "true" and "false" of one that is no bool; and each file says what it is for: itself,
or by its header."""
import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(os.environ.get("PODLOGIN_SOURCE", pathlib.Path(__file__).parents[2]))
# A comment of its own line, and the declarations up to the next empty line or comment.
COMMENTED = re.compile(r"^(?P<comment>/\*(?:(?!\*/).)*\*/)\n(?P<code>(?:(?!\n\n|^/\*).)+)", re.MULTILINE | re.DOTALL)
PARAMETER = re.compile(r"(?<![\w@])@(\w+)")
FUNCTION = re.compile(r"^(?!typedef|#)[\w\s\*]+?\b(\w+)\(", re.MULTILINE)


def sources(*endings):
    for top in ("text", "protocol", "module", "daemon"):
        for path in sorted((SOURCE / top).rglob("*")):
            if path.suffix in endings:
                yield path.relative_to(SOURCE), path.read_text()


def commented():
    """(file, comment, code) for each comment of a header with the declarations that it speaks of."""
    for path, text in sources(".h"):
        for match in COMMENTED.finditer(text):
            yield path, match["comment"], match["code"]


def returns_only(code, kind):
    """Whether all functions that CODE declares return KIND, and there is one."""
    heads = [match.group(0) for match in FUNCTION.finditer(re.sub(r"__attribute__\(\(.*?\)\)\)?\s*", "", code))]
    return heads and all(re.match(rf"(static inline )?{kind}\s+\w+\($", head) for head in heads)


class Comments(unittest.TestCase):
    maxDiff = None

    def test_each_name_in_a_comment_is_in_its_declarations(self):
        wrong = [f"{path}: @{name}: {code.splitlines()[0]}" for path, comment, code in commented()
                 for name in PARAMETER.findall(comment) if not re.search(rf"\b{name}\b", code)]
        self.assertEqual(wrong, [])

    def test_what_returns_nothing_is_not_said_to_return(self):
        wrong = [f"{path}: {code.splitlines()[0]}" for path, comment, code in commented()
                 if returns_only(code, "void") and re.search(r"\bReturns?\b", comment)]
        self.assertEqual(wrong, [])

    def test_true_and_false_are_said_of_bools_only(self):
        wrong = [f"{path}: {code.splitlines()[0]}" for path, comment, code in commented()
                 if re.search(r"Returns (true|false|whether)\b|\b(True|False):", comment)
                 and FUNCTION.search(code) and not re.search(r"\bbool\b", code)]
        self.assertEqual(wrong, [])

    def test_each_file_says_what_it_is_for(self):
        texts = dict(sources(".c", ".h"))
        wrong = [str(path) for path, text in texts.items()
                 if not text.startswith("/*") and not texts.get(path.with_suffix(".h"), "").startswith("/*")]
        self.assertEqual(wrong, [])

    def test_the_check_sees_what_it_is_for(self):
        """Or all of the above could pass for want of a match."""
        self.assertGreater(sum(len(PARAMETER.findall(comment)) for _, comment, _ in commented()), 150)
        self.assertTrue(returns_only("void f(int a);\nstatic inline void g(void)\n{", "void"))
        self.assertFalse(returns_only("void f(int a);\nint g(void);", "void"))


if __name__ == "__main__":
    unittest.main()
