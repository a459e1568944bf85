/* JSON that is made for people or only rarely, by cJSON; the only file that includes it. Nothing is
   judged by what cJSON reads: it cuts strings at U+0000 and holds numbers as doubles. */
#include "json.h"

#include <cjson/cJSON.h>

static char *with_length(char *text, size_t *len)
{
    *len = text ? strlen(text) : 0;
    return text;
}

char *json_print_pretty(struct str json, size_t *len)
{
    *len = 0;
    const char *end = NULL;
    cJSON *value = json.n ? cJSON_ParseWithLengthOpts(json.p, json.n, &end, false) : NULL;
    struct str rest = value ? str_from(end, json.p + json.n) : (struct str){NULL, 0};
    while (rest.n > 0 && strchr(" \t\r\n", rest.p[0]) && rest.p[0])
        rest = str_skip(rest, 1);
    char *text = value && rest.n == 0 ? cJSON_Print(value) : NULL;
    cJSON_Delete(value);
    return with_length(text, len);
}
