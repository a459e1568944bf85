/* Which objects of an answer a client may not see; see include/hide.h. */
#include "hide.h"

enum { PLACES_MAX = 2 };

struct place {
    const char *path; /* member names with dots between */
};

// clang-format off
static const struct shape_row {
    struct place labels[PLACES_MAX];
    struct place own[PLACES_MAX]; /* where a container's ID stands */
} shape_rows[HIDE_SHAPES] = {
    [HIDE_CONTAINER] = {{{"Labels"}, {"Config.Labels"}},           {{"Id"}}},
    [HIDE_VOLUME]    = {{{"Labels"}},                              {{NULL}}},
    [HIDE_NETWORK]   = {{{"Labels"}},                              {{NULL}}},
    [HIDE_IMAGE]     = {{{"Labels"}, {"Config.Labels"}},           {{NULL}}},
    [HIDE_SERVICE]   = {{{"Spec.Labels"}},                         {{NULL}}},
    [HIDE_TASK]      = {{{"Labels"}, {"Spec.ContainerSpec.Labels"}},
                        {{"Status.ContainerStatus.ContainerID"}}},
    [HIDE_EVENT]     = {{{"Actor.Attributes"}},                    {{"Actor.ID"}, {"id"}}},
};
// clang-format on

static const struct json_node *at_path(const struct json *doc, const char *path)
{
    const struct json_node *node = doc->nodes;
    struct str rest = str_of(path);
    while (node && rest.n > 0) {
        struct str part = str_head(rest, str_find(rest, '.'));
        rest = str_skip(rest, part.n + 1);
        node = json_get(doc, node, part);
    }
    return node;
}

static bool text_is(const struct json_node *node, struct str text)
{
    return node && node->kind == JSON_STRING && str_eq(node->text, text);
}

/* An image's labels stand in the attributes of its events: only of these two kinds is "container"
   surely the daemon's word. */
static bool event_names(const struct json *event, struct str id)
{
    const struct json_node *type = json_get(event, event->nodes, STR("Type"));
    if (!text_is(type, STR("network")) && !text_is(type, STR("volume")))
        return false;
    return text_is(at_path(event, "Actor.Attributes.container"), id);
}

static bool is_own(const struct hide *hide, enum hide_shape shape, const struct json *object)
{
    const struct place *own = shape_rows[shape].own;
    for (size_t i = 0; i < PLACES_MAX && own[i].path; i++)
        if (text_is(at_path(object, own[i].path), hide->own_container))
            return true;
    return shape == HIDE_EVENT && event_names(object, hide->own_container);
}

static bool bears_label(const struct hide *hide, enum hide_shape shape, const struct json *object)
{
    const struct place *labels = shape_rows[shape].labels;
    if (hide->value.n == 0) /* not known who it is */
        return false;
    for (size_t i = 0; i < PLACES_MAX && labels[i].path; i++)
        if (text_is(json_get(object, at_path(object, labels[i].path), hide->label), hide->value))
            return true;
    return false;
}

/* Networks of these names are the daemon's own; it refuses to make others of them. */
static bool is_predefined(const struct json *network)
{
    static const char *const names[] = {"bridge", "host", "none"};
    const struct json_node *name = json_get(network, network->nodes, STR("Name"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (text_is(name, str_of(names[i])))
            return true;
    return false;
}

bool object_hidden(const struct hide *hide, enum hide_shape shape, const struct json *object)
{
    if (object->count == 0 || object->nodes[0].kind != JSON_OBJECT)
        return true;
    if (hide->own_container.p && is_own(hide, shape, object))
        return true;
    if (!hide->label.p || (shape == HIDE_IMAGE && !hide->images))
        return false;
    if (shape == HIDE_NETWORK && is_predefined(object))
        return false;
    return !bears_label(hide, shape, object);
}
