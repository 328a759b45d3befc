"""API keys, other origins, the prefix of paths."""

import os
import signal
import tempfile
import unittest

from client import ask, eventually, post, run_it
from service import Service


class Access(unittest.TestCase):
    def test_keys(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
            file.write("# ours\nfirst-key\nsecond-key\n")
            file.flush()
            with Service("--api-keys-file", file.name) as service:
                for path, headers, status in (
                        ("/v1/kernels", {}, 401),
                        ("/v1/kernels", {"authorization": "Bearer wrong"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer first"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer first-key1"}, 401),
                        ("/v1/kernels", {"authorization": "Basic first-key"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer # ours"}, 401),
                        ("/v1/kernels", {"authorization": "Bearer first-key"}, 200),
                        ("/v1/kernels", {"authorization": "bearer second-key"}, 200),
                        ("/livez", {}, 200), ("/", {}, 200), ("/metrics", {}, 200),
                        ("/problems/unauthorized", {}, 200)):
                    with self.subTest(path=path, headers=headers):
                        reply = service.get(path, **headers)
                        self.assertEqual(reply.status, status)
                        if status == 401:
                            self.assertEqual(reply.headers["WWW-Authenticate"], "Bearer")
                self.assertEqual(service.request("OPTIONS", "/v1/extract").status, 204)

    def test_keys_are_read_anew_on_hangup(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/keys"

            def write(text):
                with open(path, "w") as file:
                    file.write(text)

            def status(key):
                return service.get("/v1/kernels", authorization=f"Bearer {key}").status

            write("old\nboth\n")
            with Service("--api-keys-file", path) as service:
                self.assertEqual([status(key) for key in ("old", "both", "new")],
                                 [200, 200, 401])
                write("both\nnew\n")
                service.process.send_signal(signal.SIGHUP)
                self.assertTrue(eventually(lambda: status("new") == 200))
                self.assertEqual([status(key) for key in ("old", "both")], [401, 200])
                for text in ("", "# nothing\n"): # a mistake must not open the door
                    write(text)
                    service.process.send_signal(signal.SIGHUP)
                    self.assertTrue(eventually(lambda: "stay" in service.output()))
                    self.assertEqual([status(key) for key in ("old", "both", "new", "x")],
                                     [401, 200, 200, 401])
                os.remove(path)
                service.process.send_signal(signal.SIGHUP)
                self.assertTrue(eventually(lambda: "No such file" in service.output()))
                self.assertEqual(status("new"), 200)
        with Service() as service: # without a file a hangup is nothing
            service.process.send_signal(signal.SIGHUP)
            self.assertEqual(service.get("/v1/kernels").status, 200)

    def test_a_setting_without_a_key_opens_nothing(self):
        with Service("--api-keys", "#secret") as service:
            self.assertEqual(service.get("/v1/kernels").status, 401)
            reply = service.get("/v1/kernels", authorization="Bearer #secret")
            self.assertEqual(reply.status, 200)
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("comment", "# none\n"), ("empty", ""),
                               ("long", "key\n" * 16384 + "last\n")):
                with open(f"{folder}/{name}", "w") as file:
                    file.write(text)
            for flags, words in (
                    (("--api-keys", ","), "holds no key"),
                    (("--api-keys", " "), "holds no key"),
                    (("--api-keys=",), "--api-keys needs a value"),
                    (("--api-keys-file", ""), "--api-keys-file needs a value"),
                    (("--api-keys-file", f"{folder}/comment"), "holds no key"),
                    (("--api-keys-file", f"{folder}/empty"), "holds no key"),
                    (("--api-keys-file", f"{folder}/long"), "File too large"),
                    (("--api-keys-file", folder), "Is a directory")):
                with self.subTest(flags=flags):
                    done = run_it(*flags)
                    self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
                    self.assertIn(words, done.stderr)
        self.assertIn("holds no key", run_it(CONVSCOPE_API_KEYS=",").stderr)
        for name in ("CONVSCOPE_API_KEYS", "CONVSCOPE_API_KEYS_FILE"):
            done = run_it(**{name: ""})
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
            self.assertIn(f"{name} is set but empty", done.stderr)

    def test_a_file_of_keys_as_editors_write_them(self):
        with tempfile.NamedTemporaryFile(suffix=".keys") as file:
            def write(text):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()

            write(b"\xef\xbb\xbffirst\r\n  # ours\t\r\n \t \n second key \t\nthird  ")
            with Service("--api-keys-file", file.name) as service:
                for key, status in (("first", 200), ("second key", 200), ("third", 200),
                                    ("# ours", 401), ("", 401), (" ", 401), ("x", 401)):
                    reply = service.get("/v1/kernels", authorization=f"Bearer {key}")
                    self.assertEqual(reply.status, status, key)
            write(b"first\nsec\0ond\nthird\n")
            done = run_it("--api-keys-file", file.name)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
            self.assertIn("holds a NUL byte", done.stderr)

    def test_other_origins(self):
        flags = ("--cors-origins", "https://a.example,https://b.example")
        with Service(*flags) as service:
            for path in ("/v1/kernels", "/nope"):
                headers = service.get(path, origin="https://b.example").headers
                self.assertEqual(headers["Access-Control-Allow-Origin"],
                                 "https://b.example")
                self.assertIn("X-Request-Id", headers["Access-Control-Expose-Headers"])
                headers = service.get(path, origin="https://c.example").headers
                self.assertNotIn("Access-Control-Allow-Origin", headers)
            preflight = service.request("OPTIONS", "/v1/extract", headers={
                "Origin": "https://a.example", "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization"})
            self.assertEqual(preflight.status, 204)
            nowhere = service.request("OPTIONS", "/nope", headers={
                "Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
            self.assertEqual((nowhere.status, nowhere.headers["Access-Control-Allow-Origin"]),
                             (204, "https://a.example"))
            self.assertIn("GET", nowhere.headers["Access-Control-Allow-Methods"])
            self.assertEqual(service.request("OPTIONS", "/nope").status, 404)
            refused = ask(service, post(b"", "Expect: 100-continue", # before the body
                                        "Origin: https://a.example", declared=1 << 30))
            self.assertEqual((refused[0], refused[1]["access-control-allow-origin"]),
                             (413, "https://a.example"))
            self.assertIn("POST", preflight.headers["Access-Control-Allow-Methods"])
            self.assertIn("Authorization", preflight.headers["Access-Control-Allow-Headers"])
        with Service() as service:
            headers = service.get("/livez", origin="https://a.example").headers
            self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_prefix_and_no_page(self):
        with Service("--path-prefix", "/vision", "--ui", "off") as service:
            for path, status in (("/vision/v1/kernels", 200), ("/vision/livez", 200),
                                 ("/livez", 200), ("/vision", 404), ("/vision/", 404),
                                 ("/visionary/livez", 404)):
                self.assertEqual(service.get(path).status, status, path)


if __name__ == "__main__":
    unittest.main()
