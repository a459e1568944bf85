/* sockwarden audit verify: is the chain of an audit log whole? Reads files, writes none. */
#include "cmd.h"

#include "audit_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 256 << 10 };

/* False: it cannot be read, which has been said. */
static bool verify_file(struct audit_verifier *verifier, const char *path, char *piece)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : 0;
    audit_verify_file(verifier, path);
    while (fd >= 0) {
        n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !audit_verify_feed(verifier, (struct str){piece, (size_t)n}))
            break;
    }
    int error = errno;
    audit_verify_file_end(verifier);
    if (fd >= 0 && !standard)
        close(fd);
    if (n < 0)
        cmd_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(error));
    return n >= 0;
}

static void say_notes(const struct audit_verifier *verifier)
{
    if (verifier->behind)
        printf("the first line continues an older file, whose last hash is %.*s\n", AUDIT_HASH_LEN,
               verifier->before);
    if (verifier->torn)
        printf("%" PRIu64 " half lines, of crashes most likely, each explained by the line behind "
               "it; the first at %s:%" PRIu64 "\n",
               verifier->torn, verifier->torn_at.file, verifier->torn_at.line);
    if (verifier->lost)
        printf("%" PRIu64 " lines could not be written, as lines `lost` say; the first of those at "
               "%s:%" PRIu64 "\n",
               verifier->lost_lines, verifier->lost_at.file, verifier->lost_at.line);
}

static int say_verdict(struct audit_verifier *verifier)
{
    if (!audit_verify_verdict(verifier)) {
        printf("%s:%" PRIu64 ": %s\n", verifier->broken.file, verifier->broken.line, verifier->why);
        return EXIT_FAILED;
    }
    say_notes(verifier);
    printf("%" PRIu64 " lines, chain whole, last hash %.*s\n", verifier->lines, AUDIT_HASH_LEN,
           verifier->last);
    return EXIT_OK;
}

static int verify(char *const *paths, size_t count)
{
    struct audit_verifier verifier;
    char *piece = malloc(PIECE);
    bool opened = audit_verify_open(&verifier), ok = opened && piece;
    int status = EXIT_FAILED;
    for (size_t i = 0; i < count && ok; i++)
        ok = verify_file(&verifier, paths[i], piece);
    if (ok)
        status = say_verdict(&verifier);
    else if (!opened || !piece)
        cmd_fail(EXIT_FAILED, "out of memory");
    audit_verify_close(&verifier);
    free(piece);
    return status;
}

int cmd_audit(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "verify") != 0)
        return cmd_fail(EXIT_USAGE,
                        "audit knows one thing to do: `sockwarden audit verify FILE...`");
    for (int i = 2; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1] != '\0')
            return cmd_fail(EXIT_USAGE, "audit verify has no option %s", argv[i]);
    if (argc < 3)
        return cmd_fail(EXIT_USAGE, "which files? `sockwarden audit verify FILE...`, oldest first; "
                                    "- is standard input");
    return verify(argv + 2, (size_t)argc - 2);
}
