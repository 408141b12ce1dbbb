"""token_file= with %u of the PAM module: what a user can, and cannot, do with a name or with files."""

import os
import unittest

from node import subject_of
from pam import CRED_INSUFFICIENT, SESSION_ERR, SUCCESS, PamCase


class User(PamCase):
    def setUp(self):
        super().setUp()
        self.tokens = self.node.directory / "tokens"
        self.tokens.mkdir(mode=0o755)
        for name in ("alice", "bob"):
            self.mint_for(name)
        self.node.start()
        self.stack(self.line(token_file=f"{self.tokens}/%u"), self.line("auth", token_file=f"{self.tokens}/%u"))

    def mint_for(self, name):
        path = self.tokens / name
        path.write_text(self.mint(serviceaccount=f"sa-{name}"))
        path.chmod(0o600)

    def subject(self, user):
        """The account whose token the user gets."""
        with self.host(user=user) as host:
            self.assertEqual((host.code("authenticate"), host.code("open_session")), (SUCCESS, SUCCESS))
            return subject_of(host.environment()["PULUMI_ACCESS_TOKEN"]).rpartition(":")[2]

    def assert_denied_to(self, user, text):
        with self.host(user=user) as host:
            self.assertEqual((host.code("authenticate"), host.code("open_session")), (CRED_INSUFFICIENT, SESSION_ERR))
            self.assertEqual(host.environment(), {})
            self.assertEqual(host.asked(), 0)
        self.assertEqual(len(host.log().splitlines()), 2, host.log())
        for line in host.log().splitlines():
            self.assertIn(f"NO_SUBJECT_TOKEN: token_file={self.tokens}/%u: {text}", line)

    def test_each_user_has_the_own_token(self):
        self.assertEqual([self.subject(user) for user in ("alice", "bob")], ["sa-alice", "sa-bob"])
        self.assert_denied_to("carol", "No such file or directory")

    def test_a_name_is_no_path(self):
        for user in ("../tokens/alice", "..", ".alice", "a/b", "alice\N{COMBINING ACUTE ACCENT}", "al ice", "a" * 65):
            self.assert_denied_to(user, "the user's name cannot be a part of a path")
        self.assert_denied_to(None, "the user is not known yet")

    def test_a_file_that_a_user_could_have_chosen(self):
        """Nothing that leads to a file may be changed by anybody but root: not the file, not a directory."""
        alice, elsewhere = self.tokens / "alice", self.node.directory / "elsewhere"

        def link():
            alice.unlink()
            alice.symlink_to(self.tokens / "bob")

        def hard_link():
            alice.unlink()
            os.link(self.tokens / "bob", alice)

        def directory():
            alice.unlink()
            alice.mkdir()

        def linked_directory():
            self.tokens.rename(elsewhere)
            self.tokens.symlink_to(elsewhere)

        for spoil, text in (
                (link, "with %u, no part of the path may be a symbolic link"),
                (hard_link, "with %u, the path must be that of a regular file with one name"),
                (directory, "with %u, the path must be that of a regular file with one name"),
                (lambda: alice.chmod(0o620), "with %u, only root may write to the file"),
                (lambda: alice.chmod(0o602), "with %u, only root may write to the file"),
                (lambda: self.tokens.chmod(0o775), "with %u, only root may write to the file"),
                (lambda: self.node.directory.chmod(0o777), "with %u, only root may write to the file"),
                (linked_directory, "with %u, no part of the path may be a symbolic link")):
            with self.subTest(text):
                spoil()
                self.assert_denied_to("alice", text)
                if self.tokens.is_symlink():
                    self.tokens.unlink()
                    elsewhere.rename(self.tokens)
                if alice.is_dir():
                    alice.rmdir()
                else:
                    alice.unlink()
                self.mint_for("alice")
                self.tokens.chmod(0o755)
                self.node.directory.chmod(0o700)
                self.assertEqual(self.subject("alice"), "sa-alice")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to give files to a user")
    def test_what_belongs_to_a_user(self):
        for path in (self.tokens / "alice", self.tokens, self.node.directory):
            os.chown(path, 1000, 1000)
            self.assert_denied_to("alice", "with %u, the file and all directories that lead to it must be root's")
            os.chown(path, 0, 0)
        self.assertEqual(self.subject("alice"), "sa-alice")

    def test_others_cannot_replace_what_is_in_a_sticky_directory(self):
        self.tokens.chmod(0o1777)
        self.assertEqual(self.subject("alice"), "sa-alice")

    def test_without_u_the_path_is_the_administrator_s(self):
        """kubelet's own files are symbolic links, in directories that are writable for everybody."""
        link = self.tokens / "link"
        link.symlink_to("alice")
        self.tokens.chmod(0o777)
        self.stack(self.line(token_file=link), self.line("auth", token_file=link))
        self.assertEqual(self.subject("../carol"), "sa-alice")


if __name__ == "__main__":
    unittest.main()
