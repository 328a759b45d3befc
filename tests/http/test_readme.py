"""What the README says, held against the real binary: its examples are run, its table of
settings is --help's, its pictures are what the service draws."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from docs_pictures import PICTURES, REQUESTS, ask
from service import BINARY, DATA, ROOT, Service

README = (ROOT / "README.md").read_text()
EXAMPLE = re.compile(r"<!-- tested(: refused)? -->\n```sh\n(.*?)```", re.S)

# curl as the README writes it, but quiet, and failing where the service refuses.
CURL = 'curl() { command curl -sS --fail-with-body --max-time 60 "$@"; }\n'


def settings_table(help_text):
    rows = ["| flag | default | what |", "| --- | --- | --- |"]
    for line in help_text.splitlines():
        match = re.fullmatch(r"  (--[a-z-]+) +(.*?)(?: \(([^()]*)\))?", line)
        if match and match[1] not in ("--print-config", "--version"):
            default = f"`{match[3]}`" if match[3] else ""
            rows.append(f"| `{match[1]}` | {default} | {match[2]} |")
    return "\n".join(rows)


class Readme(unittest.TestCase):
    def test_the_examples_run(self):
        examples = EXAMPLE.findall(README)
        self.assertGreater(len(examples), 5)
        with Service() as service, tempfile.TemporaryDirectory() as folder:
            picture = DATA / "lesson" / "s1_input_1to1.png"
            shutil.copy(picture, f"{folder}/in.png")
            for refused, script in examples:
                script = script.replace("localhost:8080", f"127.0.0.1:{service.port}")
                done = subprocess.run(
                    ["bash", "-eu", "-c", CURL + script], cwd=folder, timeout=120,
                    env={**os.environ, "PATH": "/usr/bin:/bin"},
                    capture_output=True, text=True)
                with self.subTest(script):
                    self.assertEqual(done.returncode, 22 if refused else 0,
                                     done.stdout[-500:] + done.stderr)
                    if refused:
                        self.assertIn('"pointer"', done.stdout)

    def test_the_settings_are_those_of_help(self):
        output = subprocess.run([BINARY, "--help"], check=True, capture_output=True,
                                text=True, timeout=30).stdout
        table = settings_table(output)
        self.assertGreater(table.count("\n"), 20)
        self.assertIn(table, README, f"the README should hold this table:\n{table}\n")

    def test_the_pictures_are_the_services(self):
        self.assertEqual(sorted(file.name for file in PICTURES.iterdir()),
                         sorted(REQUESTS))
        with Service() as service:
            for name in REQUESTS:
                with self.subTest(name):
                    self.assertIn(f"deploy/pictures/{name}", README)
                    picture = (PICTURES / name).read_bytes()
                    self.assertTrue(ask(service, name).body == picture,
                                    "make docs-pictures")

    def test_files_that_it_names_exist(self):
        for path in re.findall(r"\]\(([a-z][^):]*)\)|`((?:deploy|tests)/[^` ]+)`", README):
            name = path[0] or path[1]
            self.assertTrue((ROOT / name).exists(), name)


if __name__ == "__main__":
    unittest.main()
