/* Questions about signatures and what is read of their answers; see signed.h. Whether an image
   passes is not decided here. */
#include "signed.h"

#include "checks.h"
#include "existing.h"

bool is_sha256(struct str text)
{
    struct str prefix = STR("sha256:");
    return str_starts(text, prefix) && id_is_full(str_skip(text, prefix.n));
}

static enum asked read_answer(struct check *check, struct str name, struct signed_answer *out)
{
    const struct fact *fact = check_fact(check, FACT_SIGNATURE, name);
    *out = (struct signed_answer){.is_signed = false};
    if (fact && (fact->state == FACT_FAILED || fact->state == FACT_MISSING))
        return ASKED_FAILED;
    switch (check_look(check, FACT_SIGNATURE, name, &out->found)) {
    case LOOK_WAIT:
        return ASKED_WAITS;
    case LOOK_FOUND:
        break;
    default:
        return ASKED_FAILED;
    }
    out->is_signed = str_is(fact_text(&out->found, "Verdict"), "signed") &&
                     is_sha256(fact_text(&out->found, "Digest"));
    return ASKED_ANSWERED;
}

bool find_by_digest(struct check *check, struct str repository, struct str digest,
                    struct signed_answer *out)
{
    struct facts *facts = check->facts;
    for (size_t i = 0; facts && i < facts->count; i++) {
        struct signature_question question;
        if (facts->items[i].state == FACT_FOUND && fact_signature(&facts->items[i], &question) &&
            question.tag.n > 0 && str_eq(question.repository, repository) &&
            read_answer(check, facts->items[i].name, out) == ASKED_ANSWERED &&
            str_eq(fact_text(&out->found, "Digest"), digest))
            return true;
    }
    return false;
}

enum asked ask_signature(struct check *check, struct str repository, const char *separator,
                         struct str what, struct signed_answer *out)
{
    const struct str parts[] = {repository, str_of(separator), what};
    struct str name = arena_join(check->arena, parts, ARRAY_LEN(parts));
    if (!name.p)
        return ASKED_FAILED; /* and the arena is full, with which the decision refuses */
    if (separator[0] == '@' && !check_fact(check, FACT_SIGNATURE, name) &&
        find_by_digest(check, repository, what, out))
        return ASKED_ANSWERED;
    enum asked asked = read_answer(check, name, out);
    /* What was asked by digest is answered for that digest. */
    if (separator[0] == '@' && out->is_signed && !str_eq(fact_text(&out->found, "Digest"), what))
        return ASKED_FAILED;
    return asked;
}

bool answer_has_id(const struct check *check, const struct signed_answer *answer, struct str id)
{
    const struct json_node *ids = fact_at(&answer->found, "Ids");
    if (str_eq(fact_text(&answer->found, "Digest"), id))
        return true;
    for (const struct json_node *n = ids ? json_child(&answer->found.doc, ids) : NULL;
         n && check_spend(check, LISTED_COST); n = json_next(&answer->found.doc, n))
        if (str_eq(n->text, id))
            return true;
    return false;
}

bool answer_unmapped(const struct signed_answer *answer)
{
    const struct json_node *mapped = fact_at(&answer->found, "Mapped");
    return mapped && mapped->kind == JSON_FALSE;
}
