"""Bind sources on the daemon's file system: links, swaps, what is missing, sockets by other names."""
import os

from harness import check, holds, same, scenario
from test_deny import refused

IMAGE = "busybox:test"
LINK = "is a symbolic link on the daemon's file system"


def tree(t):
    """A folder that the role may bind, with an honest one and a link to the host's root in it."""
    folder = t.folder()
    os.mkdir(folder + "/ws")
    os.symlink("/", folder + "/root")
    return folder


def mount(t, source, *command, role="tree"):
    """docker run with the source at /x."""
    return t.docker("run", "--rm", "-v", source + ":/x", IMAGE, *command, role=role)


@scenario(proxy=True)
def bind_sources(t):
    folder = tree(t)
    done = mount(t, folder + "/ws", "touch", "/x/made")
    same("exit code (stderr %r)" % done.errors, done.code, 0)
    check(os.path.exists(folder + "/ws/made"), "the container wrote nothing")
    for source in ("/root", "/root/etc", "/root" + folder):
        refused(t, mount(t, folder + source, "ls", "/x"), 125, LINK, folder + "/root")
    done = mount(t, folder + "/new/deep", "true")
    same("exit code for a missing source (stderr %r)" % done.errors, done.code, 0)
    check(os.path.isdir(folder + "/new/deep"), "the daemon makes what is missing")
    volume = t.name("v")
    refused(t, t.docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o",
                        "device=" + folder + "/root", volume, role="tree"), 1, LINK)
    os.link(t.world.daemon.socket, folder + "/sock")
    refused(t, mount(t, folder + "/sock", "true"), 125, "under another name")


@scenario(proxy=True)
def swapped_before_start(t):
    """The source becomes a link between create and start, and between start and restart."""
    folder, name = tree(t), t.name()
    t.ok("create", "--name", name, "-v", folder + "/ws:/x", IMAGE, "ls", "/x", role="tree")
    os.rename(folder + "/ws", folder + "/away")
    os.symlink("/", folder + "/ws")
    for command in ("start", "restart"):
        done = t.docker(command, name, role="tree")
        check(done.code != 0, "docker %s passes", command)
        holds("stderr of docker " + command, done.errors, LINK)
    same("state", t.ok("inspect", "-f", "{{.State.Status}}", name, role="tree"), "created")
    os.unlink(folder + "/ws")
    os.rename(folder + "/away", folder + "/ws")
    open(folder + "/ws/honest", "w").close()
    same("once it is a folder again", t.ok("start", "-a", name, role="tree").split(), ["honest"])


@scenario(proxy=True)
def swapped_volume(t):
    """A volume that binds a folder, which becomes a link before a container uses it."""
    folder, volume = tree(t), t.name("v")
    t.ok("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=" + folder + "/ws",
         volume, role="tree")
    os.rmdir(folder + "/ws")
    os.symlink("/", folder + "/ws")
    refused(t, mount(t, volume, "ls", "/x"), 125, LINK)
    t.ok("volume", "rm", volume, role="tree")
