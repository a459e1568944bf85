/* Field table: bodies about plugins, which are lists. A plugin runs as root of the host. */
#include "fields.h"

// clang-format off
/* What is granted to the plugin; the daemon compares it with what the plugin asks for. */
static const struct field grant_fields[] = {
    RULE(1, "Name", T_STRING, check_by_parent, "what is granted, judged with the whole"),
    HARM(1, "Description", T_STRING, "a text for people"),
    RULE(1, "Value", T_STRINGS, check_by_parent, "what is granted, judged with the whole"),
};

static const struct field plugin_set_fields[] = {
    {1, "setting", T_STRING, GOVERNED, check_plugin_setting, true, true,
     "may be a mount, a device or a variable of the plugin"},
};
// clang-format on

SCHEMA(plugin_pull, grant_fields, PluginPull, T_OBJECTS, true, NULL, whole_grants);
SCHEMA(plugin_upgrade, grant_fields, PluginUpgrade, T_OBJECTS, true, NULL, whole_grants);
SCHEMA(plugin_set, plugin_set_fields, PluginSet, T_STRINGS, true, NULL, NULL);
