"""Builds and commits under roles that say what they may."""
from harness import Skip, check, holds, same, scenario


def context(t, lines):
    folder = t.folder()
    with open(folder + "/Dockerfile", "w") as file:
        file.write("FROM busybox:test\n" + lines)
    return folder


def image(t, word):
    return "%s-%s" % (word, t.prefix.lower().replace(".", "-"))


def refused(done, *words):
    check(done.code != 0, "exit code %d", done.code)
    for word in words:
        holds("stderr", done.errors, word)


@scenario(timeout=120)
def build_by_role(t):
    tag = image(t, "ours/build")
    folder = context(t, "ARG WORD=none\nRUN echo $WORD >/word\n")
    t.ok("build", "--no-cache", "--build-arg", "WORD=word", "-t", tag, folder, role="builder",
         DOCKER_BUILDKIT="0")
    same("in the image", t.ok("run", "--rm", tag, "cat", "/word"), "word")
    t.ok("tag", tag, tag + ":2", role="builder")


@scenario(timeout=120, proxy=True)
def build_refused_by_role(t):
    tag, folder = image(t, "ours/no"), context(t, "RUN true\n")
    for words, said in (
            (("--network", "host"), ("?networkmode", '"host"', "builds.network_mode")),
            (("--add-host", "db:10.0.0.1"), ("?extrahosts", "builds.extra_hosts")),
            (("--cgroup-parent", "/x"), ("?cgroupparent", "builds.cgroup_parent")),
            (("-t", "trusted/app"), ("?t", "images.import"))):
        done = t.docker("build", *words, "-t", tag, folder, role="builder", DOCKER_BUILDKIT="0")
        refused(done, *said)
    done = t.docker("build", "-t", tag, folder, role="bound", DOCKER_BUILDKIT="0")
    refused(done, "containers.user", "builds.unconstrained")
    check(t.engine("GET", "/images/%s/json" % tag)[0] == 404, "the image was built")


@scenario(timeout=120, proxy=True)
def build_buildkit_refused(t):
    if t.cli.major >= 23 and not t.cli.buildx:
        raise Skip("this CLI reaches BuildKit only by the buildx plugin, which is not here")
    folder = context(t, "RUN true\n")
    done = t.docker("build", "-t", image(t, "ours/kit"), folder, role="builder",
                    DOCKER_BUILDKIT="1")
    refused(done, "received 403")  # the CLI drops the sentence of a refused tunnel


@scenario(timeout=90)
def commit_by_role(t):
    name, tag = t.made("sleep", "1000"), image(t, "ours/commit")
    t.ok("commit", "-m", "words", "-c", "ENV A=b", name, tag + ":1", role="builder")
    same("run the commit", t.ok("run", "--rm", tag + ":1", "sh", "-c", "echo $A"), "b")


@scenario(timeout=90, proxy=True)
def commit_refused_by_role(t):
    name, tag = t.made("sleep", "1000"), image(t, "trusted/commit")
    refused(t.docker("commit", name, tag + ":1", role="builder"), "?repo", "images.import")
    refused(t.docker("commit", name, role="builder"), "?repo", "images.import")
    refused(t.docker("commit", "-c", "WORKDIR /proc/self/fd/7", name, image(t, "ours/c"),
                     role="builder"), "?changes", "WORKDIR")
    check(t.engine("GET", "/images/%s/json" % tag)[0] == 404, "the image was made")


@scenario(timeout=60, proxy=True)
def login_refused_by_role(t):
    done = t.docker("login", "-u", "joe", "-p", "hunter2", "127.0.0.1:1", role="builder")
    refused(done, "serveraddress", "images.allow")
    check("hunter2" not in done.errors, "the password is shown")
