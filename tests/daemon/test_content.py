"""What moves bytes: cp, save, load, export, import, commit, builds, pulls; as builtin:all."""
import io
import os
import tarfile

from harness import Skip, check, holds, same, scenario, sha, sha_file

IMAGE = "busybox:test"


@scenario(timeout=120, heavy=True)
def copy_200_megabytes(t):
    path, digest = t.world.blob(200)
    name, folder = t.made("sleep", "1000"), t.folder()
    t.ok("cp", path, name + ":/blob", role="all")
    same("sha256 in the container", t.ok("exec", name, "sha256sum", "/blob").split()[0], digest)
    t.ok("cp", name + ":/blob", folder + "/back", role="all")
    same("sha256 of the copy back", sha_file(folder + "/back"), digest)
    os.unlink(folder + "/back")
    t.engine("DELETE", "/containers/%s?force=1" % name)


@scenario()
def copy_small(t):
    name, folder = t.made("sleep", "1000"), t.folder()
    os.makedirs(folder + "/tree/sub")
    for word in ("tree/a", "tree/sub/b"):
        with open(os.path.join(folder, word), "w") as file:
            file.write(word)
    t.ok("cp", folder + "/tree", name + ":/tmp/", role="all")
    same("in the container", t.ok("exec", name, "cat", "/tmp/tree/a", "/tmp/tree/sub/b"),
         "tree/atree/sub/b")
    t.ok("cp", name + ":/tmp/tree", folder + "/back", role="all")
    same("back", open(folder + "/back/sub/b").read(), "tree/sub/b")
    done = t.docker("cp", name + ":/tmp/tree/a", "-", role="all")
    with tarfile.open(fileobj=io.BytesIO(done.out)) as tar:
        same("cp to stdout", tar.getnames(), ["a"])
    done = t.docker("cp", name + ":/no/such", folder, role="all")
    check(done.code == 1, "exit code %d for a missing path", done.code)
    holds("stderr", done.errors, "/no/such")


def big_image(t, megabytes):
    """Import an image of busybox and a random file that is this scenario's own: (tag, sha256)."""
    path, digest = t.world.blob(megabytes)
    tag = "big/%s:1" % t.prefix.replace(".", "-")
    folder = t.folder()
    with tarfile.open(t.world.rootfs) as old, tarfile.open(folder + "/root.tar", "w") as new:
        for entry in old:
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
        note = tarfile.TarInfo("whose")
        note.size = len(tag)
        new.addfile(note, io.BytesIO(tag.encode()))
        new.add(path, "blob")
    t.ok("import", folder + "/root.tar", tag, role="all")
    os.unlink(folder + "/root.tar")
    return tag, digest


@scenario(timeout=150, heavy=True)
def save_load_100_megabytes(t):
    tag, digest = big_image(t, 100)
    folder = t.folder()
    before = t.ok("image", "inspect", "-f", "{{.Id}}", tag)
    t.ok("save", "-o", folder + "/saved.tar", tag, role="all")
    check(os.path.getsize(folder + "/saved.tar") > 100 << 20, "the saved file is too small")
    t.engine("DELETE", "/images/%s?force=1" % tag, None, (200,))
    check(t.docker("image", "inspect", tag).code != 0, "the image is still there")
    holds("load", t.ok("load", "-i", folder + "/saved.tar", role="all"), "Loaded image")
    same("image ID", t.ok("image", "inspect", "-f", "{{.Id}}", tag), before)
    same("sha256 in the loaded image", t.ok("run", "--rm", tag, "sha256sum", "/blob").split()[0],
         digest)
    with open(folder + "/saved.tar", "rb") as file:
        holds("load from stdin", t.ok("load", role="all", stdin=file.read()), "Loaded image")
    os.unlink(folder + "/saved.tar")


