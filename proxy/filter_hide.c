/* Which answers are filtered, and how, so that a client does not see what is hidden from it; see
   filter.h. The judging is the policy's. */
#include "filter.h"

enum { API_MINOR_END = 1 << 16 /* above every minor version */ };

// clang-format off
/* Error answers have another shape; they are never filtered. */
static const struct hidden_row {
    enum operation op;
    enum filter_shape filter;
    enum hide_shape shape;
    const char *member; /* FILTER_ARRAY: of the object that holds it; NULL: none does */
    bool narrowed;      /* the request's own label filter leaves what others own out already */
    int own_below;      /* below this minor API version the own container may stand in it */
    const char *names;  /* parameter with which containers are named in it; NULL: none */
} hidden_rows[] = {
#define ALWAYS API_MINOR_END
    {OP_ContainerList,   FILTER_ARRAY, HIDE_CONTAINER, NULL,      true,  ALWAYS, NULL},
    {OP_ImageList,       FILTER_ARRAY, HIDE_IMAGE,     NULL,      true,  0,      "manifests"},
    {OP_ImageInspect,    FILTER_WHOLE, HIDE_IMAGE,     NULL,      true,  0,      "manifests"},
    {OP_VolumeList,      FILTER_ARRAY, HIDE_VOLUME,    "Volumes", true,  0,      NULL},
    {OP_NetworkList,     FILTER_ARRAY, HIDE_NETWORK,   NULL,      true,  28,     NULL},
    {OP_ServiceList,     FILTER_ARRAY, HIDE_SERVICE,   NULL,      true,  0,      NULL},
    {OP_TaskList,        FILTER_ARRAY, HIDE_TASK,      NULL,      false, ALWAYS, NULL},
    {OP_SecretList,      FILTER_ARRAY, HIDE_SERVICE,   NULL,      true,  0,      NULL},
    {OP_ConfigList,      FILTER_ARRAY, HIDE_SERVICE,   NULL,      true,  0,      NULL},
    {OP_SystemEvents,    FILTER_LINES, HIDE_EVENT,     NULL,      true,  ALWAYS, NULL},
    {OP_SystemDataUsage, FILTER_WHOLE, HIDE_SHAPES,    NULL,      false, ALWAYS, NULL},
    {OP_NetworkInspect,  FILTER_WHOLE, HIDE_NETWORK,   NULL,      false, ALWAYS, NULL},
#undef ALWAYS
};
// clang-format on

bool filter_hide_needed(const struct hide *hide, const struct request *request)
{
    int minor = request->versioned ? request->api_minor : API_MINOR_END - 1;
    for (size_t i = 0; i < ARRAY_LEN(hidden_rows); i++) {
        const struct hidden_row *row = &hidden_rows[i];
        if (row->op == request->route->op)
            return (hide->own_container.p && minor < row->own_below) ||
                   (hide->label.p && !row->narrowed) ||
                   (row->names && request_param(request, row->names).n > 0);
    }
    return false;
}

enum filter_verdict filter_hide_judge(void *arg, const struct json *object, struct arena *arena,
                                      struct str *changed)
{
    const struct filter_hide *hide = arg;
    if (object_hidden(hide->hide, hide->shape, object))
        return FILTER_HIDE;
    if (hide->shape == HIDE_IMAGE)
        return hide_in_image(hide->hide, object->source, arena, changed) ? FILTER_CHANGE
                                                                         : FILTER_FAIL;
    if (hide->shape != HIDE_NETWORK || !json_get(object, object->nodes, STR("Containers")))
        return FILTER_KEEP;
    /* Below API 1.28 lists of networks name the containers, too. */
    bool done = hide_in_network(hide->hide, hide->visible, object->source, arena, changed);
    return done ? FILTER_CHANGE : FILTER_FAIL;
}

bool filter_hide_rewrite(void *arg, struct str body, struct arena *arena, struct str *out)
{
    const struct filter_hide *hide = arg;
    if (hide->op == OP_NetworkInspect)
        return hide_in_network(hide->hide, hide->visible, body, arena, out);
    if (hide->op == OP_ImageInspect)
        return hide_in_image(hide->hide, body, arena, out);
    return hide->op == OP_SystemDataUsage && hide_in_usage(hide->hide, body, arena, out);
}

bool filter_is_records(struct str content_type)
{
    struct str type = str_trim(str_head(content_type, str_find(content_type, ';')));
    return str_ieq(type, STR("application/json-seq"));
}

bool filter_hide_open(struct filter *filter, struct filter_hide *arg, const struct hide *hide,
                      enum operation op, struct str content_type)
{
    for (size_t i = 0; i < ARRAY_LEN(hidden_rows); i++) {
        const struct hidden_row *row = &hidden_rows[i];
        if (row->op != op)
            continue;
        *arg = (struct filter_hide){.hide = hide, .shape = row->shape, .op = op};
        *filter = (struct filter){
            .shape = row->filter,
            .member = str_of(row->member),
            .records = filter_is_records(content_type),
            .judge = filter_hide_judge,
            .rewrite = filter_hide_rewrite,
            .arg = arg,
        };
        return true;
    }
    return false;
}
