/* Would the daemon unpack an upload by another program? It tells by the first bytes; so do we. */
#include "schema.h"

/* dockerd: pkg/archive, DetectCompression; zstd's skippable frames as in newer versions. */
static bool marked_as_compressed(struct str first)
{
    // clang-format off
    static const struct str marks[] = {
        {"\x1f\x8b\x08", 3}, {"BZh", 3}, {"\xfd""7zXZ", 5}, {"\x28\xb5\x2f\xfd", 4},
    };
    // clang-format on
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (str_starts(first, marks[i]))
            return true;
    return first.n >= 4 && ((unsigned char)first.p[0] & 0xf0) == 0x50 &&
           memcmp(first.p + 1, "\x2a\x4d\x18", 3) == 0;
}

bool request_check_archive(const struct role *role, const struct request *request, struct str first,
                           struct decision *decision)
{
    if (!marked_as_compressed(first))
        return true;
    decision_clear(decision);
    struct check check = {.role = role, .request = request, .decision = decision, .field = "body"};
    refuse_plain(&check, (struct str){NULL, 0}, "archive", NULL,
                 "is compressed, and daemons before 29.5.1 unpack that by a program of the "
                 "container, as root of the host; send a plain tar");
    return false;
}