@scenario(timeout=90)
def export_import_commit(t):
    name, folder = t.made("sh", "-c", "echo mark >/mark; sleep 1000"), t.folder()
    t.until("file", lambda: t.docker("exec", name, "cat", "/mark").code == 0)
    t.ok("export", "-o", folder + "/root.tar", name, role="all")
    with tarfile.open(folder + "/root.tar") as tar:
        same("in the export", tar.extractfile("mark").read(), b"mark\n")
    lower = t.prefix.lower().replace(".", "-")
    with open(folder + "/root.tar", "rb") as file:
        data = file.read()
    t.ok("import", "-", lower + "-imported:1", role="all", stdin=data)
    same("run the import", t.ok("run", "--rm", lower + "-imported:1", "cat", "/mark"), "mark")
    t.ok("commit", "-m", "words", "-c", "ENV A=b", name, lower + "-committed:1", role="all")
    same("run the commit", t.ok("run", "--rm", lower + "-committed:1", "sh", "-c",
                                "cat /mark; echo $A"), "mark\nb")
    t.ok("tag", lower + "-committed:1", lower + "-tagged:2", role="all")
    t.ok("rmi", lower + "-tagged:2", role="all")


def build_context(t, megabytes):
    path, digest = t.world.blob(megabytes)
    folder = t.folder()
    os.link(path, folder + "/blob")
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM busybox:test\nARG WORD=none\nCOPY blob /blob\n"
                   "RUN sha256sum /blob >/sum && echo $WORD >>/sum\n")
    return folder, digest


def build(t, buildkit):
    folder, digest = build_context(t, 20)
    tag = "built/%s:1" % t.prefix.replace(".", "-")
    t.ok("build", "--no-cache", "--build-arg", "WORD=word", "-t", tag, folder, role="all",
         DOCKER_BUILDKIT=buildkit)
    lines = t.ok("run", "--rm", tag, "cat", "/sum").split()
    same("in the built image", lines, [digest, "/blob", "word"])


@scenario(timeout=120)
def build_classic(t):
    build(t, "0")


@scenario(timeout=120)
def build_classic_failing(t):
    folder = t.folder()
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM busybox:test\nRUN echo seen; exit 3\n")
    done = t.docker("build", "--no-cache", folder, role="all", DOCKER_BUILDKIT="0")
    check(done.code != 0, "a failing build must fail")
    holds("stdout", done.text, "seen")
    holds("stderr", done.errors, "returned a non-zero code: 3")


@scenario(timeout=120)
def build_stdin(t):
    tag = "stdin/%s:1" % t.prefix.replace(".", "-")
    t.ok("build", "-t", tag, "-", role="all", stdin=b"FROM busybox:test\nENV A=stdin\n",
         DOCKER_BUILDKIT="0")
    same("in the built image", t.ok("run", "--rm", tag, "sh", "-c", "echo $A"), "stdin")


@scenario(timeout=120)
def build_buildkit(t):
    if t.cli.major >= 23 and not t.cli.buildx:
        raise Skip("this CLI reaches BuildKit only by the buildx plugin, which is not here")
    build(t, "1")
    tag = "scratch/%s:1" % t.prefix.replace(".", "-")
    folder, digest = build_context(t, 20)
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM scratch\nCOPY blob /only\n")
    t.ok("build", "--no-cache", "-t", tag, folder, role="all", DOCKER_BUILDKIT="1")
    holds("history", t.ok("history", tag), "COPY blob /only")
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM busybox:test\nRUN exit 3\n")
    done = t.docker("build", "--no-cache", folder, role="all", DOCKER_BUILDKIT="1")
    check(done.code != 0, "a failing BuildKit build must fail")
    holds("stderr", done.errors, "exit code: 3")


@scenario()
def pull_push(t):
    if not t.world.need_registry():
        raise Skip("docker-registry is not installed")
    image = "127.0.0.1:5000/ci/%s:1" % t.prefix.replace(".", "-")
    t.ok("tag", IMAGE, image, role="all")
    t.ok("push", image, role="all")
    t.ok("rmi", image, role="all")
    holds("pull", t.ok("pull", image, role="ci"), "Status:")
    same("run it", t.ok("run", "--rm", image, "echo", "pulled", role="ci"), "pulled")
    missing = t.docker("pull", "127.0.0.1:5000/ci/missing:1", role="ci")
    same("exit code for a missing image", missing.code, 1)
    holds("stderr", missing.errors, "127.0.0.1:5000/ci/missing")


@scenario(timeout=90)
def long_output(t):
    done = t.docker("run", "--rm", IMAGE, "sh", "-c",
                    "dd if=/dev/zero bs=64k count=640 2>/dev/null")
    same("40 MB of output", (len(done.out), sha(done.out)), (40 << 20, sha(bytes(40 << 20))))
