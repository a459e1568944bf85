/* Warnings about trees that the policy lets containers bind; see host_warn.h. Nothing is refused
   here. */
#include "host_warn.h"

#include "host_path.h"
#include "json.h"

#include <stdio.h>

enum { TREES_MAX = 64, SHOWN_MAX = 160 };

struct warner {
    const struct host_root *root;
    bool serving;
    void (*say)(const char *sentence, void *arg);
    void *arg;
    struct str told[TREES_MAX]; /* folders and entries that a sentence has been about */
    size_t told_count;
};

/* False: it has been told already, or enough has been told. */
static bool tell_first(struct warner *warner, struct str what)
{
    for (size_t i = 0; i < warner->told_count; i++)
        if (str_eq(warner->told[i], what))
            return false;
    if (warner->told_count == TREES_MAX)
        return false;
    warner->told[warner->told_count++] = what;
    return true;
}

/* A container that runs as root makes a setuid program there, and a user of the host starts it. */
static void warn_of_mount(struct warner *warner, const struct bind_tree *tree,
                          const struct host_path *look)
{
    char shown[SHOWN_MAX], text[2 * SHOWN_MAX + 400];
    bool folder = str_is(str_of(look->type), "folder");
    if (!tree->writable || !folder || (look->no_suid && look->no_dev) ||
        !tell_first(warner, tree->folder))
        return;
    text_shorten(shown, sizeof(shown), tree->folder);
    snprintf(text, sizeof(text),
             "containers.binds lets containers write below %s, whose file system is not mounted "
             "%s%s%s: a setuid program that one leaves there gives root to any user of this host "
             "who can reach it; mount it nosuid,nodev",
             shown, look->no_suid ? "" : "nosuid", look->no_suid || look->no_dev ? "" : ",",
             look->no_dev ? "" : "nodev");
    warner->say(text, warner->arg);
}

static void warn_of_link(struct warner *warner, const struct bind_tree *tree,
                         const struct host_path *look)
{
    char shown[SHOWN_MAX], link[SHOWN_MAX], text[2 * SHOWN_MAX + 400];
    if (!tell_first(warner, tree->entry))
        return;
    text_shorten(shown, sizeof(shown), tree->entry);
    text_shorten(link, sizeof(link), (struct str){look->real, look->known});
    snprintf(text, sizeof(text),
             "containers.binds \"%s\" runs through the symbolic link %s, so it allows nothing; "
             "write the path without links",
             shown, link);
    warner->say(text, warner->arg);
}

static void warn_of_unseen(struct warner *warner, const struct bind_tree *tree,
                           const struct host_path *look)
{
    char shown[SHOWN_MAX], text[2 * SHOWN_MAX + 600];
    if (!warner->serving || !tell_first(warner, tree->folder))
        return;
    text_shorten(shown, sizeof(shown), tree->folder);
    snprintf(text, sizeof(text),
             "containers.binds allows %s, which cannot be seen here, so it is refused: %s", shown,
             look->why);
    warner->say(text, warner->arg);
}

static void warn_of_tree(struct warner *warner, const struct bind_tree *tree)
{
    struct host_path look;
    host_path_look(warner->root, tree->folder, &look);
    if (look.state == HOST_UNSEEN)
        warn_of_unseen(warner, tree, &look);
    /* Where the system's links lead, only an entry that is written out may go. */
    else if (look.state == HOST_LINK || (look.moved && !tree->literal))
        warn_of_link(warner, tree, &look);
    else if (look.state == HOST_EXISTS)
        warn_of_mount(warner, tree, &look);
}

void host_warn(const struct host_root *root, const struct policy *policy, bool serving,
               void (*say)(const char *sentence, void *arg), void *arg)
{
    struct warner warner = {.root = root, .serving = serving, .say = say, .arg = arg};
    struct bind_tree tree;
    bool any = false;
    if (root->by_name)
        return;
    for (size_t role = 0; role < policy_role_count(policy); role++)
        for (size_t i = 0; policy_bind_tree(policy, role, i, &tree); i++) {
            any = true;
            warn_of_tree(&warner, &tree);
        }
    if (serving && any && root->doubt) {
        char text[400];
        snprintf(text, sizeof(text),
                 "%s: bind sources that are not seen here are refused; mount the allowed trees "
                 "at the same paths, or the host's / with --host-root naming where",
                 root->doubt);
        say(text, arg);
    }
}
