/* Answers in which values are emptied, and objects hidden before that; see filter.h. Which they are
   is the policy's to say. */
#include "filter.h"
#include "redact.h"

static enum filter_verdict judge(void *arg, const struct json *object, struct arena *arena,
                                 struct str *changed)
{
    const struct filter_redact *redact = arg;
    struct str text = object->source;
    enum filter_verdict verdict = FILTER_KEEP;
    if (redact->hides)
        verdict = filter_hide_judge((void *)(uintptr_t)&redact->hide, object, arena, changed);
    if (verdict == FILTER_CHANGE)
        text = *changed;
    else if (verdict != FILTER_KEEP)
        return verdict;
    return redact_text(redact->kinds, redact->op, text, true, arena, changed) ? FILTER_CHANGE
                                                                              : FILTER_FAIL;
}

static bool rewrite(void *arg, struct str body, struct arena *arena, struct str *out)
{
    const struct filter_redact *redact = arg;
    if (redact->hides && !filter_hide_rewrite((void *)(uintptr_t)&redact->hide, body, arena, &body))
        return false;
    return redact_text(redact->kinds, redact->op, body, false, arena, out);
}

static bool shape_of(enum redact_way way, enum filter_shape *out)
{
    switch (way) {
    case REDACT_WHOLE:
        *out = FILTER_WHOLE;
        return true;
    case REDACT_LIST:
        *out = FILTER_ARRAY;
        return true;
    case REDACT_LINES:
        *out = FILTER_LINES;
        return true;
    case REDACT_NOTHING:
    case REDACT_REFUSED:
        break;
    }
    return false;
}

bool filter_redact_open(struct filter *filter, struct filter_redact *arg, const struct hide *hide,
                        unsigned kinds, enum operation op, struct str content_type)
{
    const char *member = NULL;
    enum filter_shape shape;
    if (!shape_of(redact_way(kinds, op, &member), &shape))
        return false;
    *arg = (struct filter_redact){.hides = hide != NULL, .kinds = kinds, .op = op};
    if (hide &&
        (!filter_hide_open(filter, &arg->hide, hide, op, content_type) || filter->shape != shape))
        return false;
    *filter = (struct filter){
        .shape = shape,
        .member = str_of(member),
        .records = filter_is_records(content_type),
        .judge = judge,
        .rewrite = rewrite,
        .arg = arg,
    };
    return true;
}
