/* Images made of containers and archives: the instructions that change the result, what a commit
   must name, and the names of checkpoints. */
#include "checks.h"

#include "existing.h"

/* ---- instructions ---------------------------------------------------------------------------- */

/* The instructions that the daemon takes, with the key whose rule would hold at a create. */
static const struct instruction {
    const char *word;
    enum key key; /* KEY_COUNT: none */
    bool places;  /* names places in the container */
    bool expands; /* the daemon puts the values of variables in */
} instructions[] = {
    {"CMD", KEY_COUNT, false, false},    {"ENTRYPOINT", KEY_COUNT, false, false},
    {"EXPOSE", KEY_COUNT, false, true},  {"ONBUILD", KEY_COUNT, false, false},
    {"USER", KEY_COUNT, false, true},    {"STOPSIGNAL", KEY_COUNT, false, true},
    {"SHELL", KEY_COUNT, false, false},  {"ENV", KEY_ENV, false, true},
    {"LABEL", KEY_LABELS, false, true},  {"HEALTHCHECK", KEY_HEALTHCHECK, false, false},
    {"VOLUME", KEY_VOLUMES, true, true}, {"WORKDIR", KEY_COUNT, true, true},
};

static const struct instruction *instruction_find(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(instructions); i++)
        if (str_ieq(word, str_of(instructions[i].word)))
            return &instructions[i];
    return NULL;
}

static bool is_word_byte(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '_' || c == '-';
}

/* Could a path in the text be /proc or /sys, or come from a variable? */
static bool places_kernel(struct str text)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = 0;
        while (i + n < text.n && is_word_byte(text.p[i + n]))
            n++;
        struct str word = str_head(str_skip(text, i), n);
        if (str_is(word, "proc") || str_is(word, "sys") ||
            (n == 0 && (text.p[i] == '$' || text.p[i] == '\\')))
            return true;
        i += n ? n : 1;
    }
    return false;
}

/* What is said of a change is never what it holds: it may be a password. */
static const struct str nothing = {NULL, 0};

/* The rule that would hold at the create of a container. */
static enum finding judge_by_key(struct check *check, const struct instruction *known)
{
    if (known->key == KEY_COUNT)
        return FINDING_PASS;
    if (known->key == KEY_LABELS && check->role->owner.images)
        return refuse_plain(check, nothing, "owner", NULL,
                            "holds %s, which could change the label that tells owners apart",
                            known->word);
    const struct constraint *constraint = check_key(check, known->key);
    if (constraint->any && constraint->deny.count == 0)
        return FINDING_PASS;
    return refuse_unless_open(check, nothing, "holds %s, and %s restricts that", known->word,
                              key_path(known->key));
}

/* How long the plain variable is that text begins with: $NAME or ${NAME}; 0: it is another form. */
static size_t variable_plain(struct str text)
{
    bool braces = text.n > 1 && text.p[1] == '{';
    size_t n = braces ? 2 : 1;
    size_t begin = n;
    while (n < text.n && (ascii_alpha(text.p[n]) || ascii_digit(text.p[n]) || text.p[n] == '_'))
        n++;
    if (n == begin || (braces && (n == text.n || text.p[n] != '}')))
        return 0;
    return braces ? n + 1 : n;
}

/* A line that names two variables, or replaces parts of one (${A//x/xx}), can make many times as
   much of them, line by line. */
static bool grows(struct str line)
{
    size_t first = str_find(line, '$');
    if (first == line.n)
        return false;
    size_t length = variable_plain(str_skip(line, first));
    struct str rest = str_skip(line, first + length);
    return length == 0 || str_find(rest, '$') < rest.n;
}

static enum finding judge_change(struct check *check, struct str line)
{
    size_t end = 0;
    while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
        end++;
    const struct instruction *known = instruction_find(str_head(line, end));
    /* A line that goes on could make another instruction of the next one. */
    if (!known || line.p[line.n - 1] == '\\')
        return refuse_unless_open(check, nothing,
                                  "holds a line that is not one of the plain instructions CMD, "
                                  "ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, USER, "
                                  "VOLUME and WORKDIR");
    if (judge_by_key(check, known) != FINDING_PASS)
        return FINDING_REFUSE;
    if (known->expands && grows(line))
        return refuse_unless_open(
            check, nothing,
            "holds %s with more than one plain $NAME in a line: such lines can "
            "keep the daemon busy without end",
            known->word);
    if (!known->places || !places_kernel(str_skip(line, end)))
        return FINDING_PASS;
    return refuse_unless_open(check, nothing,
                              "holds %s with a path that may lie at /proc or /sys, which has led "
                              "out of containers",
                              known->word);
}

enum finding param_changes(struct check *check, struct str value)
{
    for (struct str rest = value; rest.n > 0;) {
        struct str line = str_head(rest, str_find(rest, '\n'));
        rest = str_skip(rest, line.n + 1);
        if (str_ends(line, STR("\r")))
            line.n--;
        line = str_trim(line);
        if (line.n > 0 && judge_change(check, line) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* ---- the operation --------------------------------------------------------------------------- */

enum finding param_container(struct check *check, struct str value)
{
    if (judge_container_name(check, value) != FINDING_PASS)
        return FINDING_REFUSE;
    struct str id;
    if (judge_container(check, value, true, &id) != FINDING_PASS)
        return FINDING_REFUSE;
    return pin_param(check, "container", id);
}

enum finding judge_commit(struct check *check)
{
    check->field = "?repo";
    if (check_key(check, KEY_IMAGES_IMPORT)->any || request_param(check->request, "repo").n > 0)
        return FINDING_PASS; /* a name is judged by its row */
    return refuse_with(check, KEY_IMAGES_IMPORT, STR(""), "\"images\": {\"import\": true}",
                       "is not given, and images.import allows no image without a name");
}

enum finding check_checkpoint(struct check *check, const struct json_node *value)
{
    struct str name = value->text;
    bool plain = name.n > 0 && (ascii_alpha(name.p[0]) || ascii_digit(name.p[0]));
    for (size_t i = 0; i < name.n; i++)
        plain = plain && is_word_byte(name.p[i]);
    return plain ? FINDING_PASS
                 : refuse_unclear(check, name, "must be a plain name: it becomes a folder");
}
