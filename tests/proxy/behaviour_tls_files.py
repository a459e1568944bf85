"""Files of a TLS listener that cannot be used, options that do not fit, and the script that makes
certificates."""
import os
import shutil
import subprocess

from harness import ROOT, Env, Failure, Suite, check, equal, run_bin
from tls_client import (MAKE_CERTS, altered, certs, free_port, make_certs, openssl, server_options)

suite = Suite()


def serve(*options):
    """(exit code, standard error) of a start that must fail."""
    with Env(start=False, daemon=False) as env:
        try:
            done = run_bin("serve", *env.args, *options, timeout=15)
        except subprocess.TimeoutExpired:
            raise Failure(f"it serves with {options}") from None
        return done.returncode, done.stderr.decode()


@suite.test
def missing_options():
    """tcp without its files is a mistake of usage, and says which one is missing"""
    host = ["-H", "tcp://127.0.0.1:1"]
    cert, key = ["--tlscert", "c"], ["--tlskey", "k"]
    for options, word in ((host, "--tlscert is missing"), (host + cert, "--tlskey is missing"),
                          (host + cert + key, "--tlscacert is missing"),
                          (host + cert + ["--insecure-tcp"], "leave one of them away")):
        code, text = serve(*options)
        equal(code, 2, f"exit code with {options}")
        check(word in text, f"{options}: {text}")
    code, text = serve(*server_options(1, "--tlsverify=maybe"))
    equal(code, 2, "tlsverify=maybe")


def encrypt(folder):
    openssl("pkey", "-in", folder + "/server-key.pem", "-aes256", "-passout", "pass:x", "-out",
            folder + "/new")
    os.replace(folder + "/new", folder + "/server-key.pem")


def write(file, text):
    def change(folder):
        with open(os.path.join(folder, file), "w", encoding="ascii") as out:
            out.write(text)
    return change


@suite.test
def bad_files():
    """each file that cannot be used is named, with what is wrong and what to do"""
    def expired(folder):
        shutil.copy(certs.odd("old-server", "extendedKeyUsage=serverAuth", start="20200101000000Z",
                              end="20200201000000Z") + "/cert.pem", folder + "/server-cert.pem")

    def other_key(folder):
        shutil.copy(certs.client("alice") + "/key.pem", folder + "/server-key.pem")

    def for_clients(folder):
        shutil.copy(certs.client("alice") + "/cert.pem", folder + "/server-cert.pem")

    def no_ca(folder):
        shutil.copy(certs.client("alice") + "/cert.pem", folder + "/ca.pem")
    rows = [("encrypted", encrypt, "--tlskey", "encrypted", "openssl pkey"),
            ("open", lambda f: os.chmod(f + "/server-key.pem", 0o640), "--tlskey", "0640", "chmod 600"),
            ("writable", lambda f: os.chmod(f + "/ca.pem", 0o666), "--tlscacert", "0666", "chmod go-w"),
            ("of another", lambda f: os.chown(f + "/ca.pem", 54321, 0), "--tlscacert", "uid 54321", "chown root"),
            ("replaceable", lambda f: os.chmod(f, 0o777), "--tlscert", "everybody", "chmod"),
            ("other-key", other_key, "--tlskey", "does not belong", "--tlscert"),
            ("expired", expired, "--tlscert", "expired on 2020-02-01", "new one"),
            ("for-clients", for_clients, "--tlscert", "not for servers", "serverAuth"),
            ("no-ca", no_ca, "--tlscacert", "is no CA", "CN"),
            ("empty-ca", write("ca.pem", ""), "--tlscacert", "no certificate in PEM", ""),
            ("broken-cert", write("server-cert.pem", "x"), "--tlscert", "no certificate in PEM", ""),
            ("broken-key", write("server-key.pem", "x"), "--tlskey", "no private key", ""),
            ("gone", lambda f: os.unlink(f + "/server-key.pem"), "--tlskey", "No such file", "")]
    for name, change, *words in rows:
        code, text = serve(*altered(name, change))
        equal(code, 1, f"exit code of {name}")
        for word in words:
            check(word in text, f"{name}: {word!r} not in {text}")
    code, text = serve(*server_options(free_port(), "--tlscrl", certs.path("ca.pem")))
    check(code == 1 and "--tlscrl" in text and "no revocation list" in text, text)


@suite.test
def warnings():
    """a certificate that ends within 30 days is warned of, TLS files without tcp as well"""
    def soon(folder):
        os.unlink(folder + "/server-cert.pem")
        os.unlink(folder + "/server-key.pem")
        shutil.copy(certs.path("ca-key.pem"), folder)
        make_certs(folder, "server", "localhost", "--days", "20")
    with Env(*altered("soon", soon)) as env:
        check("expires on" in env.stderr() and "days" in env.stderr(), env.stderr())
    with Env("--tlscacert", certs.path("ca.pem")) as env:
        check("not used" in env.stderr(), env.stderr())


# ---- the script ----------------------------------------------------------------------------------

@suite.test
def script():
    """make-certs.sh overwrites nothing, keeps keys to itself, and refuses names it cannot write"""
    shutil.rmtree(certs.path("script"), ignore_errors=True)

    def run(*args):
        return subprocess.run([MAKE_CERTS, "--dir", certs.path("script"), *args], capture_output=True,
                              text=True, timeout=30, check=False)
    equal(run("server", "x").returncode, 1, "a server without a CA")
    equal(run("ca").returncode, 0, "ca")
    for args in (["ca"], ["client"], ["client", "a/b"], ["client", "../x"], ["server", "a b"],
                 ["server", "x,DNS:y"], ["client", "x", "--days", "1y"], ["nonsense"], ["--nonsense"],
                 ["revoke", "nobody"], ["client", "x", "--ou", "a/CN=b"], []):
        done = run(*args)
        check(done.returncode == 1 and done.stderr, f"{args}: {done}")
    equal(run("client", "a", "--ou", "two words").returncode, 0, "client")
    equal(run("client", "a").returncode, 1, "the same again")
    equal(run("revoke", "a").returncode, 0, "revoke")
    equal(run("revoke", "a").returncode, 1, "revoke again")
    for folder, _, files in os.walk(certs.path("script")):
        for file in files:
            mode = os.stat(os.path.join(folder, file)).st_mode
            equal(mode & 0o77, 0, f"mode of {file}")
    check("make-certs.sh" in run("--help").stdout, "help")
    left = subprocess.run(["git", "-C", ROOT, "ls-files", "*.pem", "*.key"], capture_output=True,
                          text=True, check=False)
    equal(left.stdout, "", "keys in the repository")
