/* The remedy for slips that people make when they write JSON by hand. The scan has said where and
   what; this looks only at the bytes around that place, and says nothing where it is not plain. */
#include "policy.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t offset_of(struct str text, int line, int column)
{
    size_t at = 0;
    for (; line > 1 && at < text.n; line--)
        at += str_find(str_skip(text, at), '\n') + 1;
    at += column > 0 ? (size_t)column - 1 : 0;
    return at < text.n ? at : text.n;
}

static char first_byte(struct str text)
{
    size_t i = 0;
    while (i < text.n && is_space(text.p[i]))
        i++;
    return i < text.n ? text.p[i] : '\0';
}

static char byte_before(struct str text, size_t at)
{
    while (at > 0 && is_space(text.p[at - 1]))
        at--;
    return at > 0 ? text.p[at - 1] : '\0';
}

static const char *word_remedy(struct str rest)
{
    static const struct {
        const char *word, *remedy;
    } words[] = {
        {"true", "; write true in small letters"},
        {"yes", "; write true"},
        {"on", "; write true"},
        {"false", "; write false in small letters"},
        {"no", "; write false"},
        {"off", "; write false"},
        {"none", "; JSON has true and false; leave a key out that has no value"},
        {"nil", "; JSON has true and false; leave a key out that has no value"},
        {"undefined", "; JSON has true and false; leave a key out that has no value"},
    };
    size_t n = 0;
    while (n < rest.n && (ascii_alpha(rest.p[n]) || rest.p[n] == '_'))
        n++;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_ieq(str_head(rest, n), str_of(words[i].word)))
            return words[i].remedy;
    return "; texts stand in double quotes";
}

const char *policy_syntax_remedy(struct str text, const struct err *err)
{
    size_t at = offset_of(text, err->line, err->column);
    struct str rest = str_skip(text, at);
    char first = first_byte(text), here = rest.n > 0 ? rest.p[0] : '\0';
    char before = byte_before(text, at);
    if (here == '#' || str_starts(rest, STR("//")) || str_starts(rest, STR("/*")))
        return "; JSON has no comments: write a \"description\", which any object may hold";
    if (first == '-' || ascii_alpha(first))
        return "; this looks like YAML, and only JSON is read, which begins with '{'";
    if ((here == ']' || here == '}') && before == ',')
        return "; remove the comma before it";
    if (here == '\'')
        return "; write double quotes instead of single ones";
    if (ascii_alpha(here) && (before == '{' || before == ','))
        return "; names and texts stand in double quotes";
    return ascii_alpha(here) && (before == ':' || before == '[') ? word_remedy(rest) : "";
}
